"""Outcome scores of judged groups, and which groups teach nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.credit.statistics import is_degenerate


def outcome_scores(group: Sequence[Rollout]) -> np.ndarray:
    """Return each rollout's earnings, rewards of single turns included: float64 (G,), NaN where unscored."""
    return np.array([np.nan if r.reward is None else r.reward for r in group], dtype=np.float64)


def degenerate(group: Group) -> bool:
    """Return whether a group teaches nothing: all outcomes are equal, or fewer than two are known."""
    return is_degenerate(outcome_scores(group))
