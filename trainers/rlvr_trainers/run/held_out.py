"""Held-out evaluation: when it is due, the scores of a run, and the best of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.evaluation.progress import OnProgress
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.evaluation.samples import Sample
from rlvr_gym.evaluation.statistics.summary import EvaluationResult, summarize
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task, TaskSet
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.held_out import Reading
from rlvr_trainers.sampling.collector import usable_weights


@dataclass(frozen=True, kw_only=True)
class Score:
    """Held-out pass@1 with its 95 % interval."""

    step: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@final
class HeldOut:
    """The evaluations of a run, which its randomness and its training do not depend on.

    Every process evaluates its share of the tasks; all know the scores.
    """

    def __init__(
        self,
        env: Environment | None,
        generator: Generator,
        config: TrainConfig,
        mesh: Mesh,
        *,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.env = env
        self._on_progress = on_progress
        self.before: Score | None = None
        self.after: Score | None = None
        """The latest."""
        self.best: Score | None = None
        self._generator, self._config, self._mesh = generator, config, mesh

    def due(self, step: int, *, last: bool = False) -> bool:
        """Return whether an evaluation after `step` is due (the `last` step is) and not yet done."""
        settings, run = self._config.eval, self._config.run
        if settings is None or self.env is None:
            return False
        if not (last or step % settings.every == 0 or step == run.steps):
            return False
        return self.after is None or self.after.step != step

    def evaluate(self, step: int) -> tuple[Reading, Metrics]:
        """Score the policy as it is after `step`: the mean held-out score, and what to log."""
        clock = PhaseClock()
        with clock.phase("evaluate"), usable_weights(step):
            result = self._result()
        pass_at_1, mean = result.pass_at_k[1], result.best_at_k[1]
        score = Score(step=step, value=pass_at_1.value, low=pass_at_1.low, high=pass_at_1.high)
        reading = Reading(value=mean.value, low=mean.low, high=mean.high)
        self.after = score
        if step == 0:
            self.before = score
        if self.best is None or score.value > self.best.value:
            self.best = score
        return reading, {
            "eval/pass@1": score.value,
            "eval/pass@1/low": score.low,
            "eval/pass@1/high": score.high,
            "eval/score": reading.value,
            "eval/truncation": result.truncation_rate,
            "seconds/evaluate": self._mesh.agreed(clock.seconds["evaluate"]),
        }

    @property
    def state(self) -> dict[str, Any]:
        """The scores, as JSON values."""
        scores = {"before": self.before, "after": self.after, "best": self.best}
        return {name: dataclasses.asdict(score) if score else None for name, score in scores.items()}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        scores = (Score(**state[name]) if state[name] else None for name in ("before", "after", "best"))
        self.before, self.after, self.best = scores

    def _result(self) -> EvaluationResult:
        assert self.env is not None
        assert self._config.eval is not None
        if self._mesh.world == 1:
            return self._evaluated(self.env, self._config.eval.tasks)
        tasks = self.env.tasks.take(self._config.eval.tasks)
        mine = self._mesh.together(lambda: self._samples(self._mesh.share(tasks)))
        samples = [sample for of_task in self._mesh.gather(mine) for sample in of_task]
        return summarize(samples, k=(1,), seed=self._seed)

    def _samples(self, tasks: Sequence[Task]) -> list[list[Sample]]:
        """The samples of each of these tasks."""
        if not tasks or self.env is None:
            return []
        share = self.env.clone()
        share.tasks = TaskSet.from_tasks(tasks, name=self.env.tasks.name, split=self.env.tasks.split)
        samples = self._evaluated(share, len(tasks)).samples
        return [[sample for sample in samples if sample.task == task.id] for task in tasks]

    def _evaluated(self, env: Environment, limit: int) -> EvaluationResult:
        settings, sampling = self._config.eval, self._config.sampling
        assert settings is not None
        temperature = sampling.temperature if settings.temperature is None else settings.temperature
        return evaluate(
            env,
            self._generator,
            n=settings.n,
            k=(1,),
            sampling=SamplingParams(temperature=temperature, max_tokens=sampling.max_tokens),
            limit=limit,
            seed=self._seed,
            max_unscored_share=self._config.run.max_unscored,
            on_progress=self._on_progress,
        )

    @property
    def _seed(self) -> int:
        return derive_seed(self._config.run.seed, "evaluation")
