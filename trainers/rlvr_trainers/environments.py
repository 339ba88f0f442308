"""The environments of a run, with what is wrong between them found before any work is done.

The held-out one gives the run its scores.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.progress import OnProgress
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.overlap import refuse_overlap
from rlvr_gym.seeding import derive_seed
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.detectors.held_out import Reading
from rlvr_trainers.tracking import Metrics

MOST_SAMPLES = 10_000_000
"""How many samples a step has at most: they are held in memory."""


def environments(config: TrainConfig) -> tuple[Environment, Environment | None]:
    """The training environment and the held-out one. Raises ConfigError where they do not go together."""
    env = config.env.make()
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
    held_out = config.held_out.make() if config.held_out else None
    if held_out is not None and held_out.tasks.fingerprint == env.tasks.fingerprint:
        raise ConfigError(
            "eval.env holds the very tasks that the model trains on: name other data or another split"
        )
    if held_out is not None and config.eval is not None and not config.eval.allow_overlap:
        _refuse_overlap(env, held_out)
    return env, held_out


def _refuse_overlap(env: Environment, held_out: Environment) -> None:
    try:
        refuse_overlap([env.tasks], held_out.tasks)
    except ConfigError as error:
        raise ConfigError(f"{error}. Name other data, or set eval.allow_overlap=true") from error


@dataclass(frozen=True, kw_only=True)
class Score:
    """Held-out pass@1 with its 95 % interval."""

    step: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def score_held_out(
    env: Environment,
    generator: Generator,
    config: TrainConfig,
    *,
    step: int,
    on_progress: OnProgress | None = None,
) -> tuple[Score, Reading, Metrics]:
    """Held-out pass@1 and mean score of what `generator` samples after `step`, and what to log of them."""
    settings = config.eval
    assert settings is not None
    temperature = config.sampling.temperature if settings.temperature is None else settings.temperature
    clock = PhaseClock()
    with clock.phase("evaluate"):
        result = evaluate(
            env,
            generator,
            n=settings.n,
            k=(1,),
            sampling=SamplingParams(temperature=temperature, max_tokens=config.sampling.max_tokens),
            limit=settings.tasks,
            seed=derive_seed(config.run.seed, "evaluation"),
            max_unscored_share=config.run.max_unscored,
            on_progress=on_progress,
        )
    pass_at_1, mean = result.pass_at_k[1], result.best_at_k[1]
    score = Score(step=step, value=pass_at_1.value, low=pass_at_1.low, high=pass_at_1.high)
    reading = Reading(value=mean.value, low=mean.low, high=mean.high)
    metrics: Metrics = {
        "eval/pass@1": score.value,
        "eval/pass@1/low": score.low,
        "eval/pass@1/high": score.high,
        "eval/score": reading.value,
        "eval/truncation": result.truncation_rate,
        "seconds/evaluate": clock.seconds["evaluate"],
    }
    return score, reading, metrics
