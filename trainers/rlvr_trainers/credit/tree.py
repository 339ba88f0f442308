"""Advantages of rollouts that fork (Tree-GRPO, arXiv 2509.21240): within a tree, and over all trees of a prompt."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.rollouts import Rollout
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.loss_settings import PolicyGradientConfig


def tree_advantages(
    rewards: np.ndarray,
    groups: Sequence[Hashable],
    trees: Sequence[Hashable],
    config: PolicyGradientConfig,
    *,
    outcomes: np.ndarray | None = None,
    kl: np.ndarray | None = None,
) -> np.ndarray:
    """The advantage of each leaf, float64 (B,): that within its tree plus that among all leaves of its prompt.

    Each of the two is the estimator of `config`, as `outcome_advantages` has it, so that a tree whose outcomes are all
    equal, or of which fewer than two are known, adds nothing: never its raw reward, as in the paper's code.

    Args:
        rewards: (B,), shaped or not; NaN where unscored.
        groups: (B,) ids of prompts.
        trees: (B,) ids of trees, which need to differ only within a prompt.
        config: which estimator, `group_std` or `centred`.
        outcomes: (B,) raw outcome rewards, on which prompts and trees are found degenerate; default: `rewards`.
        kl: (B,) `kl_in_reward` of each leaf, which counts once, over the prompt.
    """
    if config.advantage not in ("group_std", "centred"):
        raise ConfigError(
            f"leaves are compared within trees and prompts: advantage={config.advantage} must be group_std or centred"
        )
    among_all = outcome_advantages(rewards, groups, config, outcomes=outcomes, kl=kl)
    tree_ids = list(zip(groups, trees, strict=True))
    if len(set(tree_ids)) == len(tree_ids):  # no tree has two leaves to compare
        return among_all
    return outcome_advantages(rewards, tree_ids, config, outcomes=outcomes) + among_all


def trees_of(rollouts: Sequence[Rollout]) -> list[int | str]:
    """The tree of each rollout among those of its task; one that did not fork is a tree of its own."""
    return [f"sample {one.sample}" if one.branch is None else one.branch.tree for one in rollouts]
