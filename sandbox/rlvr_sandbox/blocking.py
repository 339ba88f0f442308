"""`BlockingSandbox`: a sandbox for threads, whatever it is that runs its programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol, Self

from rlvr_sandbox.backends.base import Backend
from rlvr_sandbox.pool import Pool
from rlvr_sandbox.programs import MIB, Limits, Program
from rlvr_sandbox.results import Result, Trust
from rlvr_sandbox.selftest import self_test
from rlvr_sandbox.sessions import CellResult, Sessions

SESSION_LIMITS = Limits(wall_seconds=10.0, output_bytes=MIB)
MOST_SESSIONS = 64
"""Sessions whose supervisors are kept running; those beyond run their cells again when they are used."""


class TakesPrograms(Protocol):
    """Runs programs: `Pool` on this machine's slots and on Docker hosts, `RayPool` on a cluster's."""

    def submit(self, program: Program) -> Future[Result]:
        """Queue a program. Raises SandboxClosed."""
        ...

    def close(self) -> None:
        """End everything that runs."""
        ...


class RunsCells(Protocol):
    """A namespace in which cells are run one after another."""

    def execute(self, source: str) -> CellResult:
        """Run one cell."""
        ...

    def close(self) -> None:
        """End the session."""
        ...


class OpensSessions(Protocol):
    """Opens sessions, where `TakesPrograms` runs programs."""

    def open(self, limits: Limits) -> RunsCells:
        """A new session; nothing is started before its first cell."""
        ...

    def close(self) -> None:
        """End them all."""
        ...


class BlockingSandbox:
    """Runs programs, several at a time, for any number of threads. `Sandbox.open_sync` makes one."""

    def __init__(
        self, pool: TakesPrograms, sessions: OpensSessions, backends: Sequence[Backend] = ()
    ) -> None:
        self.backends = tuple(backends)
        self._pool = pool
        self._sessions = sessions

    def submit(self, program: Program) -> Future[Result]:
        """Queue a program."""
        return self._pool.submit(program)

    def run(self, program: Program) -> Result:
        """The verdict on one program."""
        return self.submit(program).result()

    def run_many(self, programs: Iterable[Program]) -> Iterator[tuple[int, Result]]:
        """The verdicts on many, each with the program's place among them, as they come."""
        places = {self.submit(program): index for index, program in enumerate(programs)}
        left = set(places)
        while left:
            done, left = wait(left, return_when=FIRST_COMPLETED)
            for future in done:
                yield places[future], future.result()

    def session(self, limits: Limits | None = None) -> RunsCells:
        """A namespace in which cells are run one after another, beside the slots; close it when done."""
        return self._sessions.open(limits or SESSION_LIMITS)

    def close(self) -> None:
        """End everything that runs, and leave nothing behind."""
        self._pool.close()
        self._sessions.close()
        for backend in self.backends:
            backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_on(backends: tuple[Backend, ...], slots: int) -> BlockingSandbox:
    """A sandbox on all of `backends`, with `slots` programs at a time on each, that has stood its self-test."""
    box = BlockingSandbox(Pool(backends, slots), Sessions(backends, MOST_SESSIONS), backends)
    try:
        self_test(box.run_many, isolated=all(used.trust is not Trust.UNSAFE for used in backends))
    except BaseException:
        box.close()
        raise
    return box
