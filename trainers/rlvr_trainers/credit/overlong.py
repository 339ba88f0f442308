"""Rewards for length, added to the outcome reward after the degenerate test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.rollouts import Rollout
from rlvr_trainers.settings import OverlongConfig


def overlong_penalty(length: int, *, max_tokens: int, cache: int) -> float:
    """DAPO's soft overlong punishment (eq. 13), in [-1, 0].

    0 up to `max_tokens - cache` tokens, then linear down to -1 at `max_tokens`, and -1 beyond.
    """
    if not 0 < cache <= max_tokens:
        raise ConfigError(
            f"the overlong cache must lie between 1 and max_tokens={max_tokens}, not be {cache}"
        )
    free = max_tokens - cache
    if length <= free:
        return 0.0
    return (free - length) / cache if length <= max_tokens else -1.0


def with_overlong_penalty(
    rewards: np.ndarray, lengths: Sequence[int], *, max_tokens: int, cache: int
) -> np.ndarray:
    """`rewards` (B,) plus each completion's overlong penalty, float64; NaN (unscored) stays NaN."""
    penalties = [overlong_penalty(length, max_tokens=max_tokens, cache=cache) for length in lengths]
    return np.asarray(rewards, dtype=np.float64) + np.array(penalties)


def shaped(
    outcomes: np.ndarray, rollouts: Sequence[Rollout], overlong: OverlongConfig, *, max_tokens: int
) -> np.ndarray:
    """Outcome rewards (B,) with the overlong penalty of each sample, where `overlong` asks for one."""
    cache = overlong.cache_tokens(max_tokens)
    if cache is None:
        return outcomes
    lengths = [rollout.length for rollout in rollouts]
    return with_overlong_penalty(outcomes, lengths, max_tokens=max_tokens, cache=cache)
