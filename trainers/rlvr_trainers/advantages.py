"""From rewards to advantages, in float64.

Samples belong together by group id, in any order. NaN marks a reward that is not known (unscored): such a
sample is left out of every statistic and gets advantage 0. Sums are exactly rounded (`math.fsum`), so that
permuting samples or groups permutes the advantages and changes none of them by a bit.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_trainers.algorithm import AlgorithmConfig

EQUAL_WITHIN = 1e-6
"""Outcomes closer than this are the same outcome."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupStatistics:
    """What one group's rewards say. `mean` and `std` (ddof 1) are NaN where too few samples are scored."""

    size: int
    scored: int
    mean: float
    std: float
    degenerate: bool


def is_degenerate(outcomes: np.ndarray | Sequence[float]) -> bool:
    """Whether one group's raw outcome rewards (G,) teach nothing.

    They do when they are all equal, or when fewer than two are known. The spread is compared, never the
    standard deviation: that of eight float32 rewards of 0.3 is not zero.
    """
    known = _known(outcomes)
    return len(known) < 2 or max(known) - min(known) <= EQUAL_WITHIN


def group_statistics(rewards: np.ndarray, groups: Sequence[Hashable]) -> dict[Hashable, GroupStatistics]:
    """Statistics of each group's rewards (B,), by group id, in the order of first appearance."""
    rewards = _checked(rewards, groups)
    statistics = {}
    for group, rows in _rows_of(groups).items():
        known = _known(rewards[rows])
        statistics[group] = GroupStatistics(
            size=len(rows),
            scored=len(known),
            mean=_mean(known),
            std=_std(known),
            degenerate=is_degenerate(known),
        )
    return statistics


def outcome_advantages(
    rewards: np.ndarray,
    groups: Sequence[Hashable],
    config: AlgorithmConfig,
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
    rows_of = _rows_of(groups)
    centred = _over_baseline(rewards, rows_of, config)
    advantages = _scaled(centred, rewards, rows_of, config, lengths)
    for rows in rows_of.values():
        if is_degenerate(outcomes[rows]):
            advantages[rows] = 0.0
    if kl is not None:
        penalty = np.where(np.isnan(rewards), np.nan, -config.kl_coefficient * _checked(kl, groups))
        advantages += _over_baseline(penalty, rows_of, config)
    return np.where(np.isnan(rewards), 0.0, advantages)


def step_advantages(
    step_rewards: Sequence[Sequence[float]],
    step_ends: Sequence[Sequence[int]],
    groups: Sequence[Hashable],
    mask_BT: np.ndarray,
    config: AlgorithmConfig,
) -> np.ndarray:
    """Per-token advantages of process rewards (DeepSeekMath, process supervision), float64 (B, T).

    `step_rewards[i]` are the rewards of sample i's steps and `step_ends[i]` the token each step ends at. A
    token's advantage is the sum of the normalised rewards of the steps that end at or after it, where a
    group's rewards are normalised over all steps of all its samples. An empty list or a NaN leaves the
    sample out.
    """
    if config.advantage not in ("group_std", "centred"):
        raise ConfigError(
            f"process rewards are normalised within the group: advantage={config.advantage} must be "
            "group_std or centred"
        )
    for i, (rewards, ends) in enumerate(zip(step_rewards, step_ends, strict=True)):
        if len(rewards) != len(ends):
            raise ConfigError(f"sample {i} has {len(rewards)} step rewards and {len(ends)} step ends")
    mask_BT = np.asarray(mask_BT, dtype=bool)
    advantages_BT = np.zeros(mask_BT.shape)
    scored = [len(rewards) > 0 and not np.isnan(rewards).any() for rewards in step_rewards]
    for rows in _rows_of(groups).values():
        rows = [i for i in rows if scored[i]]
        known = [float(reward) for i in rows for reward in step_rewards[i]]
        if len(rows) < 2 or is_degenerate(known):
            continue
        mean = _mean(known)
        scale = _std(known) + config.std_epsilon if config.advantage == "group_std" else 1.0
        for i in rows:
            for reward, end in zip(step_rewards[i], step_ends[i], strict=True):
                advantages_BT[i, : end + 1] += (reward - mean) / scale
    return np.where(mask_BT, advantages_BT, 0.0)


def broadcast(advantages_B: np.ndarray, mask_BT: np.ndarray) -> np.ndarray:
    """Each sample's advantage on each of its action tokens, float64 (B, T), 0 elsewhere."""
    return np.where(np.asarray(mask_BT, dtype=bool), np.asarray(advantages_B, dtype=np.float64)[:, None], 0.0)


def _over_baseline(
    rewards: np.ndarray, rows_of: dict[Hashable, list[int]], config: AlgorithmConfig
) -> np.ndarray:
    """R - mean_g R, for `leave_one_out` R_i - mean_{j != i} R_j; 0 where fewer than two are scored."""
    centred = np.where(np.isnan(rewards), np.nan, 0.0)
    for rows in rows_of.values():
        known = _known(rewards[rows])
        if len(known) < 2:
            continue
        factor = len(known) / (len(known) - 1) if config.advantage == "leave_one_out" else 1.0
        centred[rows] = factor * (rewards[rows] - _mean(known))
    return centred


def _scaled(
    centred: np.ndarray,
    rewards: np.ndarray,
    rows_of: dict[Hashable, list[int]],
    config: AlgorithmConfig,
    lengths: Sequence[int] | None,
) -> np.ndarray:
    """Centred rewards divided by the spread the estimator names, if it names one."""
    match config.advantage:
        case "centred" | "leave_one_out":
            return centred
        case "group_std":
            spread = np.ones_like(centred)
            for rows in rows_of.values():
                spread[rows] = _std(_known(rewards[rows])) + config.std_epsilon
            return centred / spread
        case "batch_std":
            return centred / (_std(_known(rewards)) + config.std_epsilon)
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


def _rows_of(groups: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    rows: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        rows.setdefault(group, []).append(i)
    if rows and max(map(len, rows.values())) < 2:
        raise ConfigError(
            "every group has one sample, which leaves nothing to compare it with: draw at least 2"
        )
    return rows


def _checked(values: np.ndarray, groups: Sequence[Hashable]) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(groups),):
        raise ConfigError(
            f"one value per sample is needed: {len(groups)} samples, values of shape {values.shape}"
        )
    return values


def _known(values: Iterable[float]) -> list[float]:
    return [float(value) for value in values if not math.isnan(value)]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _std(values: Sequence[float]) -> float:
    """With ddof 1; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
