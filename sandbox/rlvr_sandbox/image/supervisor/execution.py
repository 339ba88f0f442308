"""One execution of a program, as MUX sees it: its processes, its pipes, its clock and its caps."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.supervisor.accounts import Account
from rlvr_sandbox.image.supervisor.zygotes import Zygote, ZygoteGone
from rlvr_sandbox.image.talk.link import Link

STDERR_BYTES = 64 << 10
ANSWER_BYTES = 9 << 20
END_WITHIN_SECONDS = 5.0
GONE_WITHIN_SECONDS = 1.0
CELLS_IN_CPU_LIMIT = 50
WATCH_SECONDS = 0.05
WATCH_SHARE = 10
"""Looks at what is used take no more than one part of so many of our time."""


class Capture:
    """The reading end of a pipe, and what came out of it: the first `limit` bytes, or the last."""

    def __init__(self, limit: int, *, keep_last: bool = False) -> None:
        self.reader, self.writer = os.pipe()
        with contextlib.suppress(PermissionError):  # gVisor: modes of pipes cannot be set
            os.fchmod(self.writer, 0o666)  # so that a program under its own uid may open /dev/stdout
        os.set_blocking(self.reader, False)
        self.data = bytearray()
        self.overflowed = False
        self._limit = limit
        self._keep_last = keep_last

    def pump(self) -> bool:
        """Take what there is, some of it at least; False once nothing can come any more."""
        while True:
            try:
                chunk = os.read(self.reader, 1 << 18)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self.data += chunk
            if len(self.data) > self._limit:
                self.overflowed = True
                if not self._keep_last:
                    del self.data[self._limit :]
                    return True
                del self.data[: -self._limit]

    def take(self) -> bytes:
        """Return the bytes that came since the last time."""
        self.pump()
        data = bytes(self.data)
        self.data.clear()
        self.overflowed = False
        return data

    def hand_over(self) -> None:
        """Close our copy of the writing end: the process that writes has its own."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Close both ends."""
        self.hand_over()
        os.close(self.reader)


