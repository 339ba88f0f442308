"""Worker processes for what can be slow: killed at the deadline, replaced, gone with their parent."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

from rlvr_gym.errors import VerifierFault
from rlvr_gym.files import Json, JsonObject

_START_SECONDS = 60.0
_MAX_FRAME_BYTES = 64 << 20


class Overrun(Exception):
    """The work on a task ran past its time or memory, or took its worker process down with it."""


class WorkerPool:
    """Calls one function in killable processes; usable from any thread.

    Workers are fresh interpreters (exec, never a fork of a threaded trainer) with an almost empty
    environment, at most `memory_bytes` of address space, and no right to write files. They start when first
    needed, and one more than are busy is kept warm, so that a kill costs nobody else a start. A worker is
    killed with its process group when a call passes its deadline, retired after `recycle_after` calls, and
    dies when this process does, SIGKILL included (Linux; elsewhere a busy one ends its call first).

    Callers beyond `workers` wait for their turn; the deadline counts from when it comes. The start of a worker,
    where none was warm, is taken out of the call's time, though at most half of it: the reply is not later for
    it, unless starting takes that long. A child made by `os.fork` starts workers of its own.

    Args:
        function: `package.module:function`, JSON value in, JSON value out. The module's file is run by
            itself in the worker: it may import the standard library and installed packages, but nothing of
            the package it lies in, whose import would cost each worker time and memory.
        workers: how many calls run at once.
        memory_bytes: address space of a worker.
        recycle_after: calls after which a worker is replaced, so that caches cannot grow for ever.
    """

    def __init__(
        self,
        function: str,
        *,
        workers: int = 2,
        memory_bytes: int = 1 << 30,
        recycle_after: int = 2000,
    ) -> None:
        module, _, name = function.partition(":")
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None or not name:
            raise VerifierFault(f"no file behind '{function}'; give package.module:function")
        self._setup = {"module": module, "file": spec.origin, "function": name, "memory_bytes": memory_bytes}
        self._size = workers
        self._recycle_after = recycle_after
        self._alive: set[_Worker] = set()
        self._begin()
        weakref.finalize(self, _kill_all, self._alive)
        _pools.add(self)

    def call(self, task: Json, *, timeout_seconds: float) -> Json:
        """The function's value for `task`.

        Raises Overrun when the work overran its time or memory or killed its worker, and VerifierFault when
        no worker could be started, the function raised, or somebody else killed the worker.
        """
        with self._turns:
            deadline = time.monotonic() + timeout_seconds
            worker = self._take()
            try:
                worker.wait_until_ready()
                reply = worker.ask(task, max(deadline, time.monotonic() + timeout_seconds / 2))
            except BaseException as error:
                closed = worker not in self._alive
                self._discard(worker)
                if closed and isinstance(error, Overrun | VerifierFault):
                    raise VerifierFault("the worker pool was closed during the call") from error
                raise
            if worker.calls >= self._recycle_after or "overrun" in reply:
                self._discard(worker)
            else:
                with self._lock:
                    self._idle.append(worker)
        if "overrun" in reply:
            raise Overrun(f"out of {reply['overrun']}")
        if "fault" in reply:
            raise VerifierFault(f"{self._setup['module']}:{self._setup['function']} failed: {reply['fault']}")
        return reply["value"]

    def close(self) -> None:
        """Kill all workers. A later call starts new ones."""
        with self._lock:
            self._idle.clear()
            _kill_all(self._alive)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(self._size)
        self._idle: list[_Worker] = []

    def _forget_after_fork(self) -> None:
        """In a forked child: the workers, and what state their pipes are in, are the parent's."""
        for worker in self._alive:
            worker.disown()
        self._alive.clear()
        self._begin()

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if not worker.dead:
                    break
                self._alive.discard(worker)
                worker.kill()
            else:
                worker = self._start()
            if not self._idle:
                with contextlib.suppress(VerifierFault):  # no spare, then: this call has its worker
                    self._idle.append(self._start())
            return worker

    def _start(self) -> _Worker:
        worker = _Worker(self._setup)
        self._alive.add(worker)
        return worker

    def _discard(self, worker: _Worker) -> None:
        worker.kill()
        with self._lock:
            self._alive.discard(worker)


