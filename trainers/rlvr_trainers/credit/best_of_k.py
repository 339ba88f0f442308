"""Credit for the best of k samples (PKPO, arXiv 2505.15201): its expected gradient is that of max@k and pass@k."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rlvr_trainers.credit.statistics import known, mean


def best_of_k_advantages(rewards: np.ndarray, k: int) -> np.ndarray:
    """The advantage of each of one group's samples (G,), float64; NaN where unscored.

    With n scored samples, sample i gets k times the mean, over all sets J of k - 1 of the others, of
    max(R_i, max_J R) - max_J R: how much more the best of k is worth for having it. The mean over samples of
    advantage times gradient of log p is then an unbiased estimate of the gradient of E[max of k rewards], as the
    paper's sum is with its weights, which are these over n. With k = 1 it leaves one out, as nothing is beside i.

    Fewer than k scored samples, or fewer than two, say nothing of the best of k: each gets 0.
    """
    scored = known(rewards)
    advantages = np.where(np.isnan(rewards), np.nan, 0.0)
    if len(scored) < max(k, 2):
        return advantages
    sorted_rewards = sorted(scored)
    shares = _shares_of_largest(len(scored) - 1, k - 1) if k > 1 else []
    for row, reward in enumerate(rewards):
        if math.isnan(reward):
            continue
        others = sorted_rewards.copy()
        others.remove(float(reward))
        if k == 1:
            advantages[row] = float(reward) - mean(others)
            continue
        gains = [share * max(reward - other, 0.0) for share, other in zip(shares, others, strict=True)]
        advantages[row] = k * math.fsum(gains)
    return advantages


def _shares_of_largest(size: int, chosen: int) -> Sequence[float]:
    """The share of all sets of `chosen` out of `size` sorted values whose largest is the first, second, ... value."""
    sets = math.comb(size, chosen)
    return [math.comb(smaller, chosen - 1) / sets for smaller in range(size)]
