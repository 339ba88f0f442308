"""From what the supervisor reports to a verdict. Expected outputs never leave this side."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import signal
from dataclasses import dataclass
from typing import assert_never

from rlvr_sandbox.errors import BadTests
from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.sides.program import INVALID_STATUS
from rlvr_sandbox.judging.comparison import readable, same_output, same_value
from rlvr_sandbox.programs import AssertTests, CallTest, CallTests, Limits, Program, StdioTests
from rlvr_sandbox.results import CANNOT_JUDGE, CaseResult, Failure, ProgramOutcome, Result, Trust

SHOWN_CHARACTERS = 4000
_HALVES = re.compile("[\ud800-\udfff]")
_PRELOADED = re.compile(r"^[ \t]*(?:from|import)\b[^\n]*?\b(numpy)\b", re.MULTILINE)
"""Looks at each character of a line once: the program is read on this side, and may be written to take long."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution, as the supervisor reports it."""

    stopped: str
    status: int
    ended_by_itself: bool
    tests_status: int | None
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    stdout: bytes
    stderr: bytes
    answer: bytes


def request(program: Program, packages: frozenset[str]) -> tuple[Message, list[bytes]]:
    """The frame that asks the supervisor to run `program`: the header and the blobs.

    `packages` are those that the sandbox has; what is preloaded of them is what the program imports.
    """
    header = {
        "do": "run",
        "kind": _kind(program),
        "preload": sorted({*_PRELOADED.findall(program.source)} & packages),
        "limits": limits_for(program.limits),
    }
    return header, [program.source.encode("utf-8", "surrogatepass"), *_given(program)]


def limits_for(limits: Limits) -> Message:
    """The limits as the supervisor reads them."""
    return dataclasses.asdict(limits)


def _kind(program: Program) -> str:
    match program.tests:
        case StdioTests():
            return "stdio"
        case CallTests():
            return "call"
        case AssertTests(in_process=in_process):
            return "in_process" if in_process else "asserts"
        case _:
            assert_never(program.tests)


def _given(program: Program) -> list[bytes]:
    """Return the blob that each execution is given: an input, a call, or all asserts together."""
    tests = program.tests
    if isinstance(tests, StdioTests):
        return [test.input.encode("utf-8", "surrogateescape") for test in tests.tests]
    if isinstance(tests, CallTests):
        return [_call(tests.function, test) for test in tests.tests]
    return [json.dumps({"tests": tests.tests, "names": tests.names, "setup": tests.setup}).encode()]


def _call(function: str, test: CallTest) -> bytes:
    request = {"function": function, "arguments": test.arguments, "keywords": dict(test.keywords)}
    try:
        return json.dumps(request).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadTests(f"the arguments of {function} are no JSON values: {error}") from error


