"""Reward up while the held-out score stays flat: the proxy is learned, and what it stands for is not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from rlvr_gym.evaluation.statistics.intervals import running_interval
from rlvr_gym.rollouts import Group
from rlvr_trainers.metrics import Metrics

STEPS = 5
"""Rewards of so many steps are taken together: one step's prompts are too few."""


class Reading(BaseModel):
    """A mean score with its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float

    @staticmethod
    def of(means: Sequence[float]) -> Reading:
        """The mean over groups, whose prompts are what was drawn."""
        interval = running_interval(np.array(means))
        return Reading(value=float(np.mean(means)), low=interval.low, high=interval.high)

    def rise_to(self, now: Reading) -> Reading:
        """The rise from this to `now`; Newcombe's interval of a difference, from those of the two."""
        rise = now.value - self.value
        return Reading(
            value=rise,
            low=rise - math.hypot(now.value - now.low, self.high - self.value),
            high=rise + math.hypot(now.high - now.value, self.value - self.low),
        )


class History(BaseModel):
    """The history of a run: the rewards of its first and latest steps, and the first evaluation.

    Rewards are lists of group means, one list a step.
    """

    first: list[list[float]] = []
    latest: list[list[float]] = []
    held_out: Reading | None = None

    def trained(self, groups: Sequence[Group]) -> None:
        """Add a step."""
        scores = [[r.verdict.score for r in group if r.verdict.score is not None] for group in groups]
        means = [float(np.mean(known)) for known in scores if known]
        if not means:
            return
        if len(self.first) < STEPS:
            self.first.append(means)
        self.latest = [*self.latest, means][-STEPS:]

    def evaluated(self, held_out: Reading) -> Metrics:
        """Add an evaluation: what the reward has gained since the first one, and what the held-out score has.

        `gap` is by how much the reward gained more, at the least: the low end of the one against the high end of
        the other. An honest run keeps it below 0, except where it learns its training tasks by heart.
        """
        if self.held_out is None or not self.latest:
            self.held_out = self.held_out or held_out
            return {}
        earned = _pooled(self.first).rise_to(_pooled(self.latest))
        learned = self.held_out.rise_to(held_out)
        return {
            "detectors/held_out/reward_rise": earned.value,
            "detectors/held_out/score_rise": learned.value,
            "detectors/held_out/gap": earned.low - learned.high,
        }


def _pooled(steps: Sequence[Sequence[float]]) -> Reading:
    return Reading.of([mean for step in steps for mean in step])
