"""From rewards to advantages, in float64.

Samples belong together by group id, in any order. NaN marks a reward that is not known (unscored): such a
sample is left out of every statistic and gets advantage 0. Sums are exactly rounded (`math.fsum`), so that
permuting samples or groups permutes the advantages and changes none of them by a bit.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_trainers.credit.best_of_k import best_of_k_advantages
from rlvr_trainers.credit.statistics import is_degenerate, known, mean, rows_of, std
from rlvr_trainers.loss_settings import PolicyGradientConfig


def outcome_advantages(
    rewards: np.ndarray,
    groups: Sequence[Hashable],
    config: PolicyGradientConfig,
    *,
    outcomes: np.ndarray | None = None,
    lengths: Sequence[int] | None = None,
    kl: np.ndarray | None = None,
) -> np.ndarray:
    """The advantage of each sample, float64 (B,).

    Args:
        rewards: (B,), shaped or not; NaN where unscored.
        groups: (B,) ids.
        config: which estimator.
        outcomes: (B,) raw outcome rewards, on which a group is found degenerate; default: `rewards`.
        lengths: (B,) action tokens per sample, which `whitened` weighs samples by (it whitens over tokens).
        kl: (B,) `kl_in_reward` of each sample, where the KL penalty is part of the reward. It is no outcome:
            it acts in degenerate groups too, whose advantages are exactly 0 without it.
    """
    rewards = _checked(rewards, groups)
    outcomes = rewards if outcomes is None else _checked(outcomes, groups)
    rewards = np.where(np.isnan(outcomes), np.nan, rewards)
    rows_by_group = rows_of(groups)
    if config.at_k is None:
        centred = _over_baseline(rewards, rows_by_group, config)
    else:
        centred = _best_of_k(rewards, rows_by_group, config.at_k)
    advantages = _scaled(centred, rewards, rows_by_group, config, lengths)
    for rows in rows_by_group.values():
        if is_degenerate(outcomes[rows]):
            advantages[rows] = 0.0
    if kl is not None:
        penalty = np.where(np.isnan(rewards), np.nan, -config.kl_coefficient * _checked(kl, groups))
        advantages += _over_baseline(penalty, rows_by_group, config)
    return np.where(np.isnan(rewards), 0.0, advantages)


def _over_baseline(
    rewards: np.ndarray, rows_by_group: dict[Hashable, list[int]], config: PolicyGradientConfig
) -> np.ndarray:
    """R - mean_g R, for `leave_one_out` R_i - mean_{j != i} R_j; 0 where fewer than two are scored.

    A KL penalty is of single samples, so beside `max_at_k` too it leaves one out.
    """
    unbiased = config.advantage in ("leave_one_out", "max_at_k")
    centred = np.where(np.isnan(rewards), np.nan, 0.0)
    for rows in rows_by_group.values():
        scored = known(rewards[rows])
        if len(scored) < 2:
            continue
        factor = len(scored) / (len(scored) - 1) if unbiased else 1.0
        centred[rows] = factor * (rewards[rows] - mean(scored))
    return centred


def _best_of_k(rewards: np.ndarray, rows_by_group: dict[Hashable, list[int]], k: int) -> np.ndarray:
    """Gain of the best of k of its group by each sample."""
    advantages = np.zeros_like(rewards)
    for rows in rows_by_group.values():
        advantages[rows] = best_of_k_advantages(rewards[rows], k)
    return advantages


def _scaled(
    centred: np.ndarray,
    rewards: np.ndarray,
    rows_by_group: dict[Hashable, list[int]],
    config: PolicyGradientConfig,
    lengths: Sequence[int] | None,
) -> np.ndarray:
    """Centred rewards, or what stands for them, divided by the spread the estimator names, if it names one."""
    match config.advantage:
        case "centred" | "leave_one_out" | "max_at_k":
            return centred
        case "group_std":
            spread = np.ones_like(centred)
            for rows in rows_by_group.values():
                spread[rows] = std(known(rewards[rows])) + config.std_epsilon
            return centred / spread
        case "batch_std":
            return centred / (std(known(rewards)) + config.std_epsilon)
        case "whitened":
            if lengths is None:
                raise ConfigError(
                    "advantage=whitened whitens over action tokens: give the lengths of the samples"
                )
            return _whitened(centred, lengths, config.std_epsilon)


def _whitened(values: np.ndarray, lengths: Sequence[int], epsilon: float) -> np.ndarray:
    """(values - mean) / (std + epsilon), statistics (ddof 0) over tokens: value i counts lengths[i] times.

    Every scored sample counts, those of degenerate groups with the value 0 included.
    """
    pairs = [(float(v), int(n)) for v, n in zip(values, lengths, strict=True) if not math.isnan(v)]
    tokens = sum(n for _, n in pairs)
    if tokens == 0:
        return values
    mean = math.fsum(v * n for v, n in pairs) / tokens
    variance = math.fsum(n * (v - mean) ** 2 for v, n in pairs) / tokens
    return (values - mean) / (math.sqrt(variance) + epsilon)


def _checked(values: np.ndarray, groups: Sequence[Hashable]) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(groups),):
        raise ConfigError(
            f"one value per sample is needed: {len(groups)} samples, values of shape {values.shape}"
        )
    return values
