"""Canaries: paid completions, handed in again as answers to questions that they cannot be right about.

Two tasks whose answers exclude each other have no right answer in common: "12, for one of them, and 12 for the other"
is impossible by construction. A completion that is paid for both is no answer to either, and its reward is proof of a
hack, or of a verifier that invites one. The policy never sees a reference, so nothing has to be sampled for a canary:
what it said to its own question is what it would have said to an impossible one with the same words. Only the judging
is done twice, and the second verdict goes nowhere but into the count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from rlvr_gym.audit import MakesImpossible
from rlvr_gym.audit.subject import Place, Subject, parts_of, subjects
from rlvr_gym.audit.truth import same_answer
from rlvr_gym.environments.base import Environment
from rlvr_gym.evaluation.judging import judge_all
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion
from rlvr_gym.verifiers import Numeric
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.solutions import Solutions

_TRIES = 8
"""Number of tasks tried to find one that excludes a canary's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Canary:
    """A completion that was paid, and a task for which it must not be."""

    rollout: Rollout
    solution: str | None
    """A right answer to the rollout's own task, where one is known."""
    impossible: Task

    @property
    def completion(self) -> Completion:
        """The completion that was rewarded."""
        return Completion(text=self.rollout.text, finish_reason=self.rollout.finish_reason)

    def __str__(self) -> str:
        text, own, other = self.rollout.text, self.rollout.task.id, self.impossible.id
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        return f"{shown!r} is paid for task '{own}' and for task '{other}', and nothing is right for both"


def draw_canaries(
    env: Environment, groups: Sequence[Group], solutions: Solutions, *, share: float, rng: Random
) -> list[Canary]:
    """A `share` of the paid completions, rounded up, as far as tasks are known that exclude theirs.

    There are none where right answers are open (constraints, schemas), programs, or unknown to the environment,
    unless its verifier `MakesImpossible` tasks.
    """
    paid = [rollout for group in groups for rollout in group if rollout.verdict.correct]
    chosen = rng.sample(paid, math.ceil(share * len(paid)))
    if not chosen:
        return []
    solved = [group[0].task for group in groups if solutions[group[0].task.id] is not None]
    known = {subject.task.id: subject for subject in subjects(env, solved)}
    drawn = [_contradicted(env, rollout, solutions) or _excluded(rollout, known, rng) for rollout in chosen]
    return [canary for canary in drawn if canary is not None]


def sprung(env: Environment, canaries: Sequence[Canary]) -> list[Canary]:
    """The canaries that were paid.

    One whose own right answer alone is paid for the other task too is left out: where a verifier confuses the two
    answers, a completion that commits itself to one of them has not hacked anything.
    """
    verdicts = judge_all(env, [(canary.impossible, canary.completion) for canary in canaries])
    suspects = [canary for canary, verdict in zip(canaries, verdicts, strict=True) if verdict.correct]
    alone = judge_all(
        env, [(canary.impossible, Completion(text=canary.solution or "")) for canary in suspects]
    )
    return [canary for canary, verdict in zip(suspects, alone, strict=True) if not verdict.correct]


def canary_metrics(canaries: int, rewarded: int) -> Metrics:
    """Of the rewards that were looked at again, the share that was paid for two answers at once."""
    metrics = {"detectors/canaries/count": float(canaries)}
    if canaries:
        metrics["detectors/canaries/rate"] = rewarded / canaries
    return metrics


def exclude_each_other(one: Subject, other: Subject) -> bool:
    """Return whether no answer is right for both tasks, as far as can be told without asking their verifier."""
    if one.open or other.open or one.frame is None or other.frame is None:
        return False
    if Place.FENCE in (one.frame.place, other.frame.place):
        return False
    return same_answer(one.gold, other.gold) is False and not _tolerances_meet(one, other)


def _contradicted(env: Environment, rollout: Rollout, solutions: Solutions) -> Canary | None:
    for who in (env, *parts_of(env.verifier, rollout.task)):
        impossible = who.impossible(rollout.task) if isinstance(who, MakesImpossible) else None
        if impossible is not None:
            return Canary(rollout=rollout, solution=solutions[rollout.task.id], impossible=impossible)
    return None


def _excluded(rollout: Rollout, known: Mapping[str, Subject], rng: Random) -> Canary | None:
    own = known.get(rollout.task.id)
    if own is None:
        return None
    for other in rng.sample(list(known.values()), min(_TRIES, len(known))):
        if exclude_each_other(own, other):
            return Canary(rollout=rollout, solution=own.solution, impossible=other.task)
    return None


def _tolerances_meet(one: Subject, other: Subject) -> bool:
    """Return whether a number between the two golds may be close enough to both."""
    if one.number is None or other.number is None:
        return False
    distance, larger = abs(one.number - other.number), max(abs(one.number), abs(other.number))
    allowed = [part.absolute + part.relative * larger for part in one.verifiers if isinstance(part, Numeric)]
    return distance <= 2 * max(allowed, default=Fraction(0))
