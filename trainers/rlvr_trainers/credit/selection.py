"""The choice of the samples that are worth imitating: the best few of each prompt's, each said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rlvr_gym.rollouts import Rollout
from rlvr_gym.seeding import derive_seed

Tie = Literal["random", "shortest"]


def best_of_each_prompt(
    rollouts: Sequence[Rollout], *, keep: int, least_score: float, among_equals: Tie, seed: int
) -> list[bool]:
    """Return (B,) which samples are chosen: of each prompt at most `keep` that say different things.

    A sample may be chosen if it is judged with at least `least_score` and not cut off. The ones that earned most come
    first; among equals the shortest, or any. What is any depends on `seed` and on what was said, not on the order of
    the samples. A prompt is one, under however many task ids it stands.
    """
    prompts: dict[object, dict[object, int]] = {}

    def order(row: int) -> tuple[float, int, int]:
        rollout = rollouts[row]
        assert rollout.reward is not None
        length = rollout.length if among_equals == "shortest" else 0
        said = [f"{message.role}: {message.content}" for message in rollout.messages]
        return -rollout.reward, length, derive_seed(seed, "tie", rollout.task.text, *said, *rollout.token_ids)

    eligible = [row for row, rollout in enumerate(rollouts) if _may_be_chosen(rollout, least_score)]
    for row in sorted(eligible, key=order):
        chosen = prompts.setdefault(rollouts[row].task.prompt, {})
        if len(chosen) < keep:
            chosen.setdefault(_said(rollouts[row]), row)
    rows = {row for chosen in prompts.values() for row in chosen.values()}
    return [row in rows for row in range(len(rollouts))]


def _may_be_chosen(rollout: Rollout, least_score: float) -> bool:
    score = rollout.verdict.score
    return score is not None and score >= least_score and not rollout.truncated and any(rollout.action_mask)


def _said(rollout: Rollout) -> object:
    """All turns, but for white space around them: two samples that have these in common say the same."""
    return tuple((message.role, message.content.strip()) for message in rollout.messages)
