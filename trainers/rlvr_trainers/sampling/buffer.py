"""Groups to learn from: those of a step, with DAPO's dynamic sampling, and those that were left over."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np
from pydantic import TypeAdapter

from rlvr_gym.clock import PhaseClock
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.tasks import Task
from rlvr_trainers.credit.outcomes import degenerate
from rlvr_trainers.sampling.starvation import check_unscored, starved
from rlvr_trainers.sampling.stream import TaskStream

Play = Callable[[Sequence[Task], int], list[Group]]
"""(tasks, round number within the step) -> one judged group per task."""

GROUPS = TypeAdapter(list[Group])
"""Groups as JSON values and back."""
TIMES: Any = {"__all__": {"__all__": {"judging_seconds"}}}
"""The fields of a rollout that differ between equal runs."""


@dataclass(frozen=True, kw_only=True)
class StepRollouts:
    """The judged groups of one step: those to learn from, and all that were sampled."""

    groups: list[Group]
    """The groups to train on."""
    everything: list[Group]
    """All groups drawn for this step, kept or not."""
    rounds: int
    stale: int
    """Groups that were dropped because the weights have changed since they were sampled."""
    dropped: list[Group] = field(default_factory=list)
    """The groups that `buffer.max_staleness` dropped."""
    ages: list[float] = field(default_factory=list)
    """By how many steps the weights had moved on since each of `groups` was begun, where samples may be old."""
    demonstrated: bool = False
    """True of what was shown to the policy: nothing of it was sampled or judged."""

    @property
    def sampled(self) -> list[Group]:
        """Everything drawn for this step; where nothing had to be drawn, the groups that an earlier step left over."""
        return [] if self.demonstrated else self.everything or self.groups

    @property
    def rollouts(self) -> list[Rollout]:
        """The samples to learn from, B of them, group by group."""
        return [rollout for group in self.groups for rollout in group]

    @property
    def group_ids(self) -> list[int]:
        """The group (from 0) of each of `rollouts`."""
        return [index for index, group in enumerate(self.groups) for _ in group]

    def metrics(self) -> dict[str, float]:
        """Counts, pass rate before filtering, and how the keep share compares with what it implies."""
        rollouts = [rollout for group in self.everything for rollout in group]
        scored = [r for r in rollouts if r.verdict.scored]
        informative = sum(not degenerate(group) for group in self.everything)
        metrics = {
            "groups/drawn": len(self.everything),
            "groups/kept": len(self.groups),
            "groups/rounds": self.rounds,
            "groups/stale": self.stale,
            "groups/degenerate_share": sum(map(degenerate, self.groups)) / len(self.groups),
            "unscored/share": 1 - len(scored) / len(rollouts) if rollouts else 0.0,
        }
        if scored:
            metrics["pass_rate/all"] = float(np.mean([r.verdict.correct for r in scored]))
        if self.everything:
            metrics["groups/keep_share"] = informative / len(self.everything)
            metrics["groups/keep_share_expected"] = float(
                np.mean(list(map(_keep_probability, self.everything)))
            )
        return metrics | self._age_metrics()

    def _age_metrics(self) -> dict[str, float]:
        """Ages, and the lengths of what was kept and dropped: where long samples are dropped more often, it shows."""
        if not self.ages:
            return {}
        metrics = {"staleness/mean": float(np.mean(self.ages)), "staleness/max": max(self.ages)}
        for name, groups in (("kept", self.groups), ("dropped", self.dropped)):
            if groups:
                lengths = [rollout.length for group in groups for rollout in group]
                metrics[f"staleness/{name}_length"] = float(np.mean(lengths))
        return metrics


def _keep_probability(group: Group) -> float:
    """1 - p^G - (1-p)^G at the group's own pass rate."""
    right = [r.verdict.correct for r in group if r.verdict.scored]
    if not right:
        return 0.0
    p = sum(right) / len(right)
    return 1 - p ** len(group) - (1 - p) ** len(group)


