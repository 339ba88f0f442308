"""Slots that run programs one at a time, all fed from one queue.

A slot is a thread of ours with a supervisor of its own, and takes a program from the queue only when that
supervisor is ready: so a program goes to whichever slot is free first, on whichever host, a host that is
sick gets none, and time in the queue is charged to nobody.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from rlvr_sandbox.backends.base import Backend
from rlvr_sandbox.errors import SandboxClosed, SandboxLost, SandboxUnavailable
from rlvr_sandbox.programs import Program
from rlvr_sandbox.results import CaseResult, ProgramOutcome, Result, Trust
from rlvr_sandbox.supervisor import Supervisor

AWAY_SECONDS = 120.0
"""The time that programs wait while no backend can be had, as when a Docker daemon is started again."""
MOST_FAULTS = 5
"""Infrastructure faults under one program after which it has no verdict."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 10.0


class Judged(Protocol):
    """The place that results come from, as they name it."""

    name: str
    trust: Trust


@dataclass(kw_only=True)
class Job:
    """A program on its way to a verdict, and what has gone wrong under it so far."""

    program: Program
    future: Future[Result] = field(default_factory=Future)
    lost: int = 0
    faults: int = 0

    def without_verdict(self, outcome: ProgramOutcome, reason: str, backend: Judged) -> Result:
        """The result where the program was not judged to its end."""
        test = CaseResult(outcome=outcome, reason=reason)
        return Result(
            outcome=outcome,
            reason=reason,
            tests=(test,) * len(self.program.tests.tests),
            first_failure=None,
            stdout="",
            stderr="",
            cpu_seconds=0.0,
            wall_seconds=0.0,
            slowest_cpu_seconds=0.0,
            peak_memory_bytes=0,
            backend=backend.name,
            trust=backend.trust,
            retries=self.lost + self.faults,
        )


