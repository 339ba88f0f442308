"""An algorithm at work: what feeds it, and the learner whose weights it changes; that of the run, and its warm-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rlvr_gym.environments.base import Environment
from rlvr_trainers.algorithms.base import Algorithm, Surroundings
from rlvr_trainers.algorithms.sft import Sft
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.learner import Learner
from rlvr_trainers.learner.models import Models
from rlvr_trainers.learner.samplers import Sampler
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.monitor import JudgedCanaries
from rlvr_trainers.run.sources import make_source, solutions_source
from rlvr_trainers.sampling.buffer import Source, StepRollouts
from rlvr_trainers.settings import BatchConfig, OptimizerConfig


@final
@dataclass(frozen=True, kw_only=True)
class Stage:
    """Steps of one algorithm."""

    algorithm: Algorithm
    source: Source
    learner: Learner[CreditedBatch]
    seed: int
    """Names the order of minibatches."""


@final
@dataclass(frozen=True, kw_only=True)
class StepDone:
    """A step that was taken: what it learned from, what that earned, and the figures of its updates."""

    taken: StepRollouts
    tokens: TokenBatch
    credited: CreditedBatch
    metrics: Metrics
    canaries: JudgedCanaries | None
    """None where nothing was sampled."""


def training_stage(
    config: TrainConfig,
    models: Models,
    env: Environment,
    sampler: Sampler,
    *,
    folder: Path,
    mesh: Mesh,
    on_progress: Callable[[int, int, int], None],
) -> Stage:
    """The stage that the run is about. Arguments are those of `make_source`."""
    algorithm = config.algorithm.build(_surroundings(config, models))
    source = make_source(
        config,
        env,
        sampler,
        models.policy,
        algorithm.teaches,
        folder=folder,
        mesh=mesh,
        on_progress=on_progress,
    )
    learner = _learner(
        config,
        models,
        algorithm,
        batch=config.batch,
        optimizer=config.optimizer,
        total_updates=config.run.steps * config.batch.updates,
        mesh=mesh,
    )
    return Stage(algorithm=algorithm, source=source, learner=learner, seed=config.run.seed)


def warm_up_stage(config: TrainConfig, models: Models, env: Environment, mesh: Mesh) -> Stage:
    """The stage before: SFT on the environment's own solutions, as `config.warmup` has it."""
    settings = config.warmup
    assert settings is not None
    algorithm = Sft().build(_surroundings(config, models))
    batch = BatchConfig(
        prompts=settings.batch_size,
        group_size=1,
        microbatch_tokens=config.batch.microbatch_tokens,
        save_compute=config.batch.save_compute,
    )
    learner = _learner(
        config,
        models,
        algorithm,
        batch=batch,
        optimizer=OptimizerConfig(
            kind=config.optimizer.kind,
            learning_rate=settings.learning_rate,
            max_grad_norm=config.optimizer.max_grad_norm,
        ),
        total_updates=settings.steps,
        mesh=mesh,
        rate_setting="warmup.learning_rate",
    )
    source = solutions_source(env, models.policy, settings, seed=config.run.seed)
    return Stage(algorithm=algorithm, source=source, learner=learner, seed=config.run.seed)


def _surroundings(config: TrainConfig, models: Models) -> Surroundings:
    return Surroundings(
        reward=config.reward,
        overlong=config.overlong,
        max_tokens=config.sampling.max_tokens,
        updates_per_step=config.batch.updates,
        decode=models.policy.text,
        temperature=config.sampling.temperature,
        seed=config.run.seed,
    )


def _learner(
    config: TrainConfig,
    models: Models,
    algorithm: Algorithm,
    *,
    batch: BatchConfig,
    optimizer: OptimizerConfig,
    total_updates: int,
    mesh: Mesh,
    rate_setting: str = "optimizer.learning_rate",
) -> Learner[CreditedBatch]:
    learner = Learner[CreditedBatch](
        models,
        lambda minibatch: algorithm.objective(minibatch, learner.logprobs),
        batch=batch,
        optimizer=optimizer,
        total_updates=total_updates,
        temperature=algorithm.temperature,
        max_mismatch=config.run.max_mismatch,
        mesh=mesh,
        rate_setting=rate_setting,
    )
    return learner
