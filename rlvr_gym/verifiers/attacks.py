"""Attacks on verifiers, and the protocols by which verifiers and environments describe themselves to the audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.base import Verifier


class Expectation(StrEnum):
    """The verdict that a sound verifier gives a completion. It must also judge in time and never crash."""

    PASS = "must pass"
    FAIL = "must fail"
    SURVIVE = "must not crash"
    """Any verdict will do."""
    NEVER_PASS = "must not pass"
    """Any verdict will do but full marks, and so will none: for tasks that nobody could judge."""

    def met_by(self, verdict: Verdict) -> bool:
        """True for a verdict that a sound verifier could have given."""
        match self:
            case Expectation.PASS:
                return verdict.correct
            case Expectation.FAIL:
                return verdict.scored and not verdict.correct
            case Expectation.SURVIVE:
                return verdict.scored
            case Expectation.NEVER_PASS:
                return not verdict.correct


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """One completion that is put to a verifier, and what should come of it.

    `tries` says in a line what is tried; attacks of one `family` are counted together. `task` takes the place of
    the audited task where the attack is on that.
    """

    family: str
    tries: str
    text: str
    expectation: Expectation
    task: Task | None = None


@runtime_checkable
class DeclaresAttacks(Protocol):
    """A verifier or an environment that knows attacks on itself, and other ways to write a right answer."""

    def audit_attacks(self, task: Task) -> Iterable[Attack]:
        """Further attacks on `task`. Must be deterministic."""
        ...


@runtime_checkable
class DecidesCompletions(Protocol):
    """A verifier or an environment that can tell right from wrong by another method than its `verify`.

    One whose answers are open (constraints that many texts satisfy) needs this, because the audit otherwise takes
    whatever differs from the solution for wrong.
    """

    def audit_decides(self, task: Task, text: str) -> bool | None:
        """Return whether the completion `text` is right. None means unknown; then it cannot serve as an attack."""
        ...


@runtime_checkable
class MakesImpossible(Protocol):
    """A verifier or an environment that can turn a task into one that no completion is right for.

    Training watches for completions that are paid for both. Where answers are single values nobody needs this:
    another task whose answer differs does as well.
    """

    def impossible(self, task: Task) -> Task | None:
        """The same question with a reference that contradicts itself; None where nobody knows one."""
        ...


@runtime_checkable
class MadeOfVerifiers(Protocol):
    """A verifier of one's own that asks others. Those that this library composes need not say so."""

    def audit_parts(self, task: Task) -> Sequence[Verifier]:
        """The verifiers that must all find a completion right before the whole does."""
        ...
