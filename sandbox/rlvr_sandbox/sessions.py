"""Sessions: code that a model runs cell by cell, as a tool, with what earlier cells defined still there."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from rlvr_sandbox.backends.base import Backend
from rlvr_sandbox.errors import SandboxLost, SandboxUnavailable
from rlvr_sandbox.programs import Limits
from rlvr_sandbox.results import ProgramOutcome
from rlvr_sandbox.supervisor import Supervisor

_ATTEMPTS = 2


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """The outcome of one cell.

    Attributes:
        outcome: PASSED, CRASHED when it raised (the session goes on), or what ended the session: TIMEOUT, MEMORY,
            OUTPUT, or KILLED_SANDBOX when it took its sandbox down. UNSCORED: the sandbox failed, not the cell.
        stdout, stderr: all it wrote, the value of a last expression and the traceback among it.
        ended: whether the session's names are gone; the next cell starts a new one.
    """

    outcome: ProgramOutcome
    stdout: str
    stderr: str
    ended: bool


class Sessions:
    """Keeps the supervisors of at most `most` sessions running.

    When there are more, the one that has been idle longest gives up its supervisor, and gets its names back by
    running its cells again when it is next used.
    """

    def __init__(self, backends: tuple[Backend, ...], most: int) -> None:
        self._backends = backends
        self._most = most
        self._lock = threading.Lock()
        self._running: list[Session] = []
        self._opened = 0

    def open(self, limits: Limits) -> Session:
        """A new session; nothing is started before its first cell."""
        with self._lock:
            self._opened += 1
            return Session(self, self._backends[self._opened % len(self._backends)], limits)

    def close(self) -> None:
        """End them all."""
        with self._lock:
            running, self._running = self._running, []
        for session in running:
            session.pause()

    def used(self, session: Session) -> None:
        """Note that it runs, and have the one idle for longest give up its place if there are too many."""
        with self._lock:
            if session in self._running:
                self._running.remove(session)
            self._running.append(session)
            too_many = self._running[: -self._most]
        for idle in too_many:
            if idle.pause_if_idle():
                self.forget(idle)

    def forget(self, session: Session) -> None:
        """It does not run any more."""
        with self._lock:
            if session in self._running:
                self._running.remove(session)


class Session:
    """One namespace. Cells are run one at a time, from any thread."""

    def __init__(self, owner: Sessions, backend: Backend, limits: Limits) -> None:
        self._owner = owner
        self._backend = backend
        self._limits = limits
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None
        self._cells: list[str] = []

    def execute(self, source: str) -> CellResult:
        """Run one cell."""
        with self._lock:
            self._owner.used(self)
            said = "the sandbox is lost"
            for _ in range(_ATTEMPTS):
                try:
                    return self._execute(source)
                except SandboxLost as error:
                    said = str(error)
                    self._stop()
                except SandboxUnavailable as error:
                    return CellResult(
                        outcome=ProgramOutcome.UNSCORED, stdout="", stderr=str(error), ended=False
                    )
            self._cells.clear()
            return CellResult(outcome=ProgramOutcome.KILLED_SANDBOX, stdout="", stderr=said, ended=True)

    def close(self) -> None:
        """End the session."""
        self._owner.forget(self)
        self.pause()

    def pause(self) -> None:
        """Give up the supervisor; the next cell starts one and runs the earlier cells again."""
        with self._lock:
            self._stop()

    def pause_if_idle(self) -> bool:
        """The same, unless a cell is running."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._stop()
        finally:
            self._lock.release()
        return True

    def _execute(self, source: str) -> CellResult:
        if self._supervisor is None:
            self._supervisor = Supervisor(self._backend.start())
            self._supervisor.begin_session(self._limits)
            for earlier in self._cells:
                self._supervisor.run_cell(earlier, self._limits)
        facts, (stdout, stderr) = self._supervisor.run_cell(source, self._limits)
        ended = not facts["alive"]
        if ended:
            self._stop()
            self._cells.clear()
        else:
            self._cells.append(source)
        return CellResult(
            outcome=_outcome(facts["stopped"], facts["status"], ended),
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
            ended=ended,
        )

    def _stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.kill()
            self._supervisor = None


_STOPPED = {
    "wall": ProgramOutcome.TIMEOUT,
    "cpu": ProgramOutcome.TIMEOUT,
    "memory": ProgramOutcome.MEMORY,
    "output": ProgramOutcome.OUTPUT,
}


def _outcome(stopped: str, status: int, ended: bool) -> ProgramOutcome:
    if stopped:
        return _STOPPED[stopped]
    if ended or status:
        return ProgramOutcome.CRASHED
    return ProgramOutcome.PASSED
