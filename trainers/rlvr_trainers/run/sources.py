"""Sources of samples, as the settings of a run have them: the engine, and sampling in turn or ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.prompting import prompt_ids, shows_tools
from rlvr_gym.errors import ConfigError
from rlvr_gym.play import rollout
from rlvr_gym.play.forks import NO_CALLS
from rlvr_gym.rollouts import Group
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_trainers.algorithms.grpo import TreeGrpo
from rlvr_trainers.algorithms.process_reward_model.settings import ProcessRewardModelling
from rlvr_trainers.config import PAIRED, TrainConfig
from rlvr_trainers.data.conversations import said_in
from rlvr_trainers.data.demonstrations import Demonstrations, as_turn, labels_of, solution_of
from rlvr_trainers.data.preferences import both_of
from rlvr_trainers.data.said import Said, Tell
from rlvr_trainers.data.steps.demonstrations import StepDemonstrations
from rlvr_trainers.data.steps.labels import labelled_in
from rlvr_trainers.data.stored import StoredSamples
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.samplers import Sampler, make_sampler
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.run.rows import Rows
from rlvr_trainers.sampling.ahead import Ahead, RoundsAhead
from rlvr_trainers.sampling.buffer import Buffer, Source, StepNeeds
from rlvr_trainers.sampling.collector import Collector, InTurn
from rlvr_trainers.sampling.schedule import Schedule, schedule_file
from rlvr_trainers.sampling.shown import Shown
from rlvr_trainers.sampling.stream import TaskStream
from rlvr_trainers.sampling.tree import Forest, grow
from rlvr_trainers.settings import DataConfig, WarmupConfig

PROBES = 4
"""Number of prompts that a sampler elsewhere is asked about, to prove that it has the trained weights."""


def sampler_for(config: TrainConfig, policy: Policy, env: Environment) -> Sampler:
    """The engine that samples from `policy`, which proves on prompts of `env` that it has its weights."""
    probes = [_prompt_ids(policy, env, task) for task in env.tasks.take(PROBES)]
    return make_sampler(
        config.generator,
        config.rollouts,
        config.buffer,
        policy,
        probes,
        temperature=config.sampling.temperature,
    )


def _prompt_ids(policy: Policy, env: Environment, task: Task) -> tuple[int, ...]:
    try:
        return prompt_ids(env, policy.tokenizer, task)
    except ConfigError as error:
        raise ConfigError(f"'{task.id}' of {env.tasks.label}: {error}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class RunParts:
    """The parts of a run that its samples come from."""

    config: TrainConfig
    env: Environment
    """The environment that is played."""
    sampler: Sampler
    folder: Path
    """The run's, for its schedule."""
    mesh: Mesh
    on_progress: Callable[[int, int, int], None]
    """Told how many samples of a round are over, where rounds are waited for."""


def make_source(parts: RunParts, policy: Policy, keeps: Callable[[Group], bool]) -> Source:
    """The source of what a run's steps learn from: samples of its environment, or data.

    `policy` learns, and says how data is encoded; `keeps` says which groups dynamic sampling keeps.
    """
    config, env, sampler = parts.config, parts.env, parts.sampler
    if not config.samples:
        return _shown(config, env, policy, sampler.generator.context)
    dynamic = config.dynamic_sampling
    stream = TaskStream(env.tasks, seed=derive_seed(config.run.seed, "tasks"))
    needs = StepNeeds(
        groups=config.batch.prompts,
        keeps=keeps,
        max_rounds=dynamic.max_rounds if dynamic else None,
        max_unscored=config.run.max_unscored,
    )
    forest = _forest(parts, policy)
    if config.buffer.max_staleness:
        return Ahead(
            _rounds(parts, stream, forest),
            needs,
            max_staleness=config.buffer.max_staleness,
            updates_per_step=config.batch.updates,
            stop=sampler.turnstile.stop if sampler.turnstile else lambda: None,
        )
    collector = Collector(
        env,
        sampler.generator,
        config.sampling.params,
        group_size=config.batch.group_size,
        seed=config.run.seed,
        mesh=parts.mesh,
        on_progress=parts.on_progress,
        forest=forest,
    )
    return InTurn(Buffer(stream, needs), collector)


