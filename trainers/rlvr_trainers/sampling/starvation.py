"""Dynamic sampling that finds too little: why, what helps, and when it is a success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import final

import numpy as np

from rlvr_gym.errors import TooManyUnscored, TrainingError
from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.credit.outcomes import degenerate, outcome_scores
from rlvr_trainers.credit.statistics import EQUAL_WITHIN

SOLVED_GROUPS, SOLVED_SAMPLES = 0.9, 0.95
"""The shares of groups that are all right, and of samples that are right, from which a starved step is a success."""


@final
class Solved(TrainingError):
    """Dynamic sampling starves because nearly all is right: the policy has learned what there is to learn."""

    def __init__(self, message: str, *, prompts: int, all_right: float, pass_rate: float) -> None:
        super().__init__(message)
        self.figures = (
            f"of {prompts:,} prompts, {all_right:.2%} were answered right by all of their samples, and {pass_rate:.2%} "
            "of all samples are right"
        )
        """The findings, in a sentence for the user."""


def starved(groups: Sequence[Group], *, kept: int, wanted: int, rounds: int) -> TrainingError:
    """The error of a step that found `kept` of `wanted` informative groups; `Solved` where nearly all is right."""
    shares = _shares_of_causes(groups)
    message = (
        f"dynamic sampling found {kept} of {wanted} informative groups in {len(groups)} prompts "
        f"over {rounds} rounds: {_told(shares)}. Try {_advice(shares)}, a larger batch.group_size, or a "
        "higher dynamic_sampling.max_rounds; dynamic_sampling=null trains on whatever comes"
    )
    right = [r.verdict.correct for group in groups for r in group if r.verdict.scored]
    if shares[ALL_RIGHT] >= SOLVED_GROUPS and sum(right) >= SOLVED_SAMPLES * len(right):
        pass_rate = sum(right) / len(right)
        return Solved(message, prompts=len(groups), all_right=shares[ALL_RIGHT], pass_rate=pass_rate)
    return TrainingError(message)


ALL_RIGHT, ALL_WRONG, UNJUDGED = "all right", "all wrong", "with fewer than two judged samples"


def _shares_of_causes(groups: Sequence[Group]) -> dict[str, float]:
    """Name the causes that make groups degenerate, and the share of all groups that each has, the commonest first.

    The first two of the named causes are always there; others are partial scores, `all at 0.3`.
    """
    causes = Counter(_what_is_equal(group) for group in groups if degenerate(group))
    shares = {cause: times / len(groups) for cause, times in causes.most_common()}
    return {ALL_RIGHT: 0.0, ALL_WRONG: 0.0} | shares


def _what_is_equal(group: Group) -> str:
    scores = outcome_scores(group)
    known = scores[~np.isnan(scores)]
    if known.size < 2:
        return UNJUDGED
    if known.min() >= 1 - EQUAL_WITHIN:
        return ALL_RIGHT
    return ALL_WRONG if known.max() <= EQUAL_WITHIN else f"all at {known.min():.6g}"


def _told(shares: dict[str, float]) -> str:
    """All right, all wrong, the three commonest of the partial scores, the rest of these together, unjudged."""
    partial = [cause for cause in shares if cause.startswith("all at ")]
    parts = [f"{shares[cause]:.0%} {cause}" for cause in (ALL_WRONG, *partial[:3])]
    if partial[3:]:
        parts.append(f"{sum(shares[cause] for cause in partial[3:]):.0%} all at another score")
    if UNJUDGED in shares:
        parts.append(f"{shares[UNJUDGED]:.0%} {UNJUDGED}")
    return f"{shares[ALL_RIGHT]:.0%} of the groups were {ALL_RIGHT}, {', '.join(parts)}"


def _advice(shares: dict[str, float]) -> str:
    """Advise against the commonest kind of cause."""
    partial = sum(share for cause, share in shares.items() if cause.startswith("all at "))
    advice = {
        "harder tasks": shares[ALL_RIGHT],
        "easier tasks, a supervised warm-up": shares[ALL_WRONG],
        "a score that tells these equal answers apart, other tasks": partial,
        "a verifier that can judge these samples": shares.get(UNJUDGED, 0.0),
    }
    return max(advice, key=lambda what: advice[what])


def check_unscored(rollouts: Sequence[Rollout], limit: float) -> None:
    """Raise TooManyUnscored, naming the commonest cause, when more than `limit` of the samples are unscored."""
    causes = Counter(r.verdict.detail for r in rollouts if not r.verdict.scored)
    share = causes.total() / len(rollouts)
    if share > limit:
        cause, times = causes.most_common(1)[0]
        raise TooManyUnscored(
            f"{causes.total()} of {len(rollouts)} samples ({share:.0%}) could not be judged, more than "
            f"run.max_unscored={limit:g} allows; most often ({times}): {cause}"
        )