def sealed(data: bytes) -> int:
    """A file in memory that holds `data` and that nobody can change."""
    descriptor = os.memfd_create("input", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    fcntl.fcntl(
        descriptor,
        fcntl.F_ADD_SEALS,
        fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL,
    )
    return descriptor


class Execution:
    """Runs once.

    Args:
        limits: the program's, as the host sent them.
        uids: for the program and for its tests.
        folder: where the program starts.
        program_by, tests_by: the zygotes that fork them; mostly the same.
        account: of what the running processes use, together.
        host: a descriptor to watch besides, and what to call when it is readable.
    """

    def __init__(
        self,
        *,
        limits: Message,
        uids: tuple[int, int],
        folder: str,
        program_by: Zygote,
        tests_by: Zygote,
        account: Account,
        host: tuple[int, Callable[[], None]],
    ) -> None:
        self._limits = dict(limits)
        self._uids = uids
        self._folder = folder
        self._program_by, self._tests_by = program_by, tests_by
        self._account = account
        self._cpu_seconds = limits["cpu_seconds"]
        self._host = host
        self._watch_at = time.monotonic() + WATCH_SECONDS
        self._out = Capture(limits["output_bytes"])
        self._err = Capture(STDERR_BYTES, keep_last=True)
        self._answer = Capture(ANSWER_BYTES)
        self._ended: dict[str, Message] = {}
        self._forked: set[str] = set()

    def run(self, kind: str, source: int, given: bytes) -> tuple[Message, list[bytes]]:
        """From fork to end. `source` and `given` are what the kind needs: input, call, or tests.

        Returns the facts, and the blobs: standard output, standard error, the answer (of a call: what it
        returned; of asserts: the verdict of the tests' process).
        """
        started = time.monotonic()
        captures = [self._out, self._err, self._answer]
        try:
            with ExitStack() as closing:
                handed = self._held(closing, sealed(given))
                self._account.begin(self._limits["memory_bytes"])
                self._start(kind, source, handed, closing)
            for capture in captures:
                capture.hand_over()
            role = "tests" if kind == "asserts" else "program"
            if kind == "asserts":
                self._cpu_seconds *= 2  # which is told apart once they have ended
            stopped = self._watch(lambda: role in self._ended, started + self._limits["wall_seconds"])
            self._answer.pump()
            if b'"gone"' in self._answer.data:
                # The tests heard of the program's end before its own zygote did; how it ended is still to come.
                self._watch(lambda: "program" in self._ended, time.monotonic() + GONE_WITHIN_SECONDS)
            ended_by_itself = "program" in self._ended
            self._end()
            for capture in captures:
                capture.pump()
            facts = self._facts(stopped, ended_by_itself, time.monotonic() - started)
            return facts, [bytes(capture.data) for capture in captures]
        finally:
            for capture in captures:
                capture.close()

    def _start(self, kind: str, source: int, given: int, closing: ExitStack) -> None:
        """Fork the processes of this kind. Only descriptors are handed out, each to one process alone."""
        nothing = self._held(closing, os.open(os.devnull, os.O_RDWR))
        streams = [given if kind == "stdio" else nothing, self._out.writer, self._err.writer]
        if kind == "stdio":
            self._fork(self._program_by, "program", kind, [*streams, source])
        elif kind != "asserts":
            self._fork(self._program_by, "program", kind, [*streams, source, given, self._answer.writer])
        else:
            program_end, tests_end = socket.socketpair()
            with program_end, tests_end:
                self._fork(self._program_by, "program", kind, [*streams, source, program_end.fileno()])
                handed = [nothing, nothing, nothing, given, tests_end.fileno(), self._answer.writer]
                self._fork(self._tests_by, "tests", "tests", handed)

    def _fork(self, by: Zygote, role: str, kind: str, handed: list[int]) -> None:
        uid = self._uids[role == "tests"]
        order = {"do": "fork", "role": role, "kind": kind, "uid": uid, "folder": self._folder}
        by.order({**order, "limits": self._limits}, handed)
        self._forked.add(role)

    def _watch(self, finished: Callable[[], bool], deadline: float, also: Sequence[int] = ()) -> str:
        """Pump until it is `finished`, or stopped: then what for. `also` are descriptors to wake up for."""
        captures = {each.reader: each for each in (self._out, self._err, self._answer)}
        poll = select.poll()
        zygotes = {self._program_by.fileno(), self._tests_by.fileno()}
        for descriptor in {*captures, *zygotes, self._host[0], *also}:
            poll.register(descriptor, select.POLLIN)
        while not finished():
            now = time.monotonic()
            if now >= deadline:
                return "wall"
            if now >= self._watch_at:
                if self._account.memory_bytes() > self._limits["memory_bytes"]:
                    return "memory"
                if self._account.cpu_seconds() > self._cpu_seconds:
                    return "cpu"
                looked = time.monotonic()
                self._watch_at = looked + max(WATCH_SECONDS, WATCH_SHARE * (looked - now))
                now = looked
            for descriptor, _ in poll.poll(1000 * (min(deadline, self._watch_at) - now) + 1):
                if capture := captures.get(descriptor):
                    if not capture.pump():
                        poll.unregister(descriptor)
                    if capture is self._out and capture.overflowed:
                        return "output"
                elif descriptor == self._host[0]:
                    self._host[1]()
                elif descriptor in zygotes:
                    self._hear(0.0)
        return ""

    def _end(self) -> None:
        """Kill what still runs, and wait until it has ended."""
        for by in {self._program_by, self._tests_by}:
            if self._forked - self._ended.keys():
                by.order({"do": "kill"})
        deadline = time.monotonic() + END_WITHIN_SECONDS
        while self._forked - self._ended.keys():
            if time.monotonic() > deadline:
                raise ZygoteGone("a killed process does not end")
            self._hear(0.02)

    def _hear(self, timeout_seconds: float) -> None:
        for by in {self._program_by, self._tests_by}:
            message = by.hear(timeout_seconds)
            if message is not None and message["said"] == "ended":
                self._ended[message["role"]] = message

    def _facts(self, stopped: str, ended_by_itself: bool, wall_seconds: float) -> Message:
        program = self._ended["program"]
        by_tests = self._ended["tests"]["cpu_seconds"] if "tests" in self._ended else 0.0
        by_program = max(program["cpu_seconds"], self._account.cpu_seconds() - by_tests)
        return {
            "stopped": stopped or ("output" if self._out.overflowed else ""),
            "status": program["status"],
            "ended_by_itself": ended_by_itself,
            "tests_status": self._ended["tests"]["status"] if "tests" in self._ended else None,
            "cpu_seconds": by_program,
            "wall_seconds": wall_seconds,
            "memory_bytes": program["memory_bytes"],
        }

    @staticmethod
    def _held(closing: ExitStack, descriptor: int) -> int:
        closing.callback(os.close, descriptor)
        return descriptor


class Session(Execution):
    """A process that runs cells of code, one after another, in one namespace."""

    def begin(self) -> None:
        """Fork it. Its CPU time is limited for all cells together, its wall clock for each."""
        self._limits["cpu_seconds"] *= CELLS_IN_CPU_LIMIT
        self._cpu_seconds = self._limits["cpu_seconds"]
        self._account.begin(self._limits["memory_bytes"])
        self._control, theirs = socket.socketpair()
        with theirs, ExitStack() as closing:
            nothing = self._held(closing, os.open(os.devnull, os.O_RDWR))
            handed = [nothing, self._out.writer, self._err.writer, theirs.fileno()]
            self._fork(self._program_by, "program", "session", handed)
        for capture in (self._out, self._err, self._answer):
            capture.hand_over()

    def run_cell(self, source: bytes) -> tuple[Message, list[bytes]]:
        """Run one cell. When it was stopped, or ended the process, the session is over: `alive` is False."""
        started = time.monotonic()
        link = Link(self._control)
        # Neither a cell that takes nothing nor one that says half a message holds us up for longer than it may run.
        self._control.settimeout(self._limits["wall_seconds"])
        with contextlib.suppress(OSError):
            link.send({"source": source.decode("utf-8", "surrogatepass")})
        stopped = self._watch(
            lambda: "program" in self._ended or _readable(self._control),
            started + self._limits["wall_seconds"],
            also=[self._control.fileno()],
        )
        said = None if stopped or "program" in self._ended else self._heard(link)
        if said is None:
            self._end()
        facts = {
            "stopped": stopped or ("output" if self._out.overflowed else ""),
            "status": self._ended["program"]["status"] if said is None else said,
            "alive": said is not None,
            "wall_seconds": time.monotonic() - started,
        }
        return facts, [self._out.take(), self._err.take()]

    def close(self) -> None:
        """End it."""
        self._end()
        self._control.close()
        for capture in (self._out, self._err, self._answer):
            capture.close()

    @staticmethod
    def _heard(link: Link) -> int | None:
        """The cell's status; None where the process said anything else, or is gone."""
        try:
            said = link.receive()
        except (ValueError, RecursionError):
            return None
        status = said.get("status") if isinstance(said, dict) else None
        return status & 0xFF if type(status) is int else None


def _readable(stream: socket.socket) -> bool:
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    return bool(poll.poll(0))
