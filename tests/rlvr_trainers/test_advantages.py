import math
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.credit.statistics import is_degenerate
from rlvr_trainers.credit.step_rewards import step_advantages
from rlvr_trainers.loss_settings import PolicyGradientConfig

from rlvr_gym import ConfigError

ESTIMATORS = ["group_std", "centred", "leave_one_out", "batch_std", "whitened"]
NAN = math.nan


def advantages(rewards: Any, groups: Any, estimator: str, **more: Any) -> np.ndarray:
    config = PolicyGradientConfig.model_validate({"advantage": estimator})
    lengths = more.pop("lengths", [1] * len(rewards))
    return outcome_advantages(np.array(rewards), groups, config, lengths=lengths, **more)


def test_grpo_divides_by_the_sample_standard_deviation_of_the_group():
    # mean 1/4, squared deviations 9/16 + 3/16 = 3/4, over 3: std 1/2.
    expected = [0.75 / (0.5 + 1e-4), *[-0.25 / (0.5 + 1e-4)] * 3]
    np.testing.assert_allclose(advantages([1, 0, 0, 0], [0] * 4, "group_std"), expected, rtol=1e-14)


def test_dr_grpo_only_subtracts_the_mean():
    np.testing.assert_array_equal(advantages([1, 0, 0, 0], [0] * 4, "centred"), [0.75, -0.25, -0.25, -0.25])


def test_rloo_compares_each_sample_with_the_mean_of_the_others():
    np.testing.assert_allclose(
        advantages([1, 0, 0.5], [0] * 3, "leave_one_out"), [0.75, -0.75, 0.0], atol=1e-15
    )


def test_batch_std_is_that_of_all_rewards():
    # rewards 0, 1, 0, 0: mean 1/4, std 1/2 as above, though the first group alone has std 1/sqrt(2).
    expected = np.array([-0.5, 0.5, 0, 0]) / (0.5 + 1e-4)
    np.testing.assert_allclose(advantages([0, 1, 0, 0], [0, 0, 1, 1], "batch_std"), expected, rtol=1e-14)


def test_whitening_runs_over_tokens_and_not_over_samples():
    # centred +1/2 on 3 tokens, -1/2 on 1: token mean 1/4, variance (3/16 + 9/16) / 4 = 3/16.
    expected = np.array([0.25, -0.75]) / (math.sqrt(3) / 4 + 1e-4)
    np.testing.assert_allclose(advantages([1, 0], [0, 0], "whitened", lengths=[3, 1]), expected, rtol=1e-14)


def test_whitening_without_lengths_is_refused():
    config = PolicyGradientConfig(advantage="whitened")
    with pytest.raises(ConfigError, match="give the lengths"):
        outcome_advantages(np.array([0.0, 1.0]), [0, 0], config)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0, float(np.float32(0.1))])
def test_constant_groups_get_exactly_zero(estimator: str, constant: float):
    rewards = [constant] * 8 + [0.0, 1.0]
    result = advantages(rewards, [0] * 8 + [1, 1], estimator, lengths=list(range(1, 11)))
    assert (result[:8] == 0.0).all()
    assert (result[8:] != 0.0).all()


def test_eight_float32_rewards_of_three_tenths_are_degenerate_although_their_std_is_not_zero():
    rewards = torch.full((8,), 0.3)
    assert rewards.std() > 0
    assert is_degenerate(rewards.numpy())


def test_outcomes_equal_within_a_millionth_are_degenerate():
    assert is_degenerate([0.1 + 0.2, 0.3, 0.3 + 9e-7])
    assert not is_degenerate([0.3, 0.3 + 2e-6])