class _Worker:
    """One process and the pipes to it."""

    def __init__(self, setup: JsonObject) -> None:
        self.calls = 0
        self._ready = False
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-B", str(Path(__file__).with_name("process.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", "OMP_NUM_THREADS": "1"},
                cwd="/",
                pass_fds=(lifeline,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._lifeline)
            raise VerifierFault(f"cannot start a worker process: {error}") from error
        finally:
            os.close(lifeline)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)
        path = [os.path.abspath(entry) for entry in sys.path]
        with contextlib.suppress(
            Overrun
        ):  # a worker that is dead already is noticed when it does not get ready
            self._send({**setup, "path": path, "lifeline": lifeline}, time.monotonic() + _START_SECONDS)

    @property
    def dead(self) -> bool:
        """True when a worker that was ready ended by itself: no task is to blame."""
        return self._ready and self._process.poll() is not None

    def wait_until_ready(self) -> None:
        """Wait for the function to be loaded. Raises VerifierFault, with the cause, if it cannot be."""
        if self._ready:
            return
        try:
            said = self._receive(time.monotonic() + _START_SECONDS)
        except Overrun as error:
            raise VerifierFault(f"a worker process did not get ready: {error}") from error
        if "fault" in said:
            raise VerifierFault(f"a worker process could not load its function: {said['fault']}")
        self._ready = True

    def ask(self, task: Json, deadline: float) -> JsonObject:
        """The reply to one task. Raises Overrun when it is not there by `deadline` (of `time.monotonic`)."""
        self.calls += 1
        self._send(task, deadline)
        return self._receive(deadline)

    def kill(self) -> None:
        """End the process and whatever it started, and leave nothing of it behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def _end(self) -> Exception:
        """Explain why the pipe to the process is closed. SIGKILL comes from outside: no task can send it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.wait(timeout=5.0) == -signal.SIGKILL:
                return VerifierFault("a worker process was killed from outside, by the system perhaps")
        return Overrun("the worker process died")

    def disown(self) -> None:
        """Let go of the process without touching it."""
        self._process.returncode = 0
        self._close()

    def _close(self) -> None:
        self._stdin.close()
        self._stdout.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _send(self, value: Json, deadline: float) -> None:
        body = json.dumps(value).encode()
        frame = memoryview(struct.pack(">I", len(body)) + body)
        pipe = self._stdin.fileno()
        while frame:
            _wait_for(pipe, select.POLLOUT, deadline)
            try:
                frame = frame[os.write(pipe, frame) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._end() from None

    def _receive(self, deadline: float) -> JsonObject:
        (length,) = struct.unpack(">I", self._read_exactly(4, deadline))
        if length > _MAX_FRAME_BYTES:
            raise VerifierFault(f"a worker's reply of {length} bytes is over the limit of {_MAX_FRAME_BYTES}")
        return json.loads(self._read_exactly(length, deadline))

    def _read_exactly(self, count: int, deadline: float) -> bytes:
        pipe = self._stdout.fileno()
        chunks: list[bytes] = []
        while count:
            _wait_for(pipe, select.POLLIN, deadline)
            try:
                chunk = os.read(pipe, min(count, 1 << 16))
            except BlockingIOError:
                continue
            if not chunk:
                raise self._end()
            chunks.append(chunk)
            count -= len(chunk)
        return b"".join(chunks)


def _wait_for(pipe: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(pipe, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise Overrun("out of time")


def _kill_all(workers: set[_Worker]) -> None:
    while workers:
        workers.pop().kill()


_pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


def _forget_all_after_fork() -> None:
    for pool in list(_pools):
        pool._forget_after_fork()


os.register_at_fork(after_in_child=_forget_all_after_fork)
