import math

import numpy as np
import pytest

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.statistics.estimators import pass_at_k
from rlvr_gym.evaluation.statistics.intervals import mean_interval, standard_error, wilson, within_set_error


def test_wilson_gives_the_textbook_interval():
    # Newcombe 1998, table I: 81 of 263, 0.2553 to 0.3662; 0 of 20, 0 to 0.1611
    interval = wilson(81, 263)
    assert (interval.low, interval.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    interval = wilson(0, 20)
    assert (interval.low, interval.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_one_sample_per_problem_is_a_plain_proportion():
    values = np.array([1.0] * 7 + [0.0] * 13)
    assert mean_interval(values, seed=0) == wilson(7, 20)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("problems", [1, 2, 30])
@pytest.mark.parametrize("clustered", [False, True])
def test_equal_values_never_give_a_zero_width(value: float, problems: int, clustered: bool):
    clusters = list(range(problems)) if clustered else None
    interval = mean_interval(np.full(problems, value), seed=0, clusters=clusters)
    assert interval.low <= value <= interval.high
    assert interval == wilson(value * problems, problems)
    assert interval.high - interval.low > 0.1


def test_one_problem_that_succeeds_once_does_not_shrink_the_interval_to_nothing():
    values = np.zeros(30)
    values[0] = 0.25
    interval = mean_interval(values, seed=0)
    assert interval.low < 0.0083 < 0.03 < interval.high < wilson(1, 30).high


@pytest.mark.parametrize("value", [1 / 4, 1 / 16, 1 / 64])
def test_a_spread_that_hangs_on_one_problem_is_not_believed(value: float):
    # Of 30 problems one succeeds once in 4, 16 or 64 samples. With the spread as it is, the effective number of
    # problems is 120, 480 or 1,920, and at 64 samples the interval ends at 0.003.
    values = np.zeros(30)
    values[0] = value
    interval = mean_interval(values, seed=0)
    assert 0.02 < interval.high < mean_interval(np.zeros(30), seed=0).high
    mirrored = mean_interval(1 - values, seed=0)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - interval.high, 1 - interval.low), abs=2e-3)


def test_the_interval_of_many_problems_is_the_mean_plus_or_minus_two_standard_errors():
    values = np.tile([0.2, 0.4, 0.6, 0.8], 200)
    error = standard_error(values)
    assert error is not None
    assert error == pytest.approx(np.sqrt(0.05 / 799), rel=1e-9)
    interval = mean_interval(values, seed=3)
    assert (interval.low, interval.high) == pytest.approx((0.5 - 1.96 * error, 0.5 + 1.96 * error), abs=7e-4)


def test_equal_seeds_give_equal_intervals_and_leave_the_global_generator_alone():
    values = np.linspace(0, 1, 40)
    before = np.random.get_state(legacy=False)["state"]["key"].tolist()
    assert mean_interval(values, seed=5) == mean_interval(values, seed=5)
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before


def test_problems_of_a_cluster_are_drawn_together():
    values = np.repeat([0.1, 0.9, 0.3, 0.7, 0.5, 0.2, 0.8, 0.6], 25)
    clusters = list(np.repeat(np.arange(8), 25))
    apart, together = mean_interval(values, seed=0), mean_interval(values, seed=0, clusters=clusters)
    assert together.high - together.low > 4 * (apart.high - apart.low)
    assert together == mean_interval(values[::25], seed=0, clusters=list(range(8)))


def test_the_standard_error_over_clusters_is_that_of_a_ratio():
    # clusters of sizes 1, 2, 1 with sums 1, 1, 0: mean 1/2, residuals 1/2, 0, -1/2, so var = 3/2 * 1/2 / 16
    values = np.array([1.0, 1.0, 0.0, 0.0])
    assert standard_error(values, ["a", "b", "b", "c"]) == pytest.approx(np.sqrt(3 / 64))
    assert standard_error(values, ["a"] * 4) is None


def test_within_set_noise_shrinks_with_samples_as_thirty_aime_problems_show():
    # sqrt(30 * 0.2173 * 0.7827 / 1) / 30, and the same over sqrt(32)
    accuracies = np.full(30, 0.2173)
    assert within_set_error(accuracies, 1) == pytest.approx(0.075, abs=5e-4)
    assert within_set_error(accuracies, 32) == pytest.approx(0.013, abs=5e-4)


@pytest.mark.parametrize("values", [[], [0.5, 1.2], [-0.1], [float("nan")]])
def test_values_outside_zero_and_one_are_refused(values: list[float]):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        mean_interval(np.array(values), seed=0)


def test_a_cluster_is_needed_for_every_problem():
    with pytest.raises(ConfigError, match="2 clusters for 3 problems"):
        mean_interval(np.array([0.1, 0.2, 0.3]), seed=0, clusters=["a", "b"])


def coverage(problems: int, a: float, b: float, n: int, evaluations: int, k: int = 1) -> float:
    """The share of intervals of pass@k that hold the truth, over so many simulated evaluations."""
    rng = np.random.default_rng(11)
    worth = np.array([pass_at_k(n, correct, k) for correct in range(n + 1)])
    truth = 1 - math.prod((b + j) / (a + b + j) for j in range(k))
    covered = 0
    for evaluation in range(evaluations):
        values = worth[rng.binomial(n, rng.beta(a, b, problems))]
        interval = mean_interval(values, seed=evaluation)
        covered += interval.low <= truth <= interval.high
    return covered / evaluations


@pytest.mark.parametrize(
    ("problems", "a", "b", "n"),
    [(30, 0.5, 0.5, 4), (30, 0.2, 2.0, 4), (30, 5.0, 2.0, 16), (100, 0.1, 5.0, 16), (10, 1.0, 1.0, 1)],
)
def test_intervals_cover_the_truth_about_95_times_in_100(problems: int, a: float, b: float, n: int):
    # three standard errors of a share of 300 are 3.8 points
    assert 0.91 <= coverage(problems, a, b, n, 300) <= 0.99


@pytest.mark.parametrize("problems", [30, 100])
def test_intervals_of_what_nearly_always_succeeds_are_not_too_narrow(problems: int):
    # pass@4 is 0.989, and most problems were solved every time: the bootstrap alone covers 62 and 81 in 100
    assert coverage(problems, 2.0, 0.2, 16, 300, k=4) >= 0.91


def test_of_two_thousand_intervals_93_to_97_in_100_cover_the_truth():
    assert 0.93 <= coverage(30, 0.5, 0.5, 4, 2_000) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problems", "a", "b", "n", "k"),
    [
        (30, 1.0, 1.0, 16, 1),
        (30, 1.0, 1.0, 16, 4),
        (30, 0.2, 2.0, 4, 1),
        (30, 5.0, 2.0, 16, 1),
        (100, 0.3, 0.3, 16, 1),
        (100, 0.2, 2.0, 16, 1),
        (100, 0.1, 5.0, 16, 1),
        (100, 5.0, 2.0, 16, 4),
        (500, 2, 1, 64, 1),
    ],
)
def test_so_do_those_of_other_problems_and_samples(problems: int, a: float, b: float, n: int, k: int):
    assert 0.93 <= coverage(problems, a, b, n, 2_000, k) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), [(0.1, 5.0), (2.0, 0.2)])
@pytest.mark.parametrize(("n", "k"), [(16, 1), (64, 1), (16, 4)])
@pytest.mark.parametrize("problems", [10, 30])
def test_where_few_problems_show_any_difference_intervals_are_rather_too_wide(
    problems: int, a: float, b: float, n: int, k: int
):
    assert coverage(problems, a, b, n, 1_000, k) >= 0.92