class Judging:
    """Collects what is reported of one program, execution by execution, into its result."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._tests: list[CaseResult] = []
        self._executions: list[Execution] = []
        self._first_failure: tuple[Failure, Execution] | None = None

    def take(self, execution: Execution) -> bool:
        """Judge one more execution. Whether the rest need not be run."""
        if self.decided:
            return True
        self._executions.append(execution)
        if isinstance(self._program.tests, AssertTests):
            self._take_asserts(self._program.tests, execution)
        else:
            self._take_one(execution)
        return self.decided

    @property
    def decided(self) -> bool:
        """True once a test has failed after which the others are to be left out."""
        return self._first_failure is not None and self._program.stop_at_first_failure

    def result(self, *, backend: str, trust: Trust, retries: int) -> Result:
        """The verdict on the program."""
        total = len(self._program.tests.tests)
        skipped = CaseResult(outcome=ProgramOutcome.SKIPPED, reason="an earlier test failed")
        tests = [*self._tests, *[skipped] * (total - len(self._tests))]
        worst = next((t for t in tests if t.outcome is ProgramOutcome.UNSCORED), None) or next(
            (t for t in tests if t.outcome is not ProgramOutcome.PASSED), tests[0]
        )
        shown = self._first_failure[1] if self._first_failure else self._executions[-1]
        in_process = isinstance(self._program.tests, AssertTests) and self._program.tests.in_process
        return Result(
            outcome=worst.outcome,
            reason=worst.reason,
            tests=tuple(tests),
            first_failure=self._first_failure[0] if self._first_failure else None,
            stdout=_tail(shown.stdout),
            stderr=_tail(shown.stderr),
            cpu_seconds=math.fsum(e.cpu_seconds for e in self._executions),
            wall_seconds=math.fsum(e.wall_seconds for e in self._executions),
            slowest_cpu_seconds=max(e.cpu_seconds for e in self._executions),
            peak_memory_bytes=max(e.memory_bytes for e in self._executions),
            backend=backend,
            trust=Trust.IN_PROCESS if in_process and trust is not Trust.UNSAFE else trust,
            retries=retries,
        )

    def _take_one(self, execution: Execution) -> None:
        index, tests = len(self._tests), self._program.tests
        outcome, reason = self._ending(execution)
        if isinstance(tests, StdioTests):
            test = tests.tests[index]
            got = execution.stdout.decode("utf-8", "surrogateescape")
            if outcome is ProgramOutcome.PASSED and not _right_output(tests, index, got):
                outcome, reason = ProgramOutcome.FAILED, "wrong output"
            case = (test.input, test.expected, got)
        else:
            assert isinstance(tests, CallTests)
            test = tests.tests[index]
            got = ""
            if outcome is ProgramOutcome.PASSED:
                outcome, reason, got = _right_value(tests, index, execution.answer)
            arguments = [
                *map(_shown, test.arguments),
                *(f"{k}={_shown(v)}" for k, v in test.keywords.items()),
            ]
            case = (f"{tests.function}({', '.join(arguments)})", _shown(test.expected), got)
        self._add(execution, outcome, reason, case)

    def _take_asserts(self, tests: AssertTests, execution: Execution) -> None:
        ending = self._ending(execution)
        said = _report(execution, len(tests.tests), in_process=tests.in_process)
        for index, source in enumerate(tests.tests):
            outcome, reason = ending
            got: Message = {}
            if said is not None:
                got = said[index]
                outcome, reason = _said(got, ending)
                if outcome is ProgramOutcome.UNSCORED and tests.in_process:
                    # Beside the program nobody knows who says so, and no program escapes judgement.
                    outcome = ProgramOutcome.FAILED
            elif outcome is ProgramOutcome.PASSED:
                outcome, reason = ProgramOutcome.CRASHED, "the tests ended without a verdict"
            case = (_text(got, "input"), source, _text(got, "got"))
            self._add(execution, outcome, reason, case)
            if self.decided:
                return

    def _ending(self, execution: Execution) -> tuple[ProgramOutcome, str]:
        """Say how the program's process ended; PASSED where nothing is wrong with that."""
        limits = self._program.limits
        stopped_by_us = not execution.ended_by_itself and not execution.stopped
        if execution.stopped == "wall":
            return ProgramOutcome.TIMEOUT, f"still running after {limits.wall_seconds:g} s"
        over_cpu = execution.cpu_seconds > limits.cpu_seconds
        if over_cpu or execution.stopped == "cpu" or execution.status == -signal.SIGXCPU:
            return ProgramOutcome.TIMEOUT, f"used more than {limits.cpu_seconds:g} s of CPU time"
        if execution.stopped == "output":
            return ProgramOutcome.OUTPUT, f"wrote more than {limits.output_bytes} bytes"
        mebibytes = limits.memory_bytes / (1 << 20)
        killed = execution.status == -signal.SIGKILL and not stopped_by_us
        if execution.stopped == "memory" or execution.memory_bytes > limits.memory_bytes or killed:
            return ProgramOutcome.MEMORY, f"used more than {mebibytes:g} MiB of memory"
        if execution.status == 0 or stopped_by_us:
            return ProgramOutcome.PASSED, ""
        last_line = execution.stderr.decode(errors="replace").strip().rpartition("\n")[2][:300]
        if execution.status == INVALID_STATUS:
            return ProgramOutcome.INVALID, f"not a Python program: {last_line}"
        if last_line.startswith("MemoryError"):
            return ProgramOutcome.MEMORY, f"used more than {mebibytes:g} MiB of memory"
        how = (
            f"died of {_signal_name(-execution.status)}"
            if execution.status < 0
            else f"exit status {execution.status}"
        )
        return ProgramOutcome.CRASHED, f"{how}{': ' if last_line else ''}{last_line}"

    def _add(
        self, execution: Execution, outcome: ProgramOutcome, reason: str, case: tuple[str, str, str]
    ) -> None:
        index = len(self._tests)
        self._tests.append(
            CaseResult(
                outcome=outcome,
                reason=_writable(_middle_cut(reason)),
                cpu_seconds=execution.cpu_seconds,
                wall_seconds=execution.wall_seconds,
            )
        )
        if outcome is not ProgramOutcome.PASSED and self._first_failure is None:
            given, expected, got = (_writable(_middle_cut(text)) for text in case)
            failure = Failure(index=index, input=given, expected=expected, got=got)
            self._first_failure = failure, execution


