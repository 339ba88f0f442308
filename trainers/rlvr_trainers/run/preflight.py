"""Checks before any work is done: environments that do not go together, prompts that leave no room."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence

from rlvr_sandbox.installing import pip_install

from rlvr_gym.agents.environment import AgentEnvironment
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.prompting import prompt_ids, shows_tools
from rlvr_gym.errors import ConfigError, KnownOverlap
from rlvr_gym.generation.chat import encode_prompt
from rlvr_gym.generation.prompts import TokenGenerator
from rlvr_gym.overlap import known_overlap, refuse_overlap
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_trainers.algorithms.cispo import Cispo
from rlvr_trainers.algorithms.grpo import Grpo, TreeGrpo
from rlvr_trainers.algorithms.process_reward_model.settings import ProcessRewardModelling
from rlvr_trainers.algorithms.reinforce_pp import ReinforcePlusPlus
from rlvr_trainers.algorithms.reward_model.settings import RewardModelling
from rlvr_trainers.algorithms.rloo import Rloo
from rlvr_trainers.config import PAIRED, TrainConfig
from rlvr_trainers.data.conversations import conversations
from rlvr_trainers.data.preferences import preferences
from rlvr_trainers.data.steps.labels import step_labels
from rlvr_trainers.data.stored import StoredSamples
from rlvr_trainers.settings import RolloutsConfig

AGENTS_LEARN_BY = (Grpo, Rloo, ReinforcePlusPlus, Cispo)
"""The algorithms whose credit and loss are those of episodes, of however many sequences each is."""

MOST_SAMPLES = 10_000_000
"""Largest number of samples in a step: they are held in memory."""

ENDLESS_SAMPLE = 64
"""Number of tasks checked of an endless set; the generator refuses a longer one when it comes."""


def refuse_shards_of(model: object, config: TrainConfig) -> None:
    """Raise ConfigError for a model given as an object that would have to be spread over processes."""
    if model is not None and config.mesh.shard > 1:
        raise ConfigError(
            "mesh.shard: a model that is given as an object is trained where it is, in one piece; save it, and name "
            "its folder as model.path"
        )


def refuse_prompts_without_room(
    config: TrainConfig, env: Environment, held_out: Environment | None, generator: TokenGenerator
) -> None:
    """Raise ConfigError where prompts to sample from, or to evaluate on, leave no room for a completion."""
    max_tokens, context = config.sampling.max_tokens, generator.context
    if config.samples:
        _refuse_prompts_without_room(env, generator, max_tokens=max_tokens, context=context)
    if held_out and config.eval:
        _refuse_prompts_without_room(
            held_out, generator, max_tokens=max_tokens, context=context, limit=config.eval.tasks
        )


def refuse_samples_beyond_the_teacher(
    config: TrainConfig, env: Environment, generator: TokenGenerator, context: int | None
) -> None:
    """Raise ConfigError where samples may be longer than the teacher's `context`, which it could not read."""
    max_tokens = config.sampling.max_tokens
    _refuse_prompts_without_room(env, generator, max_tokens=max_tokens, context=context, reader="teacher")


def _refuse_prompts_without_room(
    env: Environment,
    generator: TokenGenerator,
    *,
    max_tokens: int,
    context: int | None,
    reader: str = "model",
    limit: int | None = None,
) -> None:
    """Raise ConfigError, naming the longest, when prompts and `max_tokens` exceed the reader's `context`.

    Of a finite set every task is looked at, or the first `limit`.
    """
    if context is None:
        return
    tasks = env.tasks
    count = limit if tasks.size is not None else min(limit or ENDLESS_SAMPLE, ENDLESS_SAMPLE)
    lengths = _lengths_over(context - max_tokens, env, tasks.take(count), generator)
    if not lengths:
        return
    task, length = max(lengths, key=lambda pair: pair[1])
    fit = context - length
    remedy = f"lower sampling.max_tokens to at most {fit}, or" if fit > 0 else "shorten it, or"
    raise ConfigError(
        f"{len(lengths)} prompts of '{tasks.name}' ({tasks.split}) leave no room for sampling.max_tokens={max_tokens} "
        f"in the {reader}'s context of {context} tokens; the longest, task '{task.id}' "
        f"('{' '.join(task.text.split())[:60]}...'), has {length}: {remedy} take such tasks out of the data"
    )