def test_outcomes_a_hundredth_apart_are_not_degenerate():
    assert not is_degenerate([0.5, 0.51])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_degenerate_test_is_on_the_outcome_and_not_on_the_shaped_reward(estimator: str):
    outcomes = np.array([1.0, 1.0, 0.0, 1.0])
    shaped = np.array([1.0, 0.5, 0.0, 0.0])  # sample 1 and 3 ran long
    result = advantages(shaped, ["a", "a", "b", "b"], estimator, outcomes=outcomes)
    assert (result[:2] == 0.0).all()
    if (
        estimator == "centred"
    ):  # equal rewards, different outcomes: not degenerate, and still nothing between them
        np.testing.assert_array_equal(result[2:], [0.0, 0.0])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_unscored_sample_is_as_good_as_absent(estimator: str):
    absent = advantages([1, 0, 0, 1, 0], [0, 0, 0, 1, 1], estimator, lengths=[1, 2, 3, 5, 6])
    unscored = advantages([1, 0, NAN, 0, 1, 0], [0, 0, 0, 0, 1, 1], estimator, lengths=[1, 2, 9, 3, 5, 6])
    assert unscored[2] == 0.0
    np.testing.assert_array_equal(np.delete(unscored, 2), absent)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_group_left_with_one_scored_sample_gets_zero(estimator: str):
    result = advantages([1, NAN, NAN, 0, 1], [0, 0, 0, 1, 1], estimator)
    assert (result[:3] == 0.0).all()
    assert np.isfinite(result).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_permuting_samples_and_groups_changes_not_a_bit(estimator: str):
    rng = np.random.default_rng(0)
    rewards, groups, lengths = rng.random(40), np.arange(40) % 5, rng.integers(1, 30, 40)
    order = rng.permutation(40)
    straight = advantages(rewards, groups.tolist(), estimator, lengths=lengths.tolist())
    names = np.array(["e", "c", "a", "d", "b"])
    shuffled = advantages(
        rewards[order], names[groups[order]].tolist(), estimator, lengths=lengths[order].tolist()
    )
    np.testing.assert_array_equal(shuffled, straight[order])


def test_groups_are_found_by_id_and_may_differ_in_size():
    result = advantages([1, 0, 0, 1, 0], ["x", "y", "x", "y", "y"], "centred")
    np.testing.assert_allclose(result, [0.5, -1 / 3, -0.5, 2 / 3, -1 / 3], atol=1e-15)


def test_rloo_is_centred_times_g_over_g_minus_one():
    rewards, groups = np.random.default_rng(1).random(12), [0] * 4 + [1] * 8
    factor = np.array([4 / 3] * 4 + [8 / 7] * 8)
    rloo, centred = advantages(rewards, groups, "leave_one_out"), advantages(rewards, groups, "centred")
    np.testing.assert_allclose(rloo, factor * centred, rtol=1e-14)


def test_groups_of_one_are_a_configuration_error():
    with pytest.raises(ConfigError, match="draw at least 2"):
        advantages([1, 0], ["a", "b"], "centred")


def test_a_kl_penalty_in_the_reward_acts_in_degenerate_groups_too():
    config = PolicyGradientConfig(
        advantage="leave_one_out", kl_place="reward", kl_estimator="k1", kl_coefficient=0.1
    )
    kl = np.array([1.0, 3.0, 0.0, 4.0])
    result = outcome_advantages(np.array([1.0, 1.0, 0.0, 1.0]), [0, 0, 1, 1], config, kl=kl)
    np.testing.assert_allclose(result, [0.2, -0.2, -1 + 0.4, 1 - 0.4], atol=1e-15)


def test_process_rewards_pay_every_token_for_the_steps_that_end_at_or_after_it():
    # steps 1, 0 | 1, 0: mean 1/2, std 1/sqrt(3); normalised a = (1/2) / (1/sqrt(3) + 1e-4).
    a = 0.5 / (1 / math.sqrt(3) + 1e-4)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 1]], dtype=bool)
    result = step_advantages([[1, 0], [1, 0]], [[1, 3], [0, 3]], [0, 0], mask, PolicyGradientConfig())
    np.testing.assert_allclose(result, [[0, 0, -a, -a], [0, -a, 0, -a]], atol=1e-15)


def test_process_rewards_of_a_constant_group_are_exactly_zero():
    result = step_advantages(
        [[0.3], [0.3, 0.3]], [[1], [0, 1]], [0, 0], np.ones((2, 2)), PolicyGradientConfig()
    )
    assert (result == 0.0).all()


def test_an_unscored_sample_has_no_part_in_process_rewards():
    mask = np.ones((3, 2))
    result = step_advantages(
        [[1], [0], [NAN]], [[1], [1], [1]], [0] * 3, mask, PolicyGradientConfig(advantage="centred")
    )
    np.testing.assert_array_equal(result, [[0.5, 0.5], [-0.5, -0.5], [0, 0]])


def test_process_rewards_refuse_an_estimator_that_is_not_defined_for_them():
    with pytest.raises(ConfigError, match="must be group_std or centred"):
        step_advantages(
            [[1], [0]], [[0], [0]], [0, 0], np.ones((2, 1)), PolicyGradientConfig(advantage="whitened")
        )
