"""Calibration of preferences: how often an answer is preferred, at each probability that is claimed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.statistics.intervals import Interval, wilson
from rlvr_gym.seeding import derive_seed

BINS = 5
REPLICATES = 2_000
_TAIL = 2.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """The pairs of which a model claims a probability between `low` and `high` for the answer that it prefers."""

    low: float
    high: float
    pairs: int
    claimed: float
    """The mean of those probabilities."""
    right: float
    """The share of the pairs in which the preferred answer is indeed the one that it prefers."""
    right_interval: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFigures:
    """Figures of a reward model on pairs that it has not learned from."""

    pairs: int
    accuracy: float
    """The share of pairs with a margin above 0; a margin of 0 counts half."""
    accuracy_interval: Interval
    mean_margin: float
    loss: float
    """The mean of -log sigmoid(margin): ln 2 of a model that knows nothing."""
    calibration_error: float
    """The expected calibration error: the mean distance of `claimed` from `right`, weighted by pairs."""
    calibration_interval: Interval
    """By bootstrap over pairs. The error of few pairs is too large by chance, and so is this."""
    reliability: tuple[Reliability, ...]
    """Ranges that hold a pair, from the least sure."""


def pair_figures(margins: Sequence[float], *, seed: int = 0) -> PairFigures:
    """The figures of margins (P,): each pair's reward of the preferred answer less that of the other.

    The claim is Bradley and Terry's: the answer with the larger reward is preferred with probability
    sigmoid(abs(margin)), which lies between 1/2 and 1 and is cut into `BINS` equal ranges. Raises ConfigError without
    pairs.
    """
    values = np.asarray(margins, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ConfigError("figures of pairs need margins, at least one and all of them finite")
    claimed, right = 1 / (1 + np.exp(-np.abs(values))), (np.sign(values) + 1) / 2
    places = np.minimum(((claimed - 0.5) * 2 * BINS).astype(int), BINS - 1)
    rng = np.random.default_rng(derive_seed("pair figures", seed))
    drawn = (rng.integers(0, len(values), size=len(values)) for _ in range(REPLICATES))
    errors = [_error(claimed[rows], right[rows], places[rows]) for rows in drawn]
    low, high = np.percentile(errors, [_TAIL, 100 - _TAIL])
    error = _error(claimed, right, places)
    return PairFigures(
        pairs=len(values),
        accuracy=float(right.mean()),
        accuracy_interval=wilson(float(right.sum()), len(values)),
        mean_margin=float(values.mean()),
        loss=float(np.logaddexp(0.0, -values).mean()),
        calibration_error=error,
        calibration_interval=Interval(low=min(float(low), error), high=max(float(high), error)),
        reliability=tuple(_reliability(claimed, right, places)),
    )


def _error(claimed: np.ndarray, right: np.ndarray, places: np.ndarray) -> float:
    """The sum over ranges of abs(sum of claims - sum of hits), over the number of pairs."""
    gaps = np.bincount(places, weights=claimed - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(claimed))


def _reliability(claimed: np.ndarray, right: np.ndarray, places: np.ndarray) -> list[Reliability]:
    table = []
    for place, (low, high) in enumerate(pairwise(np.linspace(0.5, 1.0, BINS + 1).tolist())):
        inside = places == place
        if inside.any():
            count, hits = int(inside.sum()), float(right[inside].sum())
            table.append(
                Reliability(
                    low=low,
                    high=high,
                    pairs=count,
                    claimed=float(claimed[inside].mean()),
                    right=hits / count,
                    right_interval=wilson(hits, count),
                )
            )
    return table
