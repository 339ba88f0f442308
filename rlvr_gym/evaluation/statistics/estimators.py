"""Estimators over `n` judged samples of one problem, `c` of them correct.

Every estimator here is unbiased for what one would see when drawing `k` fresh samples. The plug-in
`1 - (1 - c/n)^k` and resampling with replacement are not, and stand nowhere in this library. All are computed
in whole numbers and divided once, so that they neither overflow nor cancel, at n = 5,000 as at n = 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
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


def best_at_k(scores: Sequence[float], k: int) -> float:
    """The expected score of the best of `k` samples; `scores` are those of all samples, in any order.

    Where every score is 0 or 1 this is pass@k.
    """
    n = len(scores)
    _refuse_impossible("best@", n, 0, k)
    weights = _best_weights(n, k)
    return math.fsum(weight * score for weight, score in zip(weights, sorted(scores), strict=True) if weight)


@lru_cache(maxsize=1_024)
def _best_weights(n: int, k: int) -> tuple[float, ...]:
    """That the sample of each rank, worst first, is the best of `k`, in probability: C(rank - 1, k - 1) / C(n, k)."""
    draws = math.comb(n, k)
    return tuple(math.comb(rank, k - 1) / draws for rank in range(n))


def bon_at_k(ranks: Sequence[float], right: Sequence[bool], k: int) -> float:
    """bon@k, the probability that of `k` samples the one that is ranked highest is right.

    `ranks` and `right` are those of all samples, in the same order. Samples with equal ranks are chosen equally often.
    """
    n = len(ranks)
    _refuse_impossible("bon@", n, sum(right), k)
    if len(right) != n or any(map(math.isnan, ranks)):
        raise ConfigError(f"{n} ranks for {len(right)} samples: each needs one, which is a number")
    by_rank: dict[float, list[bool]] = {}
    for rank, one in sorted(zip(ranks, right, strict=True)):
        by_rank.setdefault(rank, []).append(one)
    wins, below = Fraction(0), 0
    for tied in by_rank.values():
        upto = below + len(tied)
        chosen = math.comb(upto, k) - math.comb(below, k)
        wins += Fraction(chosen * sum(tied), len(tied))
        below = upto
    return float(wins / math.comb(n, k))


@lru_cache(maxsize=65_536)
def maj_at_k(n: int, right: int, wrong: tuple[int, ...], k: int) -> float:
    """maj@k, the probability that the commonest answer among `k` samples is the right one.

    `right` of the `n` samples gave the right answer, `wrong` counts those that gave each wrong one, and the
    rest gave none. Tied answers share the win equally; no answer never wins over an answer, and where nobody
    gave one, nobody is right.
    """
    _refuse_impossible("maj@", n, right + sum(wrong), k)
    if right < 0 or min(wrong, default=1) < 1:
        raise ConfigError(f"{right} right answers and {wrong} wrong ones cannot be")
    wins = sum(
        math.comb(right, votes) * _losses(n - right, wrong, votes, k - votes) for votes in range(1, k + 1)
    )
    return float(wins / math.comb(n, k))


def _losses(n: int, rivals: tuple[int, ...], votes: int, k: int) -> Fraction:
    """In how many draws of `k` from `n` samples no rival answer is had more than `votes` times.

    Each draw counts for 1 / (1 + the number of rivals had exactly `votes` times). A draw of each rival is a
    polynomial whose coefficients count the ways, packed into one integer, with as many `bits` for each as the
    largest that any can be; `by_ties` holds their product by the number of ties.
    """
    strong = [size for size in rivals if size >= votes]
    bits = math.comb(n, min(k, n // 2)).bit_length()
    kept = (1 << bits * (k + 1)) - 1
    by_ties = [_packed([math.comb(n - sum(strong), drawn) for drawn in range(k + 1)], bits)]
    for size in strong:
        below = _packed([math.comb(size, drawn) for drawn in range(min(votes, k + 1))], bits)
        level = math.comb(size, votes) << bits * votes
        by_ties = [
            (fewer * below + one_less * level) & kept
            for fewer, one_less in zip([*by_ties, 0], [0, *by_ties], strict=True)
        ]
    ways = [product >> bits * k for product in by_ties]
    return sum((Fraction(count, 1 + ties) for ties, count in enumerate(ways)), Fraction(0))


def _packed(coefficients: Sequence[int], bits: int) -> int:
    return sum(coefficient << bits * place for place, coefficient in enumerate(coefficients))


def _refuse_impossible(metric: str, n: int, c: int, k: int) -> None:
    if not 0 <= c <= n:
        raise ConfigError(f"{c} correct samples of {n} cannot be")
    if k < 1:
        raise ConfigError(f"k counts samples, so it is at least 1, not {k}")
    if k > n:
        raise ConfigError(f"{metric}{k} needs at least {k} samples of a problem; there are {n}")
