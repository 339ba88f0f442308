"""Advantages of leaves by hand: within their tree, plus among all leaves of their prompt."""

import math
from typing import Any

import numpy as np
import pytest
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.credit.tree import tree_advantages
from rlvr_trainers.loss_settings import PolicyGradientConfig

from rlvr_gym import ConfigError

NAN = math.nan
EPSILON = 1e-4


def advantages(rewards: Any, groups: Any, trees: Any, **settings: Any) -> np.ndarray:
    return tree_advantages(np.array(rewards), groups, trees, PolicyGradientConfig(**settings))


def test_the_two_parts_are_worked_by_hand() -> None:
    # Tree a: 1, 0, 0: mean 1/3, std sqrt((4/9 + 1/9 + 1/9) / 2) = sqrt(1/3). Tree b: 1, 1, 0: mean 2/3, the same std.
    # All six: mean 1/2, std sqrt(6 * 1/4 / 5) = sqrt(0.3).
    within, overall = math.sqrt(1 / 3) + EPSILON, math.sqrt(0.3) + EPSILON
    expected = [
        2 / 3 / within + 0.5 / overall,
        -1 / 3 / within - 0.5 / overall,
        -1 / 3 / within - 0.5 / overall,
        1 / 3 / within + 0.5 / overall,
        1 / 3 / within + 0.5 / overall,
        -2 / 3 / within - 0.5 / overall,
    ]
    found = advantages([1, 0, 0, 1, 1, 0], [0] * 6, [0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_centred_leaves_out_both_spreads() -> None:
    found = advantages([1, 0, 0, 1, 1, 0], [0] * 6, [0, 0, 0, 1, 1, 1], advantage="centred")
    np.testing.assert_allclose(found, [7 / 6, -5 / 6, -5 / 6, 5 / 6, 5 / 6, -7 / 6], rtol=1e-13)


def test_a_tree_of_one_leaf_adds_nothing_and_not_its_raw_score() -> None:
    rewards, groups = [1, 0, 1], [0, 0, 0]
    inter = outcome_advantages(np.array(rewards), groups, PolicyGradientConfig())
    found = advantages(rewards, groups, ["a", "a", "alone"])
    assert found[2] == inter[2]
    assert found[2] != pytest.approx(inter[2] + rewards[2])
    np.testing.assert_allclose(found[:2] - inter[:2], np.array([0.5, -0.5]) / (math.sqrt(0.5) + EPSILON))


@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0, float(np.float32(0.1))])
def test_a_tree_whose_leaves_earned_the_same_adds_nothing(constant: float) -> None:
    rewards, groups = [constant] * 3 + [0.0, 1.0, 0.5], [0] * 6
    inter = outcome_advantages(np.array(rewards), groups, PolicyGradientConfig())
    assert advantages(rewards, groups, [0, 0, 0, 1, 1, 1])[:3].tolist() == inter[:3].tolist()


def test_where_every_leaf_of_a_prompt_earned_the_same_all_is_zero() -> None:
    assert (
        advantages([0.3] * 6 + [0, 1], [0] * 6 + [1] * 2, [0, 0, 0, 1, 1, 1, 0, 1])[:6].tolist() == [0.0] * 6
    )


def test_where_every_tree_is_one_leaf_prompts_alone_compare() -> None:
    inter = outcome_advantages(np.array([1.0, 0.0, 0.0]), [0, 0, 0], PolicyGradientConfig())
    assert advantages([1.0, 0.0, 0.0], [0, 0, 0], [0, 1, 2]).tolist() == inter.tolist()


def test_trees_of_two_prompts_may_have_the_same_names() -> None:
    rewards, trees = [1, 0, 0, 0.25, 0.5, 1], [0, 0, 1, 0, 1, 1]
    together = advantages(rewards, [0, 0, 0, 1, 1, 1], trees)
    apart = [*advantages(rewards[:3], [0] * 3, trees[:3]), *advantages(rewards[3:], [0] * 3, trees[3:])]
    assert together.tolist() == apart


def test_an_unscored_leaf_is_as_good_as_absent() -> None:
    absent = advantages([1, 0, 0, 1, 1], [0] * 5, [0, 0, 0, 1, 1])
    unscored = advantages([1, NAN, 0, 0, 1, 1], [0] * 6, [0, 0, 0, 0, 1, 1])
    assert unscored[1] == 0.0
    assert np.delete(unscored, 1).tolist() == absent.tolist()


def test_a_tree_left_with_one_scored_leaf_adds_nothing() -> None:
    found = advantages([1, NAN, NAN, 0, 1], [0] * 5, [0, 0, 0, 1, 1])
    inter = outcome_advantages(np.array([1, NAN, NAN, 0, 1]), [0] * 5, PolicyGradientConfig())
    assert found[:3].tolist() == inter[:3].tolist()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("estimator", ["group_std", "centred"])
def test_permuting_leaves_and_naming_trees_otherwise_changes_not_a_bit(estimator: str) -> None:
    rng = np.random.default_rng(0)
    rewards, groups, trees = rng.random(48), np.arange(48) % 4, np.arange(48) // 4 % 3
    order = rng.permutation(48)
    straight = advantages(rewards, groups.tolist(), trees.tolist(), advantage=estimator)
    names = np.array(["z", "x", "y"])
    moved = advantages(
        rewards[order], groups[order].tolist(), names[trees[order]].tolist(), advantage=estimator
    )
    assert moved.tolist() == straight[order].tolist()


def test_a_scale_and_a_shift_of_all_rewards_change_nothing_but_by_epsilon() -> None:
    rng = np.random.default_rng(1)
    rewards, groups, trees = rng.random(24), [0] * 12 + [1] * 12, [0, 1, 2] * 8
    plain = advantages(rewards, groups, trees, std_epsilon=1e-12)
    moved = advantages(3 * rewards - 2, groups, trees, std_epsilon=1e-12)
    np.testing.assert_allclose(moved, plain, rtol=1e-9)
    centred = advantages(rewards, groups, trees, advantage="centred")
    np.testing.assert_allclose(
        advantages(3 * rewards - 2, groups, trees, advantage="centred"), 3 * centred, atol=1e-12
    )


def test_trees_are_found_degenerate_on_the_outcome_and_not_on_the_shaped_reward() -> None:
    outcomes, shaped = np.array([1.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.5, 0.0, 1.0])
    config = PolicyGradientConfig()
    found = tree_advantages(shaped, [0] * 4, [0, 0, 1, 1], config, outcomes=outcomes)
    inter = outcome_advantages(shaped, [0] * 4, config, outcomes=outcomes)
    assert found[:2].tolist() == inter[:2].tolist()
    assert (found[2:] != inter[2:]).all()


def test_a_penalty_in_the_reward_counts_once() -> None:
    config = PolicyGradientConfig(
        advantage="centred", kl_place="reward", kl_estimator="k1", kl_coefficient=0.5
    )
    rewards, kl = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.4, 0.0, 0.0, 0.0])
    without = tree_advantages(rewards, [0] * 4, [0, 0, 1, 1], config)
    penalised = tree_advantages(rewards, [0] * 4, [0, 0, 1, 1], config, kl=kl)
    np.testing.assert_allclose(penalised - without, [-0.15, 0.05, 0.05, 0.05], atol=1e-15)


@pytest.mark.parametrize("estimator", ["leave_one_out", "batch_std", "whitened"])
def test_estimators_that_compare_beyond_a_prompt_are_refused(estimator: str) -> None:
    with pytest.raises(ConfigError, match="must be group_std or centred"):
        advantages([1, 0], [0, 0], [0, 0], advantage=estimator)
