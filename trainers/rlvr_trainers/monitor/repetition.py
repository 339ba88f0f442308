"""Repetition: completions that say the same n-grams of tokens over and over."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.metrics import Metrics

N = 4


def repeated_share(token_ids: Sequence[int], n: int = N) -> float:
    """The share of n-grams that stand earlier in the same sequence already; 0 for one without n-grams."""
    count = len(token_ids) - n + 1
    if count < 1:
        return 0.0
    return 1 - len(set(zip(*(token_ids[i:] for i in range(n)), strict=False))) / count


def repeated(rollout: Rollout) -> float:
    """The share of the n-grams that the policy sampled in a rollout that it had sampled before."""
    return repeated_share(list(compress(rollout.token_ids, rollout.action_mask)))


def is_repetitive(share: float) -> bool:
    """True where more than half of a completion is what it has said already."""
    return share > 0.5


def repetition_metrics(groups: Sequence[Group]) -> Metrics:
    """The mean share of repeated 4-grams, and the share of completions of which they are more than half."""
    shares = [repeated(rollout) for group in groups for rollout in group]
    if not shares:
        return {}
    return {
        "detectors/repetition/mean": sum(shares) / len(shares),
        "detectors/repetition/share": sum(map(is_repetitive, shares)) / len(shares),
    }
