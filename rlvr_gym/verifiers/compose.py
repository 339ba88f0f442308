"""Verifiers made of verifiers. The verdicts of the parts are kept by name.

What all of them have in common: a part that raises is an unscored part, and an unscored part makes the
whole unscored, because nobody knows what it would have said. The whole is `correct` exactly when every part
that was asked is. Otherwise its outcome is `timeout` where the candidate overran its limits in any part,
`malformed` where a part could not read an answer and none of the others read one, else `incorrect`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import final

from rlvr_gym.errors import ConfigError
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome, Verdict
from rlvr_gym.verifiers.base import Verifier, judge


@final
class WeightedSum(Verifier):
    """The weighted mean of the parts' scores.

    Weights are positive and are divided by their sum, in exact fractions: full marks in every part is 1.0,
    and anything less stays below.

    Args:
        parts: name -> (verifier, weight).
    """

    def __init__(self, parts: Mapping[str, tuple[Verifier, float]]) -> None:
        self.verifiers = _named({name: verifier for name, (verifier, _) in parts.items()})
        self.weights: dict[str, Fraction] = {}
        for name, (_, weight) in parts.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ConfigError(f"the weight of '{name}' must be a positive number, not {weight}")
            self.weights[name] = Fraction(str(weight))

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Ask every part and weigh their scores."""
        parts = {name: judge(verifier, task, completion) for name, verifier in self.verifiers.items()}
        earned = sum(self.weights[name] * Fraction(part.score or 0) for name, part in parts.items())
        return _whole(parts, score=float(earned / sum(self.weights.values())))

    @property
    def timeout_seconds(self) -> float:
        """The time limits of all parts together."""
        return sum(part.timeout_seconds for part in self.verifiers.values())

    def solution(self, task: Task) -> str | None:
        """The first part's solution that satisfies all."""
        return _joint_solution(self, self.verifiers.values(), task)

    def check(self, task: Task) -> None:
        """Ask every part."""
        _check_all(self.verifiers.values(), task)

    def unjudgeable(self, tasks: Sequence[Task]) -> Mapping[str, str]:
        """Ask every part."""
        return _unjudgeable(self.verifiers.values(), tasks)


@final
class AllOf(Verifier):
    """Full marks when every part gives full marks, else nothing.

    Args:
        parts: name -> verifier.
    """

    def __init__(self, parts: Mapping[str, Verifier]) -> None:
        self.verifiers = _named(parts)

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Ask every part."""
        parts = {name: judge(verifier, task, completion) for name, verifier in self.verifiers.items()}
        return _whole(parts, score=0.0)

    @property
    def timeout_seconds(self) -> float:
        """The time limits of all parts together."""
        return sum(part.timeout_seconds for part in self.verifiers.values())

    def solution(self, task: Task) -> str | None:
        """The first part's solution that satisfies all."""
        return _joint_solution(self, self.verifiers.values(), task)

    def check(self, task: Task) -> None:
        """Ask every part."""
        _check_all(self.verifiers.values(), task)

    def unjudgeable(self, tasks: Sequence[Task]) -> Mapping[str, str]:
        """Ask every part."""
        return _unjudgeable(self.verifiers.values(), tasks)


@final
class GateThen(Verifier):
    """Ask `then` only if `gate` gives full marks; otherwise the score is 0.

    The parts are named `gate` and `then`. Partial credit comes from `then`, never from the gate.
    """

    def __init__(self, gate: Verifier, then: Verifier) -> None:
        self.gate, self.then = gate, then

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Ask the gate, and behind it the other."""
        gate = judge(self.gate, task, completion)
        if not gate.correct:
            return _whole({"gate": gate}, score=0.0)
        then = judge(self.then, task, completion)
        return _whole({"gate": gate, "then": then}, score=then.score or 0.0)

    @property
    def timeout_seconds(self) -> float:
        """The time limits of all parts together."""
        return sum(part.timeout_seconds for part in (self.gate, self.then))

    def solution(self, task: Task) -> str | None:
        """A solution of one that satisfies both."""
        return _joint_solution(self, (self.then, self.gate), task)

    def check(self, task: Task) -> None:
        """Ask both."""
        _check_all((self.gate, self.then), task)

    def unjudgeable(self, tasks: Sequence[Task]) -> Mapping[str, str]:
        """Ask both."""
        return _unjudgeable((self.gate, self.then), tasks)


def _check_all(parts: Iterable[Verifier], task: Task) -> None:
    for part in parts:
        part.check(task)


def _unjudgeable(parts: Iterable[Verifier], tasks: Sequence[Task]) -> dict[str, str]:
    return {id: reason for part in parts for id, reason in part.unjudgeable(tasks).items()}


def _named(parts: Mapping[str, Verifier]) -> dict[str, Verifier]:
    if not parts or not all(parts):
        raise ConfigError(f"a composed verifier needs at least one part, each with a name, not {list(parts)}")
    return dict(parts)


def _whole(parts: Mapping[str, Verdict], *, score: float) -> Verdict:
    """The verdict over all parts; `score` is what it is worth where not every part is correct."""
    outcome = _outcome(parts.values())
    match outcome:
        case Outcome.CORRECT:
            worth = 1.0
        case Outcome.UNSCORED:
            worth = None
        case _:
            worth = min(score, math.nextafter(1.0, 0.0))
    short = {name: part for name, part in parts.items() if not part.correct}
    return Verdict(
        outcome=outcome,
        score=worth,
        detail="; ".join(f"{name}: {part.detail or part.outcome}" for name, part in short.items()),
        answer=next((part.answer for part in parts.values() if part.answer is not None), None),
        parts=dict(parts),
    )


def _outcome(parts: Iterable[Verdict]) -> Outcome:
    parts = list(parts)
    outcomes = {part.outcome for part in parts}
    if Outcome.UNSCORED in outcomes:
        return Outcome.UNSCORED
    if outcomes == {Outcome.CORRECT}:
        return Outcome.CORRECT
    if Outcome.TIMEOUT in outcomes:
        return Outcome.TIMEOUT
    if Outcome.MALFORMED in outcomes and all(part.answer is None for part in parts):
        return Outcome.MALFORMED
    return Outcome.INCORRECT


def _joint_solution(whole: Verifier, parts: Iterable[Verifier], task: Task) -> str | None:
    for part in parts:
        solution = part.solution(task)
        if solution is not None and judge(whole, task, Completion(text=solution)).correct:
            return solution
    return None