class Source(Protocol):
    """A source of what the steps learn from: the policy's own samples, or data in place of them."""

    max_rounds: int | None

    @property
    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs, as JSON values: data position and accepted groups that are not used yet."""
        ...

    @state.setter
    def state(self, state: dict[str, Any]) -> None: ...

    def take(self, version: int, *, step: int, clock: PhaseClock) -> StepRollouts:
        """The groups of the next step, for weights of that version.

        Without dynamic sampling: `batch.prompts` prompts, whatever comes of them. With it, prompts are drawn until as
        many groups are informative. Raises TrainingError when that takes too long, and `Solved`, which is one, when it
        does because nearly all is right.
        """
        ...

    def close(self) -> None:
        """Hand out no more."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StepNeeds:
    """The groups that a step needs."""

    groups: int
    """Their number."""
    keeps: Callable[[Group], bool]
    """True of the groups that dynamic sampling keeps."""
    max_rounds: int | None
    """Rounds of dynamic sampling before a step counts as starved; None takes whatever is played."""
    max_unscored: float
    """Share of the samples that may be unscored."""


@final
class Buffer:
    """Gathers the groups of each step: all that are played or, with `max_rounds`, only those that teach something.

    Groups left over serve the next step if the weights that sampled them are still the same then.
    """

    def __init__(self, stream: TaskStream, needs: StepNeeds) -> None:
        self.stream = stream
        self.max_rounds = needs.max_rounds
        self._needs, self._wanted = needs, needs.groups
        self._surplus: list[Group] = []
        self._surplus_version = 0

    @property
    def state(self) -> dict[str, Any]:
        """Data position and accepted groups that are not used yet, as JSON values."""
        return {
            "stream": self.stream.state,
            "surplus": GROUPS.dump_python(self._surplus, mode="json", exclude=TIMES),
            "surplus_version": self._surplus_version,
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.stream.state = state["stream"]
        self._surplus = GROUPS.validate_python(state["surplus"])
        self._surplus_version = state["surplus_version"]

    def take(self, weights_version: int, play: Play) -> StepRollouts:
        """The groups of the next step.

        Without dynamic sampling: `wanted` prompts, whatever comes of them. With it, new prompts are drawn in
        rounds until `wanted` groups are informative; what is left over serves the next step if the weights
        are still the same then. Raises TrainingError when the rounds do not bring as many, and `Solved`, which
        is one, when they do not because nearly all is right.
        """
        fresh = self._surplus_version == weights_version
        kept, stale = (self._surplus, 0) if fresh else ([], len(self._surplus))
        self._surplus = []
        everything: list[Group] = []
        rounds = 0
        while len(kept) < self._wanted:
            if rounds == (self.max_rounds or 1):
                raise starved(everything, kept=len(kept), wanted=self._wanted, rounds=self.max_rounds or 1)
            in_batch = [group[0].task.id for group in kept]
            tasks = self.stream.draw(self._round_size(len(kept), everything), without=in_batch)
            groups = play(tasks, rounds)
            rounds += 1
            everything += groups
            kept += (
                groups if self.max_rounds is None else [group for group in groups if self._needs.keeps(group)]
            )
            check_unscored([r for group in everything for r in group], self._needs.max_unscored)
        self._surplus, self._surplus_version = kept[self._wanted :], weights_version
        return StepRollouts(groups=kept[: self._wanted], everything=everything, rounds=rounds, stale=stale)

    def _round_size(self, kept: int, everything: Sequence[Group]) -> int:
        """Choose how many prompts to draw: twice the number needed at the keep share so far, at most a full batch.

        Twice, because falling short costs a whole round of sampling, and a surplus only its own samples.
        """
        missing = self._wanted - kept
        if not everything:
            return missing
        informative = sum(map(self._needs.keeps, everything))
        return min(self._wanted, math.ceil(2 * missing * len(everything) / max(1, informative)))
