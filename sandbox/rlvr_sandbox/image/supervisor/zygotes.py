"""MUX's side of the zygotes: how they are started, given orders, and ended."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr_sandbox.image.layout import WORK
from rlvr_sandbox.image.messages import Message

_START_WITHIN_SECONDS = 30.0


class ZygoteGone(Exception):
    """A zygote ended, does not answer, or cannot fork: this sandbox is of no more use."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The ground that programs stand on."""

    folder: str = WORK
    """Their working folder."""
    one_uid: bool = False
    """There is no second uid to run programs under: each gets a zygote of its own, which is used once."""
    memory_files: bool = True
    """Programs may make files in memory: those without a name are counted."""
    wrapper: tuple[str, ...] = ()
    """A command that runs another in a sandbox of its own, for the zygotes."""
    python: tuple[str, ...] = (sys.executable, "-I", "-S")
    """The zygotes' interpreter, as it is called inside `wrapper`."""
    supervisor: str = str(Path(__file__).parents[1])
    """The folder that `zygote.py` is in, likewise."""


class Zygote:
    """A zygote process and the socket to it.

    It is a fresh interpreter, not a fork of this process, whose memory has held programs and tests.
    """

    def __init__(self, preload: Sequence[str], ground: Ground) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(*ground.wrapper, *ground.python, f"{ground.supervisor}/zygote.py"),
                    *(
                        str(theirs.fileno()),
                        ",".join(preload),
                        str(int(ground.one_uid)),
                        str(int(ground.memory_files)),
                    ),
                ],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self.pid = self._process.pid
        self.expect("ready", _START_WITHIN_SECONDS)

    def fileno(self) -> int:
        """Readable when it has something to say."""
        return self._socket.fileno()

    def order(self, order: Message, descriptors: Sequence[int] = ()) -> None:
        """Hand it an order."""
        try:
            socket.send_fds(self._socket, [json.dumps(order).encode()], list(descriptors))
        except OSError as error:
            raise ZygoteGone(f"the zygote takes no orders: {error}") from error

    def hear(self, timeout_seconds: float = 0.0) -> Message | None:
        """Return its next message, None when there is none within the timeout."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(max(0.0, timeout_seconds) * 1000):
            return None
        try:
            data = self._socket.recv(1 << 16)
        except OSError as error:
            raise ZygoteGone(f"the zygote has ended: {error}") from error
        if not data:
            raise ZygoteGone("the zygote has ended")
        message = json.loads(data)
        if message["said"] == "fault":
            raise ZygoteGone(message["reason"])
        return message

    def expect(self, said: str, within_seconds: float) -> Message:
        """Return its next message of that kind, passing over others."""
        deadline = time.monotonic() + within_seconds
        while True:
            message = self.hear(deadline - time.monotonic())
            if message is None:
                raise ZygoteGone(f"the zygote did not say '{said}' within {within_seconds:g} s")
            if message["said"] == said:
                return message

    def end(self) -> None:
        """Kill it; everything in its sandbox goes with it, if it has one of its own."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


class Zygotes:
    """One zygote for each set of preloaded modules; where there is only one uid, one for each process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._kept: dict[tuple[str, ...], Zygote] = {}
        self._spares: list[Zygote] = []
        self._lent: set[Zygote] = set()
        self.prepare()

    def take(self, preload: Sequence[str]) -> Zygote:
        """A zygote for what imports `preload`."""
        key = tuple(preload)
        if self._ground.one_uid:
            lent = self._spares.pop() if self._spares and not key else Zygote(key, self._ground)
            self._lent.add(lent)
            return lent
        if key not in self._kept:
            self._kept[key] = Zygote(key, self._ground)
        return self._kept[key]

    def give_back(self, used: Zygote) -> None:
        """One that shared its uid with a program is not used again."""
        if self._ground.one_uid:
            self._lent.discard(used)
            used.end()

    def prepare(self) -> None:
        """Have what the next program will need."""
        if not self._ground.one_uid:
            self.take(())
        while self._ground.one_uid and len(self._spares) < 2:
            self._spares.append(Zygote((), self._ground))

    @property
    def pids(self) -> set[int]:
        """The zygotes' own processes."""
        return {one.pid for one in (*self._kept.values(), *self._spares, *self._lent)}