class Starts:
    """Starts supervisors on one backend, always one ahead: a slot that loses its own need not wait."""

    def __init__(self, backend: Backend, slots: int) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(slots + 1, thread_name_prefix="sandbox-start")
        self._spare = self._threads.submit(self._start)

    def take(self) -> Supervisor:
        """A supervisor that is ready. Raises SandboxUnavailable, or SandboxLost where it ended at once."""
        with self._lock:
            spare, self._spare = self._spare, self._threads.submit(self._start)
        supervisor = spare.result()
        if supervisor.fit:
            return supervisor
        supervisor.kill()
        return self._start()

    def renew(self) -> None:
        """Drop the spare for one begun now: what ended another supervisor may have ended it as well."""
        with self._lock:
            old, self._spare = self._spare, self._threads.submit(self._start)
        _kill(old)

    def close(self) -> None:
        """End the spare."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        _kill(self._spare)

    def _start(self) -> Supervisor:
        return Supervisor(self._backend.start())


def _kill(spare: Future[Supervisor]) -> None:
    if not spare.cancel() and spare.exception() is None:
        spare.result().kill()


class Pool:
    """The slots.

    Raises SandboxUnavailable where no slot gets a supervisor to begin with.

    Args:
        backends: each with as many slots as `slots` says.
    """

    def __init__(self, backends: Sequence[Backend], slots: int) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._starts = [Starts(backend, slots) for backend in backends]
        self._slots = [
            Slot(backend, starts, self)
            for backend, starts in zip(backends, self._starts, strict=True)
            for _ in range(slots)
        ]
        for slot in self._slots:
            slot.start()
        if all(slot.first_failure() for slot in self._slots):
            self.close()
            raise SandboxUnavailable(str(self._slots[0].first_failure()))

    @property
    def closed(self) -> bool:
        """True once it takes no more programs."""
        return self._closed.is_set()

    def submit(self, program: Program) -> Future[Result]:
        """Queue a program. Raises SandboxClosed."""
        if self.closed:
            raise SandboxClosed("this sandbox has been closed")
        job = Job(program=program)
        self._jobs.put(job)
        return job.future

    def next_job(self) -> Job | None:
        """The next program, waiting for it; None when the pool closes."""
        return self._jobs.get()

    def put_back(self, job: Job) -> None:
        """A program that another slot should have."""
        self._jobs.put(job)

    def give_up_on_one(self, reason: str, backend: Backend) -> None:
        """Answer one waiting program that there is no verdict, if no slot has had a supervisor for too long."""
        since = [slot.away_since for slot in self._slots]
        if any(start is None or time.monotonic() - start < AWAY_SECONDS for start in since):
            return
        with contextlib.suppress(queue.Empty):
            job = self._jobs.get_nowait()
            if job is not None:
                job.future.set_result(job.without_verdict(ProgramOutcome.UNSCORED, reason, backend))

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the pool's end."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """End all supervisors; programs that are queued are cancelled, those that run fail with SandboxClosed."""
        if self.closed:
            return
        self._closed.set()
        for slot in self._slots:
            self._jobs.put(None)
            slot.interrupt()
        for slot in self._slots:
            slot.join()
        for starts in self._starts:
            starts.close()
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job.future.cancel()


class Slot(threading.Thread):
    """Runs programs from the pool's queue, one at a time."""

    def __init__(self, backend: Backend, starts: Starts, pool: Pool) -> None:
        super().__init__(name=f"sandbox-slot-{backend.name}", daemon=True)
        self._backend = backend
        self._starts = starts
        self._pool = pool
        self._supervisor: Supervisor | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self.away_since: float | None = None
        """Since when no supervisor could be had; None while there is one, or none was needed yet."""
        self._tried: Future[Exception | None] = Future()

    def run(self) -> None:
        """Until the pool closes."""
        while not self._pool.closed:
            if not self._ready():
                continue
            job = self._pool.next_job()
            if job is None:
                break
            if not job.future.running() and not job.future.set_running_or_notify_cancel():
                continue
            try:
                self._judge(job)
            except BaseException as error:  # noqa: BLE001 - whoever waits for the result must learn of it
                self._drop()  # what it still says of this program must not be taken for news of the next
                job.future.set_exception(error)
        self._drop()

    def first_failure(self) -> Exception | None:
        """Return the reason why the first try to have a supervisor failed, None when it did not; waits for it."""
        return self._tried.result()

    def interrupt(self) -> None:
        """End the supervisor, whatever it is doing."""
        supervisor = self._supervisor
        if supervisor is not None:
            supervisor.interrupt()

    def _drop(self) -> None:
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.kill()

    def _ready(self) -> bool:
        """Return True where there is a supervisor. Where none can be had, pause before the next try, ever longer."""
        if self._supervisor is not None:
            return True
        try:
            self._supervisor = self._starts.take()
        except (SandboxUnavailable, SandboxLost) as error:
            if not self._tried.done():
                self._tried.set_result(error)
            self.away_since = self.away_since or time.monotonic()
            self._pool.give_up_on_one(str(error), self._backend)
            self._pool.pause(self._pause_seconds)
            self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
            return False
        if not self._tried.done():
            self._tried.set_result(None)
        self.away_since = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        return True

    def _judge(self, job: Job) -> None:
        if self._supervisor is None or not self._supervisor.fit:  # it ended while there was nothing to do
            self._drop()
            self._pool.put_back(job)
            return
        try:
            judging, clean = self._supervisor.run(job.program)
        except SandboxLost as error:
            self._drop()
            self._after_loss(job, error)
            return
        if not clean:
            self._drop()
        retries = job.lost + job.faults
        job.future.set_result(
            judging.result(backend=self._backend.name, trust=self._backend.trust, retries=retries)
        )

    def _after_loss(self, job: Job, error: SandboxLost) -> None:
        """Once more, unless the program has lost two sandboxes that nothing else can have ended."""
        if self._pool.closed:
            job.future.set_exception(SandboxClosed("this sandbox was closed while the program ran"))
            return
        self._starts.renew()
        if self._backend_failed():
            job.faults += 1
        else:
            job.lost += 1
        if job.lost >= 2:
            reason = f"its sandbox ended under it, twice: {error}"
            job.future.set_result(job.without_verdict(ProgramOutcome.KILLED_SANDBOX, reason, self._backend))
        elif job.faults > MOST_FAULTS:
            job.future.set_result(job.without_verdict(ProgramOutcome.UNSCORED, str(error), self._backend))
        else:
            self._pool.put_back(job)

    def _backend_failed(self) -> bool:
        try:
            return self._backend.wait_until_available(0.0)
        except SandboxUnavailable:
            return True
