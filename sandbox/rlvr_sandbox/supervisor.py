"""Our side of a running supervisor: programs and cells in, what became of them out."""

from __future__ import annotations

import select
import time

from rlvr_sandbox.backends.base import Channel
from rlvr_sandbox.errors import ImageMismatch, SandboxLost
from rlvr_sandbox.image.frames import BrokenFrame, Reader, pack
from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.version import supervisor_version
from rlvr_sandbox.judging.judge import Execution, Judging, limits_for, request
from rlvr_sandbox.programs import Limits, Program

START_WITHIN_SECONDS = 60.0
GRACE_SECONDS = 20.0
"""Beyond a program's wall clock, for the supervisor to report and clean up."""


class Supervisor:
    """A running supervisor that has said hello."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._reader = Reader(self._read)
        self._deadline = time.monotonic() + START_WITHIN_SECONDS
        try:
            hello, _ = self._frame("hello")
            if hello.get("supervisor") != supervisor_version():
                raise ImageMismatch(
                    f"the sandbox runs supervisor {hello.get('supervisor')}, this package has "
                    f"{supervisor_version()}; build the image again: rlvr sandbox build"
                )
            self._packages = frozenset(map(str, hello.get("site", ())))
        except BaseException:
            channel.kill()
            raise

    def run(self, program: Program) -> tuple[Judging, bool]:
        """Run all tests. Returns what came of it, and whether the sandbox is fit for another program.

        Raises SandboxLost.
        """
        judging = Judging(program)
        each = program.limits.wall_seconds + GRACE_SECONDS
        self._deadline = time.monotonic() + each
        self._channel.write(pack(*request(program, self._packages)))
        told_to_stop = False
        while True:
            header, blobs = self._frame("ran", "done")
            if header["said"] == "done":
                return judging, header.get("clean") is True
            self._deadline = time.monotonic() + each
            if judging.take(_execution(header, blobs)) and not told_to_stop:
                self._channel.write(pack({"do": "stop"}))
                told_to_stop = True

    @property
    def fit(self) -> bool:
        """True while it is there and waits: one that says anything unasked has ended."""
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        return not self._reader.pending and not poll.poll(0)

    def begin_session(self, limits: Limits) -> None:
        """From now on run cells, with no program in between."""
        self._channel.write(pack({"do": "session", "limits": limits_for(limits), "preload": []}))

    def run_cell(self, source: str, limits: Limits) -> tuple[Message, list[bytes]]:
        """Run one cell of a session: the supervisor's facts, standard output and standard error."""
        self._deadline = time.monotonic() + limits.wall_seconds + GRACE_SECONDS
        self._channel.write(pack({"do": "cell"}, [source.encode("utf-8", "surrogatepass")]))
        facts, blobs = self._frame("cell")
        _check(facts, _CELL_FACTS, blobs, 2)
        return facts, blobs

    def interrupt(self) -> None:
        """Have it end, from any thread: whoever uses it gets SandboxLost."""
        self._channel.interrupt()

    def kill(self) -> None:
        """End it. For the thread that uses it."""
        self._channel.kill()

    def _frame(self, *said: str) -> tuple[Message, list[bytes]]:
        try:
            frame = self._reader.frame()
        except BrokenFrame as error:
            raise SandboxLost(f"the supervisor does not make sense: {error}") from error
        if frame is None or frame[0].get("said") not in said:
            raise SandboxLost(
                "the supervisor has ended" if frame is None else "the supervisor broke protocol"
            )
        return frame

    def _read(self) -> bytes:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            raise SandboxLost("the supervisor does not answer in time")
        return self._channel.read()


_STOPPED = {"", "wall", "cpu", "memory", "output"}
_CELL_FACTS: dict[str, tuple[type, ...]] = {"stopped": (str,), "status": (int,), "alive": (bool,)}
_FACTS: dict[str, tuple[type, ...]] = {
    "stopped": (str,),
    "status": (int,),
    "ended_by_itself": (bool,),
    "tests_status": (int, type(None)),
    "cpu_seconds": (int, float),
    "wall_seconds": (int, float),
    "memory_bytes": (int,),
}


def _check(facts: Message, kinds: dict[str, tuple[type, ...]], blobs: list[bytes], count: int) -> None:
    """Raise SandboxLost where a supervisor's report is not what one says that is in order."""
    wrong = [name for name, kind in kinds.items() if type(facts.get(name)) not in kind]
    if wrong or len(blobs) != count or facts["stopped"] not in _STOPPED:
        raise SandboxLost(f"the supervisor does not make sense: {', '.join(wrong) or 'a report'}")


def _execution(header: Message, blobs: list[bytes]) -> Execution:
    _check(header, _FACTS, blobs, 3)
    stdout, stderr, answer = blobs
    return Execution(
        stopped=header["stopped"],
        status=header["status"],
        ended_by_itself=header["ended_by_itself"],
        tests_status=header["tests_status"],
        cpu_seconds=header["cpu_seconds"],
        wall_seconds=header["wall_seconds"],
        memory_bytes=header["memory_bytes"],
        stdout=stdout,
        stderr=stderr,
        answer=answer,
    )
