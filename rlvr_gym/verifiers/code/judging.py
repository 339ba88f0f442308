"""Judge programs: run a problem's tests in the sandbox, and its checker where many outputs are right."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rlvr_gym.tasks import Task
from rlvr_gym.verifiers.code.problems import Problem, Stdio, StdioCase
from rlvr_gym.verifiers.code.running import Unjudgeable, run

if TYPE_CHECKING:
    from rlvr_sandbox import Limits, Result
    from rlvr_sandbox.programs import StdioTests

_SHOWN = 2000


def judged(
    problem: Problem,
    source: str,
    *,
    public_only: bool = False,
    stop_at_first_failure: bool = True,
    limits: Limits | None = None,
) -> Result:
    """Run the problem's tests, or only its public ones, on a whole program; `limits` replace the problem's own.

    Raises VerifierFault when nothing can be judged, DataError when packed tests cannot be read.
    """
    program = problem.program(source, public_only=public_only, stop_at_first_failure=stop_at_first_failure)
    if limits is not None:
        program = dataclasses.replace(program, limits=limits)
    if not (isinstance(problem.tests, Stdio) and problem.tests.checker):
        return run(program)
    tests = problem.tests.for_sandbox(problem.public if public_only else None)
    outputs: list[str] = []

    def keep(given: str, wanted: str, output: str) -> bool:
        outputs.append(output)
        return True

    result = run(dataclasses.replace(program, tests=dataclasses.replace(tests, checker=keep)))
    return _checked(problem.tests.checker, _cases(tests), outputs, result)


def _cases(tests: StdioTests) -> list[StdioCase]:
    return [StdioCase(input=test.input, output=test.expected) for test in tests.tests]


_slowest: dict[str, float | str] = {}
"""By task: the CPU time of its own solution's slowest test on this machine, or why it does not pass."""
_ROOM = 10
"""For a solution whose own limits are yet to be found: so many times the stated ones."""


def scaled_limits(task: Task, problem: Problem, solution: str) -> Limits:
    """The problem's limits with CPU time by what `solution`, a whole program, takes on this machine.

    It is run once a process. Raises Unjudgeable where it does not pass.
    """
    stated = problem.program("").limits
    key = task.content_hash
    if key not in _slowest:
        roomy = dataclasses.replace(
            stated, cpu_seconds=_ROOM * stated.cpu_seconds, wall_seconds=_ROOM * stated.wall_seconds
        )
        result = judged(problem, solution, limits=roomy)
        passes = result.passed == result.total
        _slowest[key] = result.slowest_cpu_seconds if passes else result.reason
    slowest = _slowest[key]
    if isinstance(slowest, str):
        raise Unjudgeable(f"task '{task.id}': its own solution does not pass: {slowest}")
    return stated.scaled_to(slowest)


def refused_gold(tests: Stdio) -> str | None:
    """Return why the checker of `tests` is broken: it refuses an expected output. None if it accepts all of them."""
    stated = [case for case in _cases(tests.for_sandbox()) if case.output.strip()]
    if not stated:
        return None
    said = _asked(tests.checker, [(case, case.output) for case in stated])
    reasons = [f"of {case.input[:100]!r}: {why}" for case, why in zip(stated, said, strict=True) if why]
    return f"the checker refuses the expected output {reasons[0]}" if reasons else None


def _checked(checker: str, cases: list[StdioCase], outputs: list[str], result: Result) -> Result:
    """The result, with those of its tests failed whose outputs the checker refuses.

    `outputs` may begin with those of a run that was lost and repeated: the last ones count.
    """
    from rlvr_sandbox.results import Failure, ProgramOutcome

    ended = [index for index, test in enumerate(result.tests) if test.outcome is ProgramOutcome.PASSED]
    if not ended:
        return result
    outputs = outputs[-len(ended) :]
    said = _asked(checker, [(cases[index], output) for index, output in zip(ended, outputs, strict=True)])
    refused = {index: (why, output) for index, why, output in zip(ended, said, outputs, strict=True) if why}
    if not refused:
        return result
    tests = tuple(
        dataclasses.replace(test, outcome=ProgramOutcome.FAILED, reason=refused[index][0])
        if index in refused
        else test
        for index, test in enumerate(result.tests)
    )
    first = next(index for index, test in enumerate(tests) if test.outcome is not ProgramOutcome.PASSED)
    failure = result.first_failure
    if first in refused:
        shown = (cases[first].input, cases[first].output, refused[first][1])
        given, expected, got = (text[:_SHOWN] for text in shown)
        failure = Failure(index=first, input=given, expected=expected, got=got)
    return dataclasses.replace(
        result, outcome=tests[first].outcome, reason=tests[first].reason, tests=tests, first_failure=failure
    )


def _asked(checker: str, questions: list[tuple[StdioCase, str]]) -> list[str]:
    """Return the reason why the checker refuses each output, "" if it accepts it.

    A checker that raises or takes too long refuses: otherwise a program could escape judgement by what it prints.
    Raises Unjudgeable if it is not a checker at all.
    """
    from rlvr_sandbox.programs import CallTest, CallTests, Program
    from rlvr_sandbox.results import ProgramOutcome

    tests = tuple(
        CallTest(arguments=(case.input, output, case.output), expected=True) for case, output in questions
    )
    program = Program(
        source=checker, tests=CallTests(function="check", tests=tests), stop_at_first_failure=False
    )
    result = run(program)
    if result.outcome is ProgramOutcome.INVALID:
        raise Unjudgeable(f"the checker is none: {result.reason}")
    return [
        "" if test.outcome is ProgramOutcome.PASSED else _why(test.outcome.value, test.reason)
        for test in result.tests
    ]


def _why(outcome: str, reason: str) -> str:
    return "the checker refuses it" if outcome == "failed" else f"the checker refuses it: {outcome}, {reason}"
