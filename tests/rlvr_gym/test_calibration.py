"""Figures of a reward model on pairs: by hand, and on margins whose probabilities are known."""

import math

import numpy as np
import pytest

from rlvr_gym import ConfigError
from rlvr_gym.evaluation.statistics.calibration import pair_figures
from rlvr_gym.evaluation.statistics.intervals import wilson


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_five_pairs_are_worked_by_hand() -> None:
    # Claims .75 twice (one right, one wrong), .95 twice (both right), and .5 of a pair that is not told apart.
    found = pair_figures([logit(0.75), -logit(0.75), logit(0.95), logit(0.95), 0.0])
    assert found.pairs == 5
    assert found.accuracy == 3.5 / 5
    assert found.accuracy_interval == wilson(3.5, 5)
    assert found.mean_margin == pytest.approx(2 * logit(0.95) / 5)
    assert found.loss == pytest.approx(-math.log(0.75 * 0.25 * 0.95 * 0.95 * 0.5) / 5)
    assert found.calibration_error == pytest.approx((2 * 0.25 + 2 * 0.05 + 0.0) / 5)
    told = [(round(row.low, 1), round(row.high, 1), row.pairs, row.right) for row in found.reliability]
    assert told == [(0.5, 0.6, 1, 0.5), (0.7, 0.8, 2, 0.5), (0.9, 1.0, 2, 1.0)]
    assert [row.claimed for row in found.reliability] == pytest.approx([0.5, 0.75, 0.95])
    assert found.reliability[2].right_interval == wilson(2, 2)


def test_a_margin_without_end_is_a_claim_of_certainty() -> None:
    found = pair_figures([800.0, -800.0])
    assert (found.accuracy, found.calibration_error) == (0.5, 0.5)
    assert found.reliability[0].claimed == 1.0


def known(count: int, *, too_sure: float, seed: int) -> list[float]:
    """Margins of pairs that are decided by their sigmoid, told `too_sure` times as large."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(0, 2, count)
    wins = rng.random(count) < 1 / (1 + np.exp(-np.abs(margins)))
    return (too_sure * np.where(wins, 1, -1) * np.abs(margins)).tolist()


def test_margins_that_mean_what_they_say_are_calibrated_and_doubled_ones_are_not() -> None:
    honest = pair_figures(known(4000, too_sure=1.0, seed=0))
    assert honest.calibration_error < 0.03
    doubled = pair_figures(known(4000, too_sure=2.0, seed=0))
    assert doubled.calibration_error > 0.08
    assert doubled.calibration_interval.low > honest.calibration_interval.high
    assert doubled.accuracy == honest.accuracy


def test_the_interval_holds_the_error_and_is_the_same_every_time() -> None:
    margins = known(60, too_sure=1.5, seed=3)
    one, two = pair_figures(margins), pair_figures(margins)
    assert one == two
    assert one.calibration_interval.low <= one.calibration_error <= one.calibration_interval.high


@pytest.mark.parametrize("margins", [[], [1.0, math.nan], [math.inf]])
def test_there_are_no_figures_of_nothing(margins: list[float]) -> None:
    with pytest.raises(ConfigError, match="at least one and all of them finite"):
        pair_figures(margins)
