"""Programs as they are handed to the sandbox, with their tests and limits. All frozen, all plain data."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rlvr_sandbox.errors import BadTests

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what one execution of a program may use.

    A stdio or call test is one execution; a whole list of asserts is one execution. CPU time is what the
    program is charged for: it does not change with load. The wall-clock limit only ends programs that
    sleep or wait, so it is generous; time spent queueing counts towards neither.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 * MIB
    """Of all processes together, with files in memory, shared maps and buffers."""
    output_bytes: int = 16 * MIB
    """Standard output of one execution; a program that writes more is stopped."""
    processes: int = 128
    """Processes and threads that the program may have at a time, itself included."""

    def __post_init__(self) -> None:
        for name in ("cpu_seconds", "wall_seconds", "memory_bytes", "output_bytes", "processes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")

    def scaled_to(
        self, reference_cpu_seconds: float, *, factor: float = 10.0, at_least: float = 1.0
    ) -> Limits:
        """These limits with the CPU time a reference solution needs on this host, times `factor`.

        So that verdicts do not change with the machine: `reference_cpu_seconds` is `Result.cpu_seconds` of
        the reference solution's slowest test, measured here. Never less than `at_least` seconds.
        """
        cpu_seconds = max(at_least, factor * reference_cpu_seconds)
        return replace(self, cpu_seconds=cpu_seconds, wall_seconds=max(self.wall_seconds, 4 * cpu_seconds))


class Comparison(enum.Enum):
    """The way in which a program's standard output is compared with the expected one."""

    EXACT = "exact"
    """Character for character, but for one final newline and for CRLF."""
    LINES = "lines"
    """Line for line; blanks at the end of lines, and blank lines at the end, do not count."""
    TOKENS = "tokens"
    """The same words, whatever white space stands between them."""
    FLOATS = "floats"
    """The same words, where two that are both written as decimals may differ by 1e-6, absolute or relative; where an
    integer is expected, absolute alone."""


@dataclass(frozen=True, kw_only=True)
class StdioTest:
    """Text on standard input, and what standard output must be."""

    input: str
    expected: str
    alternatives: tuple[str, ...] = ()
    """Other outputs that are right as well."""


Checker = Callable[[str, str, str], bool]
"""`checker(input, expected, output) -> bool`, for tasks with several right outputs. Runs in this process, on
data only: it must parse the output and never evaluate it."""


@dataclass(frozen=True, kw_only=True)
class StdioTests:
    """The program reads standard input and writes standard output; only inputs go into the sandbox."""

    tests: tuple[StdioTest, ...]
    comparison: Comparison = Comparison.LINES
    checker: Checker | None = None
    """Decides instead of `comparison` where given."""

    def __post_init__(self) -> None:
        _some(self.tests)


@dataclass(frozen=True, kw_only=True)
class CallTest:
    """Arguments for one call, and the value it must return: JSON values all."""

    arguments: tuple[object, ...] = ()
    expected: object
    keywords: Mapping[str, object] = field(default_factory=dict)
    alternatives: tuple[object, ...] = ()
    """Other values that are right as well."""


@dataclass(frozen=True, kw_only=True)
class CallTests:
    """A function of the program is called once per test; only arguments go into the sandbox.

    Values are compared on the host. `True` is not `1`; `1` is `1.0`; a tuple is a list, as JSON has no
    tuples; a dict's keys are what JSON makes of them, so that `{1: 2}` is `{"1": 2}`. A set is no list: it
    does not say the order that a list is asked for. Floats are equal when identical, or within
    `float_tolerance`, absolute or relative; to an integer, absolute alone.
    """

    function: str
    """A top-level function, or `Class.method`, whose class is made anew without arguments for each test."""
    tests: tuple[CallTest, ...]
    float_tolerance: float = 0.0

    def __post_init__(self) -> None:
        _some(self.tests)
        if not all(part.isidentifier() for part in self.function.split(".")) or self.function.count(".") > 1:
            raise BadTests(f"'{self.function}' is neither a function's name nor Class.method")


@dataclass(frozen=True, kw_only=True)
class AssertTests:
    """Python code that calls the program and asserts, in a process of its own, out of the program's reach.

    The names in `names` are the program's; all others are Python's or `setup`'s. Arguments and results
    cross as copies of plain data; other objects stay in the program, and the tests get a handle that can be
    passed back, called, read and iterated, but that decides nothing.
    """

    tests: tuple[str, ...]
    """Each is run on its own and counts as one test: it passes when it raises nothing, having called the program."""
    names: tuple[str, ...]
    """The functions and classes that the tests take from the program."""
    setup: str = ""
    """Trusted code run before the tests, such as helper functions that the prompt defines."""
    in_process: bool = False
    """Run the tests inside the program's own process, for tests that cannot be split. A hostile program can
    forge such a verdict: the result says `Trust.IN_PROCESS`."""

    def __post_init__(self) -> None:
        _some(self.tests)
        _some(self.names, "names of the program that the tests call")
        for name in self.names:
            if not name.isidentifier():
                raise BadTests(f"'{name}' is no name that a program could define")


Tests = StdioTests | CallTests | AssertTests


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that nobody vouches for, and how to judge it."""

    source: str
    tests: Tests
    limits: Limits = Limits()
    stop_at_first_failure: bool = True
    """Leave out the tests after the first that fails: they count as failed. The reward is the same."""


def _some(values: tuple[object, ...], what: str = "tests") -> None:
    if not values:
        raise BadTests(f"there are no {what}: a program would pass without having been judged")
