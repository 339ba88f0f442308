"""Results of programs, as the sandbox gives them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

CANNOT_JUDGE = "the tests cannot judge"
"""The beginning of the reason of an UNSCORED result where the tests are at fault, and not the sandbox."""


class ProgramOutcome(enum.Enum):
    """The end of a program, or of one test of it."""

    PASSED = "passed"
    FAILED = "failed"
    """Ran to its end and answered wrongly."""
    CRASHED = "crashed"
    """Raised, exited with another status than 0, or died of a signal."""
    INVALID = "invalid"
    """Is no Python program, or lacks the function that the tests call."""
    TIMEOUT = "timeout"
    """Ran past its CPU time, or past its wall clock."""
    MEMORY = "memory"
    """Ran out of memory."""
    OUTPUT = "output"
    """Wrote more than it may."""
    KILLED_SANDBOX = "killed_sandbox"
    """Took its sandbox down with it, twice."""
    SKIPPED = "skipped"
    """Of a test only: left out after an earlier failure."""
    UNSCORED = "unscored"
    """The sandbox or the tests failed, not the program: there is no verdict."""


class Trust(enum.Enum):
    """The strength of a result's guarantee, strongest first."""

    MICROVM = "microvm"
    """Split processes behind gVisor's own kernel."""
    CONTAINER = "container"
    """Split processes in a container: namespaces, seccomp, cgroups, no capabilities for the program."""
    NAMESPACE = "namespace"
    """Split processes in bubblewrap's namespaces; memory and processes are limited by rlimits."""
    IN_PROCESS = "in_process"
    """Isolated from the host, but the tests ran within the program's reach: a hostile program can forge this."""
    UNSAFE = "unsafe"
    """A bare subprocess: not isolated from the host at all."""


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The end of one test."""

    outcome: ProgramOutcome
    reason: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The first test that failed; long texts are cut in the middle."""

    index: int
    input: str
    expected: str
    got: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """The verdict on one program.

    Attributes:
        outcome: PASSED only when every test passed; else that of the first failing test.
        tests: one for each test of the program, in their order.
        stdout, stderr: the last 4,000 characters of the first failing execution, else of the last one.
        cpu_seconds, wall_seconds: all executions together, queueing not included.
        slowest_cpu_seconds: of the slowest single execution, for `Limits.scaled_to`.
        peak_memory_bytes: the most that any process of the program had resident.
        retries: how many times it was run again because its sandbox was lost.
    """

    outcome: ProgramOutcome
    reason: str
    tests: tuple[CaseResult, ...]
    first_failure: Failure | None
    stdout: str
    stderr: str
    cpu_seconds: float
    wall_seconds: float
    slowest_cpu_seconds: float
    peak_memory_bytes: int
    backend: str
    trust: Trust
    retries: int = 0

    @property
    def passed(self) -> int:
        """The number of tests that passed."""
        return sum(test.outcome is ProgramOutcome.PASSED for test in self.tests)

    @property
    def total(self) -> int:
        """The number of tests; none is ever left out of the count."""
        return len(self.tests)

    @property
    def tests_cannot_judge(self) -> bool:
        """True where there is no verdict because of the tests, as there would be none another time."""
        return self.outcome is ProgramOutcome.UNSCORED and self.reason.startswith(CANNOT_JUDGE)

    @property
    def reward(self) -> float | None:
        """1.0 when every test passed, else 0.0; None where there is no verdict."""
        if self.outcome is ProgramOutcome.UNSCORED:
            return None
        return float(self.outcome is ProgramOutcome.PASSED)

    @property
    def fraction(self) -> float | None:
        """The share of tests that passed; None where there is no verdict."""
        if self.outcome is ProgramOutcome.UNSCORED:
            return None
        return self.passed / self.total
