from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.statistics.estimators import (
    avg_at_n,
    best_at_k,
    g_pass_at_k,
    maj_at_k,
    pass_at_k,
    pass_hat_k,
)

EVERY = [(n, c, k) for n in range(1, 13) for c in range(n + 1) for k in range(1, n + 1)]
TAUS = (0.0, 0.25, 0.3, 0.5, 0.7, 0.75, 1.0)


@cache
def shares_by_hits(n: int, c: int, k: int) -> dict[int, float]:
    """The share of all draws of `k` from `n` samples that hold so many of the `c` correct ones, by enumeration."""
    hits = Counter(sum(index < c for index in drawn) for drawn in combinations(range(n), k))
    return {h: count / hits.total() for h, count in hits.items()}


def share(problem: tuple[int, int, int], at_least: int) -> float:
    return sum(share for hits, share in shares_by_hits(*problem).items() if hits >= at_least)


def test_pass_at_k_is_the_share_of_draws_with_a_correct_sample():
    for problem in EVERY:
        assert pass_at_k(*problem) == pytest.approx(share(problem, 1), abs=1e-14)


def test_pass_hat_k_is_the_share_of_draws_that_are_all_correct():
    for problem in EVERY:
        assert pass_hat_k(*problem) == pytest.approx(share(problem, problem[2]), abs=1e-14)


def test_g_pass_at_k_is_the_share_of_draws_with_tau_k_correct():
    for problem, tau in product(EVERY, TAUS):
        needed = max(-(-round(tau * 100) * problem[2] // 100), 1)
        assert g_pass_at_k(*problem, tau) == pytest.approx(share(problem, needed), abs=1e-14)


def test_g_pass_runs_from_pass_at_k_to_pass_hat_k():
    for problem in EVERY:
        assert g_pass_at_k(*problem, 0.0) == pytest.approx(pass_at_k(*problem), abs=1e-15)
        assert g_pass_at_k(*problem, 1.0) == pytest.approx(pass_hat_k(*problem), abs=1e-15)


def test_best_at_k_is_pass_at_k_where_scores_are_0_or_1():
    for n, c, k in EVERY:
        assert best_at_k([1.0] * c + [0.0] * (n - c), k) == pytest.approx(pass_at_k(n, c, k), abs=1e-14)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=12), st.data())
def test_best_at_k_is_the_mean_over_draws_of_the_best_score(scores: list[float], data: st.DataObject):
    k = data.draw(st.integers(1, len(scores)))
    best = np.mean([max(drawn) for drawn in combinations(scores, k)])
    assert best_at_k(scores, k) == pytest.approx(best, abs=1e-12)


def test_best_of_two_among_three_scores_by_hand():
    # draws: (.2, .5), (.2, .8), (.5, .8), whose best are .5, .8, .8
    assert best_at_k([0.5, 0.2, 0.8], 2) == pytest.approx(0.7)
    assert best_at_k([0.5, 0.2, 0.8], 1) == pytest.approx(0.5)


@st.composite
def votes(draw: st.DrawFn) -> tuple[int, int, tuple[int, ...], int]:
    n = draw(st.integers(1, 12))
    right = draw(st.integers(0, n))
    wrong: list[int] = []
    while n - right - sum(wrong) and draw(st.booleans()):
        wrong.append(draw(st.integers(1, n - right - sum(wrong))))
    return n, right, tuple(wrong), draw(st.integers(1, n))


def majority(drawn: tuple[str | None, ...]) -> float:
    counts = Counter(answer for answer in drawn if answer is not None)
    most = max(counts.values(), default=0)
    winners = [answer for answer, count in counts.items() if count == most]
    return ("right" in winners) / max(1, len(winners))


@given(votes())
def test_maj_at_k_is_the_mean_over_draws_of_what_the_plurality_earns(
    problem: tuple[int, int, tuple[int, ...], int],
):
    n, right, wrong, k = problem
    given_answers: list[str | None] = ["right"] * right
    for number, size in enumerate(wrong):
        given_answers += [f"wrong {number}"] * size
    given_answers += [None] * (n - len(given_answers))
    expected = np.mean([majority(drawn) for drawn in combinations(given_answers, k)])
    assert maj_at_k(n, right, wrong, k) == pytest.approx(expected, abs=1e-12)


def test_maj_at_k_by_hand():
    # right, right, wrong: of the three draws of two, one is right for sure and two are tied
    assert maj_at_k(3, 2, (1,), 2) == pytest.approx(2 / 3)
    assert maj_at_k(3, 2, (1,), 3) == 1.0
    # one right answer beats any number of samples without one
    assert maj_at_k(10, 1, (), 10) == 1.0
    assert maj_at_k(10, 0, (), 10) == 0.0
    # three answers given once each share the win
    assert maj_at_k(3, 1, (1, 1), 3) == pytest.approx(1 / 3)