def solutions_source(env: Environment, policy: Policy, settings: WarmupConfig, *, seed: int) -> Source:
    """The environment's own solutions for a warm-up, a share of them wrong on purpose."""
    _refuse_tools(env, policy, "a warm-up")
    demonstrations = Demonstrations(policy.tokenizer, policy.turn_frame)

    def show(tasks: Sequence[Task]) -> list[Group]:
        labels = labels_of(env, tasks, noise=settings.label_noise, seed=seed)
        return [(rollout,) for rollout in demonstrations.of_labels(tasks, labels)]

    stream = TaskStream(env.tasks, seed=derive_seed(seed, "warm-up"))
    return Shown(stream, show, wanted=settings.batch_size, judged=False)


def _shown(config: TrainConfig, env: Environment, policy: Policy, context: int | None) -> Source:
    """The source of a run that learns from data: stored samples, conversations, or the environment's solutions."""
    data = config.data or DataConfig()
    of_steps = isinstance(config.algorithm, ProcessRewardModelling)
    if data.runs:
        tell: Tell = StoredSamples(data.runs).said_in
    elif of_steps:
        tell = labelled_in
    elif data.path is not None:
        tell = both_of if config.algorithm.kind in PAIRED else said_in
    else:
        _refuse_tools(env, policy, "SFT on an environment's solutions")
        tell = partial(_solution, env)
    shows = StepDemonstrations if of_steps else Demonstrations
    demonstrations = shows(policy.tokenizer, policy.turn_frame)
    rows = Rows(env.tasks, tell, demonstrations, data, context=context)
    stream = TaskStream(rows.tasks, seed=derive_seed(config.run.seed, "tasks"))
    return Shown(stream, rows.groups, wanted=config.batch.prompts, judged=bool(data.runs))


def _refuse_tools(env: Environment, policy: Policy, learner: str) -> None:
    """Raise ConfigError for solutions that would be shown after other prompts than the policy is asked with."""
    if env.tools and (shows_tools(env, policy.tokenizer) or not env.own_protocol):
        raise ConfigError(
            f"{learner} shows final answers alone, and after prompts without tools: a policy that is to call "
            f"{', '.join(tool.name for tool in env.tools)} would learn not to. Leave it out (warmup=null)"
        )


def _solution(env: Environment, task: Task) -> list[Said]:
    return [as_turn(solution_of(env, task, "give conversations to learn from (data.path=FILE)"))]


def _forest(parts: RunParts, policy: Policy) -> Forest | None:
    """The trees that samples are leaves of; None where each stands alone. Raises ConfigError where none may fork."""
    algorithm = parts.config.algorithm
    if not isinstance(algorithm, TreeGrpo):
        return None
    if shows_tools(parts.env, policy.tokenizer):
        raise ConfigError(f"algorithm.kind=tree_grpo with {parts.env.tasks.label}: {NO_CALLS}")
    return Forest(shape=algorithm.shape, decode=policy.text)


def _rounds(parts: RunParts, stream: TaskStream, forest: Forest | None) -> RoundsAhead:
    config, sampler, mesh = parts.config, parts.sampler, parts.mesh
    replay, turnstile = config.buffer.replay, sampler.turnstile
    follow = schedule_file(replay, mesh.rank) if replay else None
    schedule = Schedule(schedule_file(parts.folder, mesh.rank), follow=follow)

    def play(tasks: Sequence[Task], number: int) -> list[Group]:
        generator = turnstile.for_round(number, schedule) if turnstile else sampler.generator
        seed = derive_seed(config.run.seed, "rollouts", "ahead", number)
        if forest is not None:
            return grow(parts.env, generator, tasks, config.sampling.params, forest=forest, seed=seed)
        size = config.batch.group_size
        return rollout(parts.env, generator, tasks, config.sampling.params, group_size=size, seed=seed)

    return RoundsAhead(stream, play, size=config.batch.prompts, ahead=config.buffer.max_staleness, mesh=mesh)