def _lengths_over(
    room: int, env: Environment, tasks: Sequence[Task], generator: TokenGenerator
) -> list[tuple[Task, int]]:
    """(task, tokens of its prompt) where these are more than `room`.

    Only prompts that may be too long are encoded, and those that show tools: a token stands for one byte or more, and
    the chat template adds to each message what it adds to an empty one.
    """
    shown = shows_tools(env, generator.tokenizer)
    added = len(encode_prompt(generator.tokenizer, (Message(role="user", content=""),)))
    found = []
    for task in tasks:
        messages = env.prompt(task, native_tools=shown)
        most = sum(len(message.content.encode()) + added for message in messages)
        if most > room or shown:
            length = len(prompt_ids(env, generator.tokenizer, task))
            if length > room:
                found.append((task, length))
    return found


def environments(
    config: TrainConfig, env: Environment | None = None, held_out: Environment | None = None
) -> tuple[Environment, Environment | None]:
    """The training environment and the held-out one, those that are given or those that `config` names.

    Data that takes the place of an environment is one that judges nothing. Raises ConfigError where they do not go
    together.
    """
    data = _tasks_of_data(config)
    if env is None:
        held_out = held_out or (config.held_out.make() if config.held_out else None)
    env = data or env or config.env.make()
    _refuse_forks_without_turns(config, env)
    if isinstance(env, AgentEnvironment):
        _refuse_what_agents_cannot(config, env)
    if (held_out is None) != (config.eval is None):
        raise ConfigError(
            "settings of eval and a held-out environment belong together: give both, or neither (eval=null)"
        )
    apart = held_out if config.eval is not None and not config.eval.allow_overlap else None
    if apart is not None:
        _say_known_overlap(env, apart)
    samples = config.batch.prompts * config.batch.group_size
    if samples > MOST_SAMPLES:
        raise ConfigError(
            f"batch.prompts x batch.group_size is {samples:,} samples a step: give at most {MOST_SAMPLES:,}"
        )
    size = env.tasks.size
    if size is not None and size < config.batch.prompts:
        raise ConfigError(
            f"batch.prompts={config.batch.prompts} different prompts a step, but "
            f"{env.tasks.label} has {size} tasks: give at most that"
        )
    if held_out is not None and held_out.tasks.fingerprint == env.tasks.fingerprint:
        raise ConfigError(
            "eval.env holds the very tasks that the model trains on: name other data or another split"
        )
    if apart is not None:
        _refuse_overlap(env, apart)
    return _judged_elsewhere(config, env, held_out)


def _judged_elsewhere(
    config: TrainConfig, env: Environment, held_out: Environment | None
) -> tuple[Environment, Environment | None]:
    """The environments, which are judged where `config.rollouts` says. Raises ConfigError where that cannot be."""
    rollouts = config.rollouts
    if rollouts.ray is None:
        return env, held_out
    _refuse_processes(rollouts)
    try:
        from rlvr_gym.environments.ray import RayJudges
    except ImportError as error:
        raise ConfigError(f"rollouts.ray={rollouts.ray} needs Ray: {pip_install('ray')} ({error})") from error
    judges = RayJudges(rollouts.ray, patience_seconds=rollouts.patience_seconds)
    judged = [one and one.clone() for one in (env, held_out)]
    for one in judged:
        if one is not None:
            judges.send(one.verifier)
            one.judging = judges
    return judged[0] or env, judged[1]


