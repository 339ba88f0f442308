"""Attacks and honest programs, the tests they face, and short ways to write them down."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from rlvr_sandbox.programs import (
    MIB,
    AssertTests,
    CallTest,
    CallTests,
    Comparison,
    Limits,
    Program,
    StdioTest,
    StdioTests,
    Tests,
)
from rlvr_sandbox.results import ProgramOutcome

BLAMED = frozenset(ProgramOutcome) - {ProgramOutcome.PASSED, ProgramOutcome.UNSCORED, ProgramOutcome.SKIPPED}
"""The ways in which an attack may end: with no pass, and not without a verdict, which would hide it from the score."""
ENDED = BLAMED - {ProgramOutcome.FAILED, ProgramOutcome.INVALID}
"""The ways in which a program ends that cannot come to its own end."""
BROKEN = frozenset({ProgramOutcome.INVALID, ProgramOutcome.CRASHED})

QUICK = Limits(cpu_seconds=2.0, wall_seconds=4.0, memory_bytes=256 * MIB, output_bytes=MIB)
TIGHT = Limits(cpu_seconds=0.5, wall_seconds=0.8, memory_bytes=256 * MIB, output_bytes=MIB)

SECRET = "kestrel-" + "9d41c07be2a6"
"""An expected answer that no program can guess; attacks look for `kestrel-` and twelve hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A hostile or broken program: a sandbox that lets it pass one test has been fooled."""

    name: str
    says: str
    """The attempt, in one line."""
    program: Program
    outcomes: frozenset[ProgramOutcome] = BLAMED
    before: tuple[Program, ...] = ()
    """Programs run just before it, whose remains it looks for."""
    after: tuple[Program, ...] = ()
    """Honest programs run just after it, which must pass: they fail when the attack outlives itself."""


@dataclass(frozen=True, kw_only=True)
class Honest:
    """A right program written in a way that a hasty sandbox refuses."""

    name: str
    says: str
    """The unusual thing about it, in one line."""
    program: Program
    modules: tuple[str, ...] = ()
    """The modules it imports that a sandbox need not have."""


def attack(
    name: str,
    says: str,
    tests: Tests,
    source: str,
    *,
    limits: Limits = QUICK,
    outcomes: frozenset[ProgramOutcome] = BLAMED,
    before: tuple[Program, ...] = (),
    after: tuple[Program, ...] = (),
) -> Attack:
    """An attack on `tests`, all of which are run, whichever fail."""
    program = Program(source=text(source), tests=tests, limits=limits, stop_at_first_failure=False)
    return Attack(name=name, says=says, program=program, outcomes=outcomes, before=before, after=after)


def honest(
    name: str, says: str, tests: Tests, source: str, *, limits: Limits | None = None, modules: str = ""
) -> Honest:
    """An honest program; `modules` are separated by blanks."""
    program = Program(source=text(source), tests=tests, limits=limits or Limits())
    return Honest(name=name, says=says, program=program, modules=tuple(modules.split()))


def text(source: str) -> str:
    """A program written indented between triple quotes, as a file would hold it."""
    return textwrap.dedent(source).lstrip("\n")


def stdio(*pairs: tuple[str, str], comparison: Comparison = Comparison.LINES) -> StdioTests:
    """Tests from pairs of input and expected output."""
    tests = tuple(StdioTest(input=given, expected=expected) for given, expected in pairs)
    return StdioTests(tests=tests, comparison=comparison)


def calls(function: str, *pairs: tuple[list, object], float_tolerance: float = 0.0) -> CallTests:
    """Tests from pairs of positional arguments and expected value."""
    tests = tuple(CallTest(arguments=tuple(given), expected=expected) for given, expected in pairs)
    return CallTests(function=function, tests=tests, float_tolerance=float_tolerance)


def asserts(names: str, *tests: str, setup: str = "") -> AssertTests:
    """Assertions about the program's `names`, which are separated by blanks."""
    return AssertTests(
        tests=tuple(text(test) for test in tests), names=tuple(names.split()), setup=text(setup)
    )


ONE_LINE = stdio(("3 4\n", "7\n"))
ONE_CALL = calls("add", ([3, 4], 7))
STDIO = stdio(("3 4\n", "7\n"), ("10 -2\n", "8\n"))
CALLS = calls("add", ([3, 4], 7), ([10, -2], 8))
ASSERTS = asserts("add", "assert add(3, 4) == 7", "assert add(10, -2) == 8", "assert add(0, -5) == -5")
CHECK = asserts(
    "add",
    """
    METADATA = {"author": "someone", "dataset": "test"}

    def check(candidate):
        assert candidate(3, 4) == 7
        assert candidate(10, -2) == 8
        assert candidate(0, -5) == -5, "This prints if this assert fails"

    check(add)
    """,
)

STDIO_SECRET = stdio(("say it\n", SECRET + "\n"))
CALLS_SECRET = calls("tell", (["it"], SECRET), (["it again"], SECRET))
ASSERTS_SECRET = asserts("tell", f'assert tell("it") == "{SECRET}"', f'assert tell("it again") == "{SECRET}"')

ESCAPED = stdio(("", "escaped\n"))
"""For programs that print `escaped` when, and only when, they got where they must not get."""
