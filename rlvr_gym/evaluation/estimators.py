"""What `n` judged samples of one problem, `c` of them correct, say about the model.

Every estimator here is unbiased for what one would see when drawing `k` fresh samples. The plug-in
`1 - (1 - c/n)^k` and resampling with replacement are not, and stand nowhere in this library. All are computed
in whole numbers and divided once, so that they neither overflow nor cancel, at n = 5,000 as at n = 5.
"""

from __future__ import annotations

import math
from functools import lru_cache

from rlvr_gym.errors import ConfigError


@lru_cache(maxsize=65_536)
def pass_at_k(n: int, c: int, k: int) -> float:
    """That at least one of `k` samples is correct, in probability: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021)."""
    _refuse_impossible("pass@", n, c, k)
    draws = math.comb(n, k)
    return (draws - math.comb(n - c, k)) / draws


@lru_cache(maxsize=65_536)
def pass_hat_k(n: int, c: int, k: int) -> float:
    """pass^k, the probability that all of `k` samples are correct: C(c, k) / C(n, k)."""
    _refuse_impossible("pass^", n, c, k)
    return math.comb(c, k) / math.comb(n, k)


@lru_cache(maxsize=65_536)
def g_pass_at_k(n: int, c: int, k: int, tau: float) -> float:
    """G-Pass@k_tau, the probability that at least ceil(tau k) of `k` samples are correct, and at least one.

    `tau` lies in [0, 1]: towards 0 this is pass@k, at 1 it is pass^k (Liu et al. 2024).
    """
    _refuse_impossible("G-Pass@", n, c, k)
    if not 0.0 <= tau <= 1.0:
        raise ConfigError(f"tau is a share of the k samples, between 0 and 1, not {tau}")
    # Rounded, because 0.7 * 10 is a little more than 7 in floating point, and 8 is not what was asked.
    needed = max(math.ceil(round(tau * k, 9)), 1)
    right = sum(math.comb(c, hits) * math.comb(n - c, k - hits) for hits in range(needed, min(c, k) + 1))
    return right / math.comb(n, k)


def avg_at_n(n: int, c: int) -> float:
    """The share of correct samples, which is pass@1."""
    return pass_at_k(n, c, 1)


def _refuse_impossible(metric: str, n: int, c: int, k: int) -> None:
    if not 0 <= c <= n:
        raise ConfigError(f"{c} correct samples of {n} cannot be")
    if k < 1:
        raise ConfigError(f"k counts samples, so it is at least 1, not {k}")
    if k > n:
        raise ConfigError(f"{metric}{k} needs at least {k} samples of a problem; there are {n}")
