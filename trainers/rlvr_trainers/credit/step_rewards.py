"""Rewards per step: from the spans of a verdict's parts to the tokens that the steps end at."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.play.steps import token_ends
from rlvr_gym.rollouts import Rollout
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
    steps = rollout.verdict.steps
    if not steps:
        return StepScores(scores=(rollout.verdict.score or 0.0,), ends=(len(rollout.token_ids) - 1,))
    ends = token_ends(rollout, [step.span[1] for step in steps if step.span], decode)
    return StepScores(scores=tuple(step.score or 0.0 for step in steps), ends=tuple(ends))


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