def _refuse_processes(rollouts: RolloutsConfig) -> None:
    """Raise ConfigError where several processes train together, each of which would take the nodes' samplers."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if rollouts.ray is not None and processes > 1:
        raise ConfigError(
            f"rollouts.ray={rollouts.ray} samples for one process that trains, and these are {processes} (WORLD_SIZE): "
            "start one process, or leave rollouts.ray out"
        )


def _refuse_forks_without_turns(config: TrainConfig, env: Environment) -> None:
    algorithm = config.algorithm
    if isinstance(algorithm, TreeGrpo) and algorithm.fork == "turns" and env.max_turns == 1:
        raise ConfigError(
            f"algorithm.fork=turns parts rollouts between turns, and {env.tasks.label} has one turn, so that none "
            "would share a token: use algorithm.fork=tokens"
        )


def _refuse_what_agents_cannot(config: TrainConfig, env: Environment) -> None:
    """Raise ConfigError for settings that take an episode for one sequence: an agent's may be several."""
    algorithm = config.algorithm
    if not isinstance(algorithm, AGENTS_LEARN_BY):
        kinds = ", ".join(kind.model_fields["kind"].default for kind in AGENTS_LEARN_BY)
        raise ConfigError(
            f"algorithm.kind={algorithm.kind}: {env.tasks.label} is answered by an agent, which learns by {kinds}"
        )
    refused = {
        f"algorithm.ratio={algorithm.ratio}": algorithm.ratio != "token",
        "algorithm.sampler_correction=sequence_mask": algorithm.sampler_correction == "sequence_mask",
        "algorithm.prefix_weighting=true": algorithm.prefix_weighting,
        f"reward.steps={config.reward.steps}": config.reward.steps != "off",
        f"buffer.max_staleness={config.buffer.max_staleness}": config.buffer.max_staleness > 0,
        "warmup": config.warmup is not None,
    }
    named = [name for name, asked in refused.items() if asked]
    if named:
        raise ConfigError(
            f"{', '.join(named)}: {env.tasks.label} is answered by an agent, whose episodes may be several sequences "
            "and whose calls come when it makes them: leave that out"
        )


def _tasks_of_data(config: TrainConfig) -> Environment | None:
    """The tasks of data that takes the place of the environment; None where none does."""
    data = config.data
    if data is None or data.named is None:
        return None
    if data.runs:
        return StoredSamples(data.runs).environment()
    if isinstance(config.algorithm, ProcessRewardModelling):
        return step_labels(str(data.path), config.algorithm.reading, split=data.split)
    read = preferences if config.algorithm.kind in PAIRED else conversations
    return read(str(data.path), split=data.split)


def held_out_answers(config: TrainConfig, env: Environment) -> TaskSet | None:
    """Pairs or labelled answers that a model which judges is measured on; None where the settings name none.

    Raises ConfigError for those of prompts that it trains on.
    """
    match config.algorithm:
        case RewardModelling(held_out=str(source)):
            tasks = preferences(source).tasks
        case ProcessRewardModelling(held_out=str(source)) as algorithm:
            tasks = step_labels(source, algorithm.reading).tasks
        case _:
            return None
    try:
        refuse_overlap([env.tasks], tasks)
    except ConfigError as error:
        raise ConfigError(f"algorithm.held_out: {error}. Name other pairs") from error
    return tasks


def with_steps_of_epochs(config: TrainConfig, env: Environment) -> TrainConfig:
    """The settings with the steps that `data.epochs` takes, where it is given. Raises ConfigError for endless tasks."""
    epochs = config.data.epochs if config.data else None
    if epochs is None:
        return config
    if env.tasks.size is None:
        raise ConfigError(
            f"data.epochs={epochs}: {env.tasks.label} is endless: give run.steps, without data.epochs"
        )
    steps = math.ceil(epochs * env.tasks.size / config.batch.prompts)
    return config.model_copy(update={"run": config.run.model_copy(update={"steps": steps})})


def _say_known_overlap(env: Environment, held_out: Environment) -> None:
    """Warn where the cards of two sets say that they hold problems of one collection."""
    if known := known_overlap(env.card, held_out.card):
        warnings.warn(
            f"{env.tasks.label} and the held-out {held_out.tasks.label}: {known}. Prompts that stand in both word for "
            "word, or share a passage, are looked for; others are not found",
            KnownOverlap,
            stacklevel=2,
        )


def _refuse_overlap(env: Environment, held_out: Environment) -> None:
    try:
        refuse_overlap([env.tasks], held_out.tasks)
    except ConfigError as error:
        raise ConfigError(f"{error}. Name other data, or set eval.allow_overlap=true") from error
