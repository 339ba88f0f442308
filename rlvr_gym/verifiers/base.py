"""The verifier contract, and the one boundary that tells a verifier's own failures from wrong answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import ClassVar, final

import numpy as np

from rlvr_gym.errors import VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict


class Verifier(ABC):
    """Judges one completion of one task.

    Deterministic and free of side effects: the same task and completion get an equal verdict in every
    process, thread and order. Text that the model wrote is parsed, never evaluated. Implementations raise
    `VerifierFault` when they cannot judge; they never turn a failure of their own into a wrong answer.
    They may be called from several threads at once.
    """

    open_ended: ClassVar[bool] = False
    """True when many answers are right (constraints, schemas, patterns): one unlike the solution may be right too."""

    @property
    def timeout_seconds(self) -> float:
        """Time to wait for a verdict before giving up on it, which leaves the sample unscored.

        Longer for a verifier that bounds its own work, so that a slow answer is judged and never dropped.
        """
        return 60.0

    @abstractmethod
    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Say what is true of `completion`."""

    def solution(self, task: Task) -> str | None:
        """A completion of `task` that earns full marks, None where the verifier does not know one.

        Warm-up stages learn from it, and the conformance test holds the verifier to it.
        """
        return None

    def check(self, task: Task) -> None:
        """Raise VerifierFault or DataError where no completion of `task` could be judged, or its gold is not right.

        Stored task sets ask this of every row, so that an unusable reference is named with its task and line
        when the tasks are loaded. Unless overridden: `solution` does not raise and earns full marks. It has to be
        cheap: a verifier that runs programs overrides it, and answers `unjudgeable` instead.
        """
        solution = self.solution(task)
        if solution is None:
            return
        verdict = self.verify(task, Completion(text=solution))
        if not verdict.correct:
            raise VerifierFault(
                f"task '{task.id}': its own gold answer, {solution[:200]!r}, is {verdict.outcome}: {verdict.detail}"
            )

    def unjudgeable(self, tasks: Sequence[Task]) -> Mapping[str, str]:
        """Tasks, by id, that pass `check` and for which no verdict could be trusted all the same, each with the reason.

        Stored task sets ask this once, of all their tasks together, leave those tasks out, and name them in a warning.
        """
        return {}


@final
class FunctionVerifier(Verifier):
    """A plain function as a verifier: it returns a Verdict, a bool for right and wrong, or a score from 0 to 1.

    A score of 1 is right, any other is wrong with that much credit. Whatever else the function returns is a fault of
    its own and leaves the sample unscored: scores out of range, NaN, text, None, lists, dicts.
    """

    def __init__(self, function: Callable[[Task, Completion], Verdict | bool | float]) -> None:
        self.function = function

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Call the function. Raises VerifierFault where it returns what is no verdict."""
        said: object = self.function(task, completion)
        match said:
            case Verdict():
                return said
            case bool() | np.bool_():
                return Verdict.right() if said else Verdict.wrong()
            case Real() if 0 <= (score := float(said)) <= 1:
                return Verdict.right() if score == 1 else Verdict.wrong(score=score)
            case _:
                raise VerifierFault(
                    f"the function returned {_shown(said)}, a {type(said).__name__}; possible: a bool, a number "
                    "from 0 to 1, a Verdict"
                )


def _shown(said: object) -> str:
    text = repr(said)
    return text if len(text) <= 100 else f"{text[:100]}..."


def judge(verifier: Verifier, task: Task, completion: Completion) -> Verdict:
    """`verifier.verify`, with whatever it raises turned into an `unscored` verdict that names the cause.

    A completion that the sampler failed to give is unscored as well. The one place where a failing verifier is
    classified: a crash is never a wrong answer, and never ends the run of everybody else.
    """
    if completion.failed:
        return Verdict.unscored(completion.fault or "the sampler failed and did not say why")
    try:
        verdict = verifier.verify(task, completion)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - third-party verifiers may raise anything
        return Verdict.unscored(f"{type(verifier).__name__} failed: {type(error).__name__}: {error}")
    if not isinstance(verdict, Verdict):
        return Verdict.unscored(
            f"{type(verifier).__name__} returned {type(verdict).__name__} where a Verdict is expected"
        )
    return verdict
