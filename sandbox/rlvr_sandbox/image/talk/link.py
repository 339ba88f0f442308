"""Messages between the supervisor's processes, and the files that they are handed."""

import json
import os
import socket
import struct

from rlvr_sandbox.image.messages import Encoded
from rlvr_sandbox.image.talk import values

_LENGTH = struct.Struct(">I")


class Link:
    """Length-prefixed JSON over a stream socket."""

    def __init__(self, stream: socket.socket) -> None:
        self._socket = stream

    def send(self, message: object) -> None:
        """Send one message."""
        self.send_bytes(json.dumps(message).encode())

    def send_bytes(self, data: bytes) -> None:
        """Send one message that is JSON already."""
        self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Encoded:
        """The next message; None when the other side is gone. Raises ValueError for what is no message."""
        head = self._exactly(_LENGTH.size)
        if head is None:
            return None
        (length,) = _LENGTH.unpack(head)
        if length > values.MAX_BYTES + 1024:
            raise ValueError(f"a message of {length} bytes")
        data = self._exactly(length)
        return None if data is None else json.loads(data)

    def _exactly(self, count: int) -> bytes | None:
        data = bytearray()
        while len(data) < count:
            try:
                chunk = self._socket.recv(min(count - len(data), 1 << 20))
            except OSError:
                return None
            if not chunk:
                return None
            data += chunk
        return bytes(data)


def read_all(descriptor: int) -> bytes:
    """All of a file, from its beginning, wherever others who share it have read to."""
    chunks, at = [], 0
    while chunk := os.pread(descriptor, 1 << 20, at):
        chunks.append(chunk)
        at += len(chunk)
    os.close(descriptor)
    return b"".join(chunks)