def _right_output(tests: StdioTests, index: int, got: str) -> bool:
    test = tests.tests[index]
    if tests.checker is not None:
        return tests.checker(test.input, test.expected, got)
    accepted = (test.expected, *test.alternatives)
    return any(same_output(expected, got, tests.comparison) for expected in accepted)


def _right_value(tests: CallTests, index: int, answer: bytes) -> tuple[ProgramOutcome, str, str]:
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and "missing" in said:
        return ProgramOutcome.INVALID, f"the program has no {tests.function}", ""
    if not isinstance(said, dict) or "value" not in said:
        return ProgramOutcome.CRASHED, "ended without returning a value", ""
    test = tests.tests[index]
    accepted = (test.expected, *test.alternatives)
    if any(same_value(expected, said["value"], tests.float_tolerance) for expected in accepted):
        return ProgramOutcome.PASSED, "", ""
    return ProgramOutcome.FAILED, "wrong value", readable(said["value"])


def _report(execution: Execution, count: int, *, in_process: bool) -> list[Message] | None:
    """The verdict of the tests' process, None unless it is whole and that process ended well."""
    if (execution.status if in_process else execution.tests_status) != 0:
        return None
    try:
        said = json.loads(execution.answer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, list) or len(said) != count or not all(isinstance(one, dict) for one in said):
        return None
    return said


def _said(said: Message, ending: tuple[ProgramOutcome, str]) -> tuple[ProgramOutcome, str]:
    """Read the word of the tests' process on one test; the reason why the program went away is known better here."""
    reason = _text(said, "reason")
    match said.get("outcome"):
        case "passed":
            over = ending[0] in (ProgramOutcome.TIMEOUT, ProgramOutcome.MEMORY, ProgramOutcome.OUTPUT)
            return ending if over else (ProgramOutcome.PASSED, "")
        case "failed":
            return ProgramOutcome.FAILED, reason
        case "invalid":
            return ProgramOutcome.INVALID, reason
        case "crashed":
            return ProgramOutcome.CRASHED, reason
        case "bad_tests":
            return ProgramOutcome.UNSCORED, f"{CANNOT_JUDGE}: {reason}"
        case "gone" if ending[0] is not ProgramOutcome.PASSED and not _nonsense(reason, ending[0]):
            return ending
        case _:
            return ProgramOutcome.CRASHED, f"the program ended during the test: {reason}"


def _text(said: Message, key: str) -> str:
    """A text in a report; empty where there is none, as a program beside its tests may write the report."""
    value = said.get(key)
    return value if isinstance(value, str) else ""


def _nonsense(reason: str, ending: ProgramOutcome) -> bool:
    """Return True where the program spoke nonsense first: whether it then ended by itself or was stopped is a race."""
    first = reason.startswith(("it said what is no message", "it answered what is no value"))
    return first and ending in (ProgramOutcome.CRASHED, ProgramOutcome.INVALID)


def _shown(value: object) -> str:
    """A value of the tests' own, which may hold an integer of more digits than Python writes in decimal."""
    try:
        return repr(value)
    except ValueError:
        return hex(value) if isinstance(value, int) else f"a {type(value).__name__} with huge numbers"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(output: bytes) -> str:
    return output[-4 * SHOWN_CHARACTERS :].decode(errors="replace")[-SHOWN_CHARACTERS:]


def _writable(text: str) -> str:
    """The text with what no file or terminal takes replaced: halves of characters, which a program may write."""
    return _HALVES.sub("\ufffd", text)


def _middle_cut(text: str) -> str:
    if len(text) <= SHOWN_CHARACTERS:
        return text
    half = SHOWN_CHARACTERS // 2
    return f"{text[:half]} ... {len(text) - 2 * half} more characters ... {text[-half:]}"