def test_maj_at_1_is_accuracy():
    assert maj_at_k(10, 3, (2, 2, 1), 1) == pytest.approx(0.3)


def test_fifty_seven_hundredths_of_a_hundred_are_fifty_seven():
    assert 0.07 * 100 > 7
    assert 0.57 * 100 < 57
    assert g_pass_at_k(100, 57, 100, 0.57) == 1.0
    assert g_pass_at_k(100, 7, 100, 0.07) == 1.0
    assert g_pass_at_k(100, 6, 100, 0.07) == 0.0


def test_avg_at_n_is_the_share_of_correct_samples():
    assert avg_at_n(16, 2) == 0.125
    assert avg_at_n(3, 2) == 2 / 3


def expected_value(estimate, n: int, p: float) -> float:
    return sum(comb(n, c) * p**c * (1 - p) ** (n - c) * estimate(c) for c in range(n + 1))


def test_pass_at_k_is_unbiased_where_the_plug_in_is_low():
    p, k = 0.1, 8
    truth = 1 - (1 - p) ** k
    assert truth == pytest.approx(0.5695, abs=5e-5)
    for n, plug_in_expects in ((8, 0.4224), (16, 0.4909)):
        assert expected_value(lambda c, n=n: pass_at_k(n, c, k), n, p) == pytest.approx(truth, abs=1e-12)
        plug_in = expected_value(lambda c, n=n: 1 - (1 - c / n) ** k, n, p)
        assert plug_in == pytest.approx(plug_in_expects, abs=5e-5)


def test_drawing_with_replacement_gives_656_where_767_is_right():
    assert pass_at_k(16, 2, 8) == pytest.approx(0.767, abs=5e-4)
    assert pytest.approx(0.656, abs=5e-4) == 1 - (14 / 16) ** 8


def test_five_thousand_samples_neither_overflow_nor_cancel():
    n, k = 5000, 2500
    assert pass_at_k(n, 1, k) == 0.5
    assert pass_hat_k(n, n - 1, k) == 0.5
    # 1 - C(4998, 2500) / C(5000, 2500), both quotients written out
    assert pass_at_k(n, 2, k) == pytest.approx(1 - (2500 * 2499) / (5000 * 4999), rel=1e-15)
    assert pass_hat_k(n, 2500, k) == 0.0
    assert pass_at_k(n, n, n) == 1.0
    assert g_pass_at_k(n, 2500, 100, 0.5) == pytest.approx(0.5, abs=0.05)


def quotient(n: int, c: int, k: int) -> Fraction:
    """C(n - c, k) / C(n, k) as a product of fractions, without any binomial coefficient."""
    value = Fraction(1)
    for step in range(c):
        value *= Fraction(n - k - step, n - step)
    return max(value, Fraction(0))


@pytest.mark.parametrize("c", [0, 1, 7, 100])
@pytest.mark.parametrize("k", [1, 8, 64, 2500, 4999, 5000])
def test_at_five_thousand_samples_every_digit_is_that_of_exact_fractions(c: int, k: int):
    n = 5000
    nothing_right = quotient(n, c, k) if n - c >= k else Fraction(0)
    assert pass_at_k(n, c, k) == float(1 - nothing_right)
    # all of k right: none of the n - c' wrong ones, c' = n - c
    assert pass_hat_k(n, n - c, k) == float(nothing_right)
    assert g_pass_at_k(n, c, k, 0.0) == float(1 - nothing_right)


@pytest.mark.parametrize(
    "estimator",
    [
        pass_at_k,
        pass_hat_k,
        lambda n, c, k: g_pass_at_k(n, c, k, 0.5),
        lambda n, c, k: best_at_k([1.0] * c + [0.0] * (n - c), k),
        lambda n, c, k: maj_at_k(n, c, (), k),
    ],
)
def test_more_than_n_samples_are_not_extrapolated(estimator):
    with pytest.raises(ConfigError, match=r"needs at least 8 samples of a problem; there are 4"):
        estimator(4, 1, 8)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 0)])
def test_impossible_counts_are_refused(n: int, c: int, k: int):
    with pytest.raises(ConfigError):
        pass_at_k(n, c, k)


def test_a_tau_outside_zero_and_one_is_refused():
    with pytest.raises(ConfigError, match=r"between 0 and 1, not 1\.5"):
        g_pass_at_k(4, 1, 2, 1.5)
