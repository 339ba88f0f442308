"""95 % intervals: problems are what is drawn, so problems (or clusters of them) are what is drawn again."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rlvr_gym.errors import ConfigError

REPLICATES = 5_000
CAUTION = 0.25
"""Weight of the largest possible spread against a spread that rests on a single problem, whose weight is 1.

This is the smallest value that works: with 0.15, `benchmarks/intervals/coverage.py` finds that 91 in 100 intervals
hold pass@4 of 100 easy problems; larger values only make intervals wider.
"""
_TAIL = 0.025
_Z = NormalDist().inv_cdf(1 - _TAIL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """The 95 % confidence interval of the mean over all problems of this kind."""

    low: float
    high: float


def wilson(successes: float, trials: float, *, quantile: float = _Z) -> Interval:
    """Wilson's score interval of a plain proportion; never of zero width. `trials` need not be whole.

    `quantile` is how many standard errors wide the interval is: the normal distribution's, unless told otherwise.
    """
    if not 0 <= successes <= trials or trials <= 0:
        raise ConfigError(f"{successes} successes in {trials} trials cannot be")
    share, shrink = successes / trials, 1 + quantile**2 / trials
    centre = (share + quantile**2 / (2 * trials)) / shrink
    half = quantile / shrink * math.sqrt(share * (1 - share) / trials + quantile**2 / (4 * trials**2))
    return Interval(low=max(0.0, min(share, centre - half)), high=min(1.0, max(share, centre + half)))


def mean_interval(values: np.ndarray, *, seed: int, clusters: Sequence[Hashable] | None = None) -> Interval:
    """The interval of the mean of `values`, one in [0, 1] per problem, (P,).

    Problems of one cluster (several questions about one text, say) are drawn together; None means that every
    problem stands alone. Where the values are all 0 or 1 and stand alone, their mean is a plain proportion
    and the interval is Wilson's. Else, at either end, it is the wider of two:

    - the bootstrap over problems, its percentiles expanded for small samples (Hesterberg 2015);
    - Wilson's interval at the effective number of problems, the one at which a proportion would vary as much
      as this mean does, with Student's t for the normal distribution (as for surveys, Franco et al. 2019).

    The bootstrap alone cannot see what the sample does not hold: where every problem failed, or all but one,
    its width is zero, or nearly. Nor is a spread to be believed that hangs on a few problems. Our addition: it is
    averaged with that of a proportion of this mean, as no values in [0, 1] vary more, which weighs the more the less
    sure the spread is (see `_excess_doubt`). Where all values are equal their spread is unknown and the largest counts:
    the effective number is that of clusters. Raises ConfigError for no values, or others than those.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not len(values) or not ((values >= 0) & (values <= 1)).all():
        raise ConfigError("an interval needs one or more values between 0 and 1")
    if clusters is None and np.isin(values, (0.0, 1.0)).all():
        return wilson(float(values.sum()), len(values))
    sums, sizes = cluster_sums(values, clusters)
    return _with_bootstrap(_wilson_at_effective_count(sums, sizes), sums, sizes, seed)


def difference_interval(
    changes: np.ndarray, *, seed: int, clusters: Sequence[Hashable] | None = None
) -> Interval:
    """The interval of the mean of `changes`, one in [-1, 1] per problem, (P,).

    As `mean_interval` on the scale from -1 to 1: the wider, at either end, of the paired bootstrap and of Wilson's
    interval at the effective number of problems, the latter with the normal distribution, as Student's t makes models
    that are equally good differ too seldom. A spread that hangs on few problems is doubted where all changes go one
    way: it may be that of changes by a whole 1 on as many problems as may well change. Where nothing changed anywhere
    the spread is unknown, and the interval is as wide as the share of problems that might still change: Wilson's, of
    none in as many as there are.
    """
    if not changes.any():
        reach = wilson(0, len(changes) if clusters is None else len(set(clusters))).high
        return Interval(low=-reach, high=reach)
    largest_spread = 0.0
    if (changes >= 0).all() or (changes <= 0).all():
        largest_spread = (
            running_interval(np.abs(changes), clusters=clusters).high - float(changes.mean()) ** 2
        )
    sums, sizes = cluster_sums((changes + 1) / 2, clusters)
    floor = _wilson_at_effective_count(sums, sizes, largest_spread=largest_spread / 4, quantile=_Z)
    scaled = _with_bootstrap(floor, sums, sizes, seed)
    return Interval(low=2 * scaled.low - 1, high=2 * scaled.high - 1)


def running_interval(values: np.ndarray, *, clusters: Sequence[Hashable] | None = None) -> Interval:
    """`mean_interval` without its bootstrap, cheap enough to follow every sample on a screen."""
    values = np.asarray(values, dtype=float)
    if clusters is None and np.isin(values, (0.0, 1.0)).all():
        return wilson(float(values.sum()), len(values))
    return _wilson_at_effective_count(*cluster_sums(values, clusters))


