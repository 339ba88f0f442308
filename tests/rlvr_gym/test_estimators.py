from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.estimators import avg_at_n, g_pass_at_k, pass_at_k, pass_hat_k


@st.composite
def n_c_k(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 12))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


def hits_in_every_draw(n: int, c: int, k: int) -> list[int]:
    return [sum(index < c for index in drawn) for drawn in combinations(range(n), k)]


@given(n_c_k())
def test_pass_at_k_is_the_share_of_draws_with_a_correct_sample(problem: tuple[int, int, int]):
    hits = hits_in_every_draw(*problem)
    assert pass_at_k(*problem) == pytest.approx(np.mean([h >= 1 for h in hits]), abs=1e-15)


@given(n_c_k())
def test_pass_hat_k_is_the_share_of_draws_that_are_all_correct(problem: tuple[int, int, int]):
    hits = hits_in_every_draw(*problem)
    assert pass_hat_k(*problem) == pytest.approx(np.mean([h == problem[2] for h in hits]), abs=1e-15)


@given(n_c_k(), st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.7, 0.75, 1.0]))
def test_g_pass_at_k_is_the_share_of_draws_with_tau_k_correct(problem: tuple[int, int, int], tau: float):
    needed = max(-(-round(tau * 100) * problem[2] // 100), 1)
    hits = hits_in_every_draw(*problem)
    expected = np.mean([h >= needed for h in hits])
    assert g_pass_at_k(*problem, tau) == pytest.approx(expected, abs=1e-15)


@given(n_c_k())
def test_g_pass_runs_from_pass_at_k_to_pass_hat_k(problem: tuple[int, int, int]):
    assert g_pass_at_k(*problem, 0.0) == pytest.approx(pass_at_k(*problem), abs=1e-15)
    assert g_pass_at_k(*problem, 1.0) == pytest.approx(pass_hat_k(*problem), abs=1e-15)


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


@pytest.mark.parametrize("estimator", [pass_at_k, pass_hat_k, lambda n, c, k: g_pass_at_k(n, c, k, 0.5)])
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
