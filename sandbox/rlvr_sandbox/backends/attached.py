"""The two byte streams of a container, over the one connection on which Docker interleaves them."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import weakref
from collections.abc import Callable

from rlvr_sandbox.engines.engine import Engine
from rlvr_sandbox.errors import SandboxLost, SandboxUnavailable

_REQUEST = (
    "POST /v{version}/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
    "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
)
_HEADER = struct.Struct(">BxxxI")
_STDOUT = 1
_CHUNK = 1 << 18
_STDERR_TAIL = 4000
_STUCK_SECONDS = 60
"""After that long without taking a byte, the other side is taken for dead."""


class Streams:
    """Takes Docker's interleaving apart: each piece has 8 bytes before it, which stream and how long.

    Pieces are at most 32 KiB, and mostly arrive whole and alone, which costs one comparison.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._stderr = b""

    @property
    def stderr(self) -> str:
        """The end of what the container wrote to its standard error."""
        return self._stderr.decode(errors="replace").strip()

    def feed(self, data: bytes) -> bytes:
        """Take the standard output out of `data` and of what came before it; may be empty."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        pieces = []
        at, end = 0, len(data)
        while at < end:
            start = at + _HEADER.size
            if start > end:
                break
            stream, length = _HEADER.unpack_from(data, at)
            if start + length > end:
                break
            at = start + length
            if stream == _STDOUT:
                pieces.append(data[start:at])
            else:
                self._stderr = (self._stderr + data[start:at])[-_STDERR_TAIL:]
        self._rest = data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class AttachedContainer:
    """A supervisor in a container, as a `Channel`."""

    def __init__(self, id: str, connection: socket.socket, remove: Callable[[str], None]) -> None:
        self.id = id
        self._socket = connection
        self._streams = Streams()
        self._ended = False
        self._remove: Callable[[str], None] | None = remove
        _open.add(self)

    def fileno(self) -> int:
        """The connection's file descriptor."""
        return self._socket.fileno()

    def read(self) -> bytes:
        """Return the supervisor's output, at least one byte; empty when it is gone."""
        while True:
            try:
                data = self._received()
            except OSError:
                data = b""
            if not data:
                self._ended = True
                return b""
            if output := self._streams.feed(data):
                return output

    def _received(self) -> bytes:
        data = self._socket.recv(_CHUNK)
        if isinstance(self._socket, ssl.SSLSocket):
            # What TLS has decrypted already no longer makes the file descriptor readable.
            while waiting := self._socket.pending():
                data += self._socket.recv(waiting)
        return data

    def write(self, data: bytes) -> None:
        """Hand `data` to the supervisor. Raises SandboxLost."""
        try:
            if self._ended:
                raise ConnectionResetError("its output has ended")
            self._socket.sendall(data)
        except OSError as error:
            said = f"; it last said: {self.stderr}" if self.stderr else ""
            raise SandboxLost(f"container {self.id[:12]} is gone ({error}){said}") from error

    def interrupt(self) -> None:
        """Cut the connection: the supervisor ends when its input does."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        """Kill and remove the container. A daemon that is away is asked again once it is back."""
        remove, self._remove = self._remove, None
        if remove is None:
            return
        self.interrupt()
        self._socket.close()
        remove(self.id)

    @property
    def stderr(self) -> str:
        """The end of what the supervisor wrote to its standard error: nothing, unless it is broken."""
        return self._streams.stderr


_open: weakref.WeakSet[AttachedContainer] = weakref.WeakSet()


def _let_go_in_forks() -> None:
    # A fork that outlives this process would keep its containers alive.
    for container in list(_open):
        container._socket.close()


os.register_at_fork(after_in_child=_let_go_in_forks)


def attach(engine: Engine, id: str, remove: Callable[[str], None]) -> AttachedContainer:
    """Connect to a container that has been created and not yet started, so that nothing of it is missed.

    The connection begins as HTTP and then is the container's alone, which `docker` the package does not let
    go of. Raises SandboxUnavailable.
    """
    connection = engine.connect()
    try:
        connection.sendall(_REQUEST.format(version=engine.api.api_version, id=id).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = connection.recv(1)
            if not more:
                break
            head += more
        if not head.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")):
            said = head.partition(b"\r\n")[0].decode(errors="replace") or "nothing"
            raise SandboxUnavailable(
                f"the Docker engine at {engine.host} attaches us to no container: {said}"
            )
        connection.setblocking(True)
        limit = struct.pack("@ll", _STUCK_SECONDS, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    except BaseException:
        connection.close()
        raise
    return AttachedContainer(id, connection, remove)
