"""Rewards per step: from the spans of a verdict's parts to the tokens that the steps end at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.rollouts import Rollout
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.answers import opened_thinking
from rlvr_trainers.credit.statistics import is_degenerate, mean, rows_of, std
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.settings import RewardConfig

Decode = Callable[[Sequence[int]], str]
"""The text of sampled ids, as the sampler gives it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepScores:
    """The score of each step of a rollout, in [0, 1], and the position in its `token_ids` where the step ends.

    Both are empty if nothing is known about the rollout.
    """

    scores: tuple[float, ...]
    ends: tuple[int, ...]


def step_scores(rollout: Rollout, decode: Decode) -> StepScores:
    """The steps that a rollout's verdict names, of its last turn; one for all of it where it names none.

    Steps are the parts of the verdict, however deep in it, that have a span.
    """
    if not rollout.verdict.scored or not rollout.length:
        return StepScores(scores=(), ends=())
    steps = sorted(_steps(rollout.verdict), key=lambda step: step[1])
    if not steps:
        return StepScores(scores=(rollout.verdict.score or 0.0,), ends=(len(rollout.token_ids) - 1,))
    ends = _token_ends(rollout, [end for _, end in steps], decode)
    return StepScores(scores=tuple(score for score, _ in steps), ends=tuple(ends))


def step_rewards(rollout: Rollout, decode: Decode, reward: RewardConfig) -> tuple[list[float], list[int]]:
    """The rewards of a rollout's turns and steps, and the position in its `token_ids` that each one ends at.

    The turns are those that the environment rewarded; a verdict's steps come after them, as in `step_scores`. A
    turn's reward is stretched as scores are, and not shifted: a turn without any stays without. Both are empty
    where nothing is known of the rollout.
    """
    steps = step_scores(rollout, decode)
    if not steps.scores:
        return [], []
    turns = [(reward.right - reward.wrong) * turn.reward for turn in rollout.turn_rewards]
    ends = [turn.end for turn in rollout.turn_rewards]
    return [*turns, *reward.of(np.array(steps.scores)).tolist()], [*ends, *steps.ends]


def _steps(verdict: Verdict) -> Iterator[tuple[float, int]]:
    """(score, where its text ends) of each part with a span."""
    for part in verdict.parts.values():
        if part.span is not None:
            yield part.score or 0.0, part.span[1]
        else:
            yield from _steps(part)


def _token_ends(rollout: Rollout, ends: Sequence[int], decode: Decode) -> list[int]:
    """For each end in the last turn's text, the token that completes the text up to there.

    A step that only white space follows ends with the turn, the end-of-sequence token included. The ids are
    decoded and never encoded again, so that what is trained on stays as it was sampled.
    """
    length = sum(1 for _ in takewhile(bool, reversed(rollout.action_mask)))
    first = len(rollout.token_ids) - length
    turn, text = rollout.token_ids[first:], rollout.text
    # A thinking that the prompt opened stands before what was sampled.
    opened = text.removesuffix(decode(turn))
    opened = opened if opened_thinking(opened) else ""

    def complete(end: int) -> Callable[[int], bool]:
        return lambda count: (opened + decode(turn[:count]))[:end] == text[:end]

    found: list[int] = []
    for end in ends:
        if not text[end:].strip():
            found.append(len(rollout.token_ids) - 1)
            continue
        count = bisect_left(range(1, length + 1), True, key=complete(end)) + 1
        if count > length:
            raise TrainingError(
                f"task {rollout.task.id}: the sampled tokens do not decode to the text that was judged, so its steps "
                "have no place among them: reward.steps=off trains without them"
            )
        found.append(first + count - 1)
    return found


def step_advantages(
    step_rewards: Sequence[Sequence[float]],
    step_ends: Sequence[Sequence[int]],
    groups: Sequence[Hashable],
    mask_BT: np.ndarray,
    config: PolicyGradientConfig,
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
    for rows in rows_of(groups).values():
        rows = [i for i in rows if scored[i]]
        every = [float(reward) for i in rows for reward in step_rewards[i]]
        if len(rows) < 2 or is_degenerate(every):
            continue
        centre = mean(every)
        scale = std(every) + config.std_epsilon if config.advantage == "group_std" else 1.0
        for i in rows:
            for reward, end in zip(step_rewards[i], step_ends[i], strict=True):
                advantages_BT[i, : end + 1] += (reward - centre) / scale
    return np.where(mask_BT, advantages_BT, 0.0)
