"""Sources of samples, as the settings of a run have them: the engine, and sampling in turn or ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlvr_gym.environments.base import Environment
from rlvr_gym.generation.chat import encode_prompt
from rlvr_gym.play import rollout
from rlvr_gym.rollouts import Group
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.samplers import Sampler, make_sampler
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.sampling.ahead import Ahead, RoundsAhead
from rlvr_trainers.sampling.buffer import Buffer, Source
from rlvr_trainers.sampling.collector import Collector, InTurn
from rlvr_trainers.sampling.schedule import Schedule, schedule_file
from rlvr_trainers.sampling.stream import TaskStream

PROBES = 4
"""Number of prompts that a sampler elsewhere is asked about, to prove that it has the trained weights."""


def sampler_for(config: TrainConfig, policy: Policy, env: Environment, mesh: Mesh) -> Sampler:
    """The engine that samples from `policy`, which proves on prompts of `env` that it has its weights."""
    probes = [encode_prompt(policy.tokenizer, task.prompt) for task in env.tasks.take(PROBES)]
    return make_sampler(
        config.generator, config.buffer, policy, probes, temperature=config.sampling.temperature, mesh=mesh
    )


def make_source(
    config: TrainConfig,
    env: Environment,
    sampler: Sampler,
    keeps: Callable[[Group], bool],
    *,
    folder: Path,
    mesh: Mesh,
    on_progress: Callable[[int, int, int], None],
) -> Source:
    """The source of `config`'s samples of `env`.

    Args:
        config: all settings.
        env: what is played.
        sampler: what samples.
        keeps: whether dynamic sampling keeps a group.
        folder: the run's, for its schedule.
        mesh: the processes of the run.
        on_progress: told how many samples of a round are over, where rounds are waited for.
    """
    dynamic = config.dynamic_sampling
    stream = TaskStream(env.tasks, seed=derive_seed(config.run.seed, "tasks"))
    settings: dict[str, Any] = {
        "wanted": config.batch.prompts,
        "keeps": keeps,
        "max_rounds": dynamic.max_rounds if dynamic else None,
        "max_unscored": config.run.max_unscored,
    }
    if config.buffer.max_staleness:
        return Ahead(
            _rounds(config, env, sampler, stream, folder, mesh),
            **settings,
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
        mesh=mesh,
        on_progress=on_progress,
    )
    return InTurn(Buffer(stream, **settings), collector)


def _rounds(
    config: TrainConfig, env: Environment, sampler: Sampler, stream: TaskStream, folder: Path, mesh: Mesh
) -> RoundsAhead:
    replay, turnstile = config.buffer.replay, sampler.turnstile
    follow = schedule_file(replay, mesh.rank) if replay else None
    schedule = Schedule(schedule_file(folder, mesh.rank), follow=follow)

    def play(tasks: Sequence[Task], number: int) -> list[Group]:
        return rollout(
            env,
            turnstile.for_round(number, schedule) if turnstile else sampler.generator,
            tasks,
            config.sampling.params,
            group_size=config.batch.group_size,
            seed=derive_seed(config.run.seed, "rollouts", "ahead", number),
        )

    return RoundsAhead(stream, play, size=config.batch.prompts, ahead=config.buffer.max_staleness, mesh=mesh)
