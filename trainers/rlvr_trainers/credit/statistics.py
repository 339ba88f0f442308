"""Exactly rounded statistics of a group's rewards, and which groups teach nothing."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from rlvr_gym.errors import ConfigError

EQUAL_WITHIN = 1e-6
"""Outcomes closer than this are the same outcome."""


def is_degenerate(outcomes: np.ndarray | Sequence[float]) -> bool:
    """Return whether one group's raw outcome rewards (G,) teach nothing.

    That is so if all are equal, or fewer than two are known. The spread is compared, never the standard deviation:
    for eight float32 rewards of 0.3 it is not zero.
    """
    scored = known(outcomes)
    return len(scored) < 2 or max(scored) - min(scored) <= EQUAL_WITHIN


def rows_of(groups: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """The rows of each group; raises ConfigError where no group has two."""
    rows: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        rows.setdefault(group, []).append(i)
    if rows and max(map(len, rows.values())) < 2:
        raise ConfigError(
            "every group has one sample, which leaves nothing to compare it with: draw at least 2"
        )
    return rows


def known(values: Iterable[float]) -> list[float]:
    """The values that are not NaN."""
    return [float(value) for value in values if not math.isnan(value)]


def mean(values: Sequence[float]) -> float:
    """The exactly rounded mean; NaN of nothing."""
    return math.fsum(values) / len(values) if values else math.nan


def std(values: Sequence[float]) -> float:
    """With ddof 1; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))
