"""A few honest and hostile programs that every sandbox runs before it is trusted with others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rlvr_sandbox.errors import SelfTestFailed
from rlvr_sandbox.programs import AssertTests, CallTest, CallTests, Limits, Program, StdioTest, StdioTests
from rlvr_sandbox.results import ProgramOutcome, Result

_LIMITS = Limits(cpu_seconds=5.0, wall_seconds=30.0)
_DOUBLE = StdioTests(tests=(StdioTest(input="21\n", expected="42\n"),))
_ADD = CallTests(function="add", tests=(CallTest(arguments=(40, 2), expected=42),))
_SORT = AssertTests(tests=("assert sort([3, 1, 2]) == [1, 2, 3]",), names=("sort",))


@dataclass(frozen=True, kw_only=True)
class Check:
    """A program, and whether it may pass."""

    says: str
    program: Program
    passes: bool


def _check(says: str, source: str, tests: StdioTests | CallTests | AssertTests, *, passes: bool) -> Check:
    return Check(says=says, program=Program(source=source, tests=tests, limits=_LIMITS), passes=passes)


CHECKS = (
    _check("a right script passes", "print(2 * int(input()))", _DOUBLE, passes=True),
    _check("a right function passes", "def add(a, b): return a + b", _ADD, passes=True),
    _check("a right answer to asserts passes", "def sort(a): return sorted(a)", _SORT, passes=True),
    _check("a wrong script fails", "print(int(input()))", _DOUBLE, passes=False),
    _check("an early exit is no pass", "import os; os._exit(0)", _SORT, passes=False),
    _check(
        "an object that is equal to everything is no answer",
        "class Any:\n    __eq__ = lambda *_: True\ndef sort(a): return Any()",
        _SORT,
        passes=False,
    ),
    _check(
        "the program has no privileges and no network, and cannot write to the system",
        "import os, socket\n"
        "def refused(act):\n"
        "    try:\n        act()\n    except OSError:\n        return True\n"
        "    return False\n"
        "def add(a, b):\n"
        "    alone = refused(lambda: socket.create_connection(('192.0.2.1', 80), timeout=1))\n"
        "    walled = refused(lambda: open('/usr/x', 'w')) and refused(lambda: open('/proc/1/mem', 'rb'))\n"
        "    return a + b if alone and walled and os.getuid() else None",
        _ADD,
        passes=True,
    ),
)


def self_test(
    run_many: Callable[[Iterable[Program]], Iterator[tuple[int, Result]]], *, isolated: bool
) -> None:
    """Raise SelfTestFailed, with what went wrong, unless all checks come out as they must.

    Args:
        isolated: whether the backend claims to keep programs from the host.
    """
    checks = [check for check in CHECKS if isolated or check.program.tests is not _ADD]
    wrong = []
    for index, result in run_many(check.program for check in checks):
        check = checks[index]
        if (
            result.outcome is ProgramOutcome.UNSCORED
            or (result.outcome is ProgramOutcome.PASSED) != check.passes
        ):
            wrong.append(f"{check.says}: {result.outcome.value} ({result.reason})")
    if wrong:
        raise SelfTestFailed("the sandbox fails its self-test: " + "; ".join(wrong))