def cluster_sums(values: np.ndarray, clusters: Sequence[Hashable] | None) -> tuple[np.ndarray, np.ndarray]:
    """Each cluster's sum of values and number of problems, (C,) and (C,)."""
    if clusters is None:
        return values, np.ones(len(values))
    if len(clusters) != len(values):
        raise ConfigError(f"{len(clusters)} clusters for {len(values)} problems: each needs one")
    numbers: dict[Hashable, int] = {}
    of_problem = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    return np.bincount(of_problem, weights=values), np.bincount(of_problem).astype(float)


def bootstrap_means(
    sums: np.ndarray, sizes: np.ndarray, *, seed: int, replicates: int = REPLICATES
) -> np.ndarray:
    """The means over problems of `replicates` samples of whole clusters, drawn with replacement, (R,)."""
    rng = np.random.default_rng(seed)
    count = len(sums)
    means = np.empty(replicates)
    rows = max(1, 2_000_000 // count)
    for start in range(0, replicates, rows):
        drawn = rng.integers(count, size=(min(rows, replicates - start), count))
        means[start : start + rows] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def within_set_error(accuracies: np.ndarray, samples: np.ndarray | int) -> float:
    """The standard error of avg@n on *these* problems: sqrt(sum p (1 - p) / n) / P.

    It is the noise of sampling completions alone, which more samples reduce; that of having drawn these
    problems and no others comes on top, and no number of samples reduces it. `accuracies` are the true
    p, (P,); `samples` is n, one for all or (P,).
    """
    return math.sqrt(float((accuracies * (1 - accuracies) / samples).sum())) / len(accuracies)


def standard_error(values: np.ndarray, clusters: Sequence[Hashable] | None = None) -> float | None:
    """The standard error of the mean of `values`, (P,), over clusters of problems; None for a single cluster."""
    variance = _variance(*cluster_sums(values, clusters))
    return None if variance is None else math.sqrt(variance)


def _variance(sums: np.ndarray, sizes: np.ndarray) -> float | None:
    """The variance of the mean over problems when whole clusters are drawn; None when there is but one."""
    count = len(sums)
    if count == 1:
        return None
    return count / (count - 1) * float((_residuals(sums, sizes) ** 2).sum()) / float(sizes.sum()) ** 2


def _residuals(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return sums - sums.sum() / sizes.sum() * sizes


def _with_bootstrap(floor: Interval, sums: np.ndarray, sizes: np.ndarray, seed: int) -> Interval:
    """The wider, at either end, of `floor` and the bootstrap."""
    if len(sums) == 1:
        return floor
    tail = _expanded_tail(len(sums))
    low, high = np.quantile(bootstrap_means(sums, sizes, seed=seed), [tail, 1 - tail])
    return Interval(low=min(float(low), floor.low), high=max(float(high), floor.high))


def _wilson_at_effective_count(
    sums: np.ndarray,
    sizes: np.ndarray,
    *,
    largest_spread: float | None = None,
    quantile: float | None = None,
) -> Interval:
    """Wilson's interval at the number of problems at which a proportion would vary as much as the mean does.

    `largest_spread` is the variance with which one that hangs on few problems is averaged, None that of a
    proportion; 0 believes the values' own. `quantile` None is Student's t.
    """
    mean, count = float(sums.sum() / sizes.sum()), len(sums)
    proportion = mean * (1 - mean)
    variance = _variance(sums, sizes)
    if variance is None or variance < 1e-12:
        return wilson(mean * count, count)
    largest = (proportion if largest_spread is None else largest_spread) / count
    weight = CAUTION * _excess_doubt(_residuals(sums, sizes))
    believed = max(variance, (variance + weight * largest) / (1 + weight))
    effective = max(1.0, proportion / believed)
    return wilson(mean * effective, effective, quantile=quantile or student_quantile(count - 1))


def _excess_doubt(residuals: np.ndarray) -> float:
    """Measure how much less certain the variance of `residuals`, (C,), is than a normal sample's: from 0 to 1.

    A variance has itself a relative variance of (kurtosis - 3) / C + 2 / (C - 1). The second term is what Student's t
    allows for; this is the first, where it is positive.
    """
    squares = residuals**2
    return max(0.0, float((squares**2).sum() / squares.sum() ** 2) - 3 / len(squares))


def _expanded_tail(count: int) -> float:
    """The percentile to read in place of 2.5 %, so that a bootstrap of few values is as wide as Student's t.

    Its spread is sqrt((count - 1) / count) of the standard error, and its tails are normal.
    """
    return NormalDist().cdf(-student_quantile(count - 1) * math.sqrt(count / (count - 1)))


def student_quantile(freedom: int) -> float:
    """The upper 2.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5); exact for freedom 1 and 2."""
    if freedom == 1:
        return 1 / math.tan(math.pi * _TAIL)
    if freedom == 2:
        return (1 - 2 * _TAIL) / math.sqrt(2 * _TAIL * (1 - _TAIL))
    z, v = _Z, freedom
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92_160 * v**4)
    )
