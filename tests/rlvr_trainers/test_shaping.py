import numpy as np
import pytest
from rlvr_trainers.credit.overlong import overlong_penalty, with_overlong_penalty

from rlvr_gym import ConfigError


@pytest.mark.parametrize(
    ("length", "penalty"),
    [(1, 0.0), (16384, 0.0), (16385, -1 / 4096), (18432, -0.5), (20480, -1.0), (20481, -1.0)],
)
def test_the_overlong_penalty_is_that_of_dapo_equation_13(length: int, penalty: float):
    assert overlong_penalty(length, max_tokens=20480, cache=4096) == penalty


@pytest.mark.parametrize("cache", [0, -1, 11])
def test_a_cache_that_does_not_fit_the_budget_is_refused(cache: int):
    with pytest.raises(ConfigError, match=f"between 1 and max_tokens=10, not be {cache}"):
        overlong_penalty(5, max_tokens=10, cache=cache)


def test_the_penalty_is_added_to_the_outcome_and_leaves_unscored_samples_unscored():
    shaped = with_overlong_penalty(np.array([1.0, -1.0, np.nan]), [6, 9, 10], max_tokens=10, cache=4)
    np.testing.assert_array_equal(shaped, [1.0, -1.75, np.nan])
