"""Pairs of samples, of which one is preferred to the other."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr_gym.rollouts import Rollout
from rlvr_gym.seeding import derive_seed

Pair = tuple[int, int]
"""Rows of the preferred sample and of the other."""


def pairs_by_verdict(
    rollouts: Sequence[Rollout], groups: Sequence[int], *, most: int, seed: int
) -> list[Pair]:
    """Pair the samples of each group: the best with the worst, the next with the next, while the one earned more.

    A group has at most `most` pairs, and a sample is in one at most. Which of equals comes first depends on `seed` and
    on what was sampled, not on the order of the samples. Unscored samples and empty ones are left out; one that was cut
    off may lose, and is never preferred.
    """
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        if rollouts[row].verdict.scored and any(rollouts[row].action_mask):
            members.setdefault(group, []).append(row)
    pairs: list[Pair] = []
    for rows in members.values():
        ordered = sorted(rows, key=lambda row: (_earned(rollouts[row]), _tie(rollouts[row], seed)))
        preferable = [row for row in reversed(ordered) if not rollouts[row].truncated]
        pairs += _paired(preferable, ordered, rollouts, most)
    return pairs


def _paired(best: Sequence[int], worst: Sequence[int], rollouts: Sequence[Rollout], most: int) -> list[Pair]:
    """The first of the one with the first of the other, and so on, while that earned more."""
    both = list(zip(best, worst, strict=False))[:most]
    return [(good, bad) for good, bad in both if _earned(rollouts[good]) > _earned(rollouts[bad])]


def _earned(rollout: Rollout) -> float:
    assert rollout.reward is not None
    return rollout.reward


def _tie(rollout: Rollout, seed: int) -> int:
    said = [f"{message.role}: {message.content}" for message in rollout.messages]
    return derive_seed(seed, "pair", rollout.task.text, *said, *rollout.token_ids)
