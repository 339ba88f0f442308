"""The loop of an evaluation: draw what is missing, keep it as it comes, and stop when there is enough or too much."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import TooManyUnscored
from rlvr_gym.evaluation.progress import OnProgress, Reporter
from rlvr_gym.evaluation.rounds import rounds, widest_half_width
from rlvr_gym.evaluation.samples import Sample, SampleStore
from rlvr_gym.evaluation.statistics.summary import commonest_fault
from rlvr_gym.evaluation.statistics.tallies import Tally, estimate, pass_measure, tally
from rlvr_gym.generation.base import Generator
from rlvr_gym.play import Seat, play
from rlvr_gym.rollouts import Rollout
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task

FAILURES_IN_A_ROW, OF_TASKS = 64, 4
"""Failures in a row, over this many tasks, that mean that nobody answers.

All samples of one task may fail by themselves, if its prompt is too long for the model.
"""

_SAMPLES_PER_CALL = 2_048
"""Samples asked of a model in this process per call. It chooses itself how many to draw together."""


class Drawing:
    """One call's work on the samples of `store`."""

    def __init__(
        self,
        env: Environment,
        generator: Generator,
        store: SampleStore,
        tasks: Sequence[Task],
        *,
        max_unscored_share: float,
        samples_in_flight: int,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.env, self.generator, self.store, self.tasks = env, generator, store, tasks
        self.max_unscored_share, self.samples_in_flight = max_unscored_share, samples_in_flight
        self._lacking = {task.id: len(store.missing(task)) for task in tasks}
        self._tallies: dict[str, Tally] = {}
        self._unscored: list[Sample] = []
        self._failing: list[str] = []
        planned = len(tasks) * store.n
        resumed = planned - sum(self._lacking.values())
        self._reporter = Reporter(on_progress, tasks=len(tasks), samples=planned, resumed=resumed)

    def draw(self, until_half_width: float | None, ks: Sequence[int]) -> None:
        """Draw and judge what is missing, all of it or until the interval of every pass@k is tight enough.

        It is not looked at before every task with samples of an earlier call is among the complete ones: they are
        reported too, and may have been drawn in another order.
        """
        self._settle([task for task in self.tasks if not self._lacking[task.id]])
        self._reporter.report(list(self._tallies.values()))
        if until_half_width is None:
            self._complete(self.tasks)
            return
        seed, seen = self.store.conditions.seed, list[Task]()
        begun = {task.id for task in self.tasks if self.store.of(task)}
        for tasks in rounds(self.tasks, seed):
            self._complete(tasks)
            seen += tasks
            begun -= {task.id for task in tasks}
            if begun:
                continue
            tallies = [self._tallies[task.id] for task in seen]
            widest = widest_half_width(estimate(tallies, pass_measure, k, seed=seed) for k in ks)
            if widest <= until_half_width:
                self._refuse_too_many_unscored(len(seen) * self.store.n)
                return

    def _complete(self, tasks: Sequence[Task]) -> None:
        """Draw every sample that `tasks` lack."""
        seats = [Seat(task=task, sample=sample) for task in tasks for sample in self.store.missing(task)]
        conditions = self.store.conditions
        rollouts = play(
            self.env,
            self.generator,
            seats,
            conditions.sampling,
            seed=derive_seed("evaluate", conditions.seed),
            at_once=self._at_once(),
        )
        began = time.perf_counter()
        try:
            with closing(rollouts):
                for together in rollouts:
                    now = time.perf_counter()
                    self._keep(together, (now - began) / len(together))
                    began = now
        finally:
            self._reporter.report(list(self._tallies.values()))

    def _at_once(self) -> int | None:
        if self.generator.concurrency > 1:
            return None
        return self.samples_in_flight if self.env.max_turns > 1 else _SAMPLES_PER_CALL

    def _keep(self, rollouts: Sequence[Rollout], seconds: float) -> None:
        new = [
            Sample.of(
                rollout, self.store.conditions, seconds=seconds, expected=self.env.expected(rollout.task)
            )
            for rollout in rollouts
        ]
        self.store.add(new)
        self._unscored += [sample for sample in new if not sample.verdict.scored]
        for rollout in rollouts:
            self._lacking[rollout.task.id] -= 1
            if not self._lacking[rollout.task.id]:
                self._settle([rollout.task])
        self._reporter.kept(len(new), sum(sample.completion_tokens or 0 for sample in new))
        self._reporter.report(list(self._tallies.values()), soon=True)
        self._refuse_nobody_answering(new)
        self._refuse_too_many_unscored(len(self.tasks) * self.store.n)

    def _settle(self, tasks: Sequence[Task]) -> None:
        """Take note of what the samples of complete tasks add up to."""
        for task in tasks:
            (self._tallies[task.id],) = tally(self.store.of(task))

    def _refuse_nobody_answering(self, new: Sequence[Sample]) -> None:
        for sample in new:
            if sample.failed:
                self._failing.append(sample.task)
            else:
                self._failing.clear()
        if len(self._failing) >= FAILURES_IN_A_ROW and len(set(self._failing)) >= OF_TASKS:
            raise self._too_many(f"the last {len(self._failing)} samples could not be had")

    def _refuse_too_many_unscored(self, planned: int) -> None:
        """Refuse to go on where more than the allowed share of `planned` samples could not be judged."""
        if len(self._unscored) > self.max_unscored_share * planned:
            raise self._too_many(
                f"{len(self._unscored)} of {planned} samples could not be judged, more than the "
                f"{self.max_unscored_share:.0%} that are allowed"
            )

    def _too_many(self, problem: str) -> TooManyUnscored:
        kept = f"; the samples are kept in {self.store.path}" if self.store.path else ""
        return TooManyUnscored(
            f"{problem}. The commonest cause: {commonest_fault(self._unscored)}{kept}; once it is mended, "
            "the same command goes on"
        )
