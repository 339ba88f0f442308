"""Pearson's correlation between what completions look like and what they earn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Pairs = Sequence[tuple[float, float]]


def correlation(pairs: Pairs) -> float | None:
    """Pearson's r; None where either side does not vary."""
    return within_groups([pairs])


def within_groups(groups: Iterable[Pairs]) -> float | None:
    """Pearson's r of deviations from each group's own means: what sets the groups apart does not count."""
    centred = [np.asarray(pairs, dtype=np.float64) - np.mean(pairs, axis=0) for pairs in groups if pairs]
    if not centred:
        return None
    x, y = np.concatenate(centred).T
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale > 1e-12 else None
