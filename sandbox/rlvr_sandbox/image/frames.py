"""Frames on the pipe between host and supervisor: a JSON header, and a body of blobs that it describes."""

import json
import struct
from collections.abc import Callable, Sequence
from typing import TypeGuard

from rlvr_sandbox.image.messages import Message

_LENGTHS = struct.Struct(">II")
MAX_HEADER_BYTES = 4 << 20
MAX_BODY_BYTES = 512 << 20


class BrokenFrame(Exception):
    """Bytes arrived that are no frame: the other side is not what it should be."""


def pack(header: Message, blobs: Sequence[bytes] = ()) -> bytes:
    """One frame: `header`, with the lengths of `blobs` added to it, and the blobs."""
    head = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    return b"".join((_LENGTHS.pack(len(head), sum(map(len, blobs))), head, *blobs))


def _are_lengths(found: object) -> TypeGuard[list[int]]:
    return isinstance(found, list) and all(type(length) is int and length >= 0 for length in found)


class Reader:
    """Turns a byte stream into frames.

    Args:
        read: returns some bytes, none at the stream's end; may block.
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """True where bytes beyond the last frame have arrived already."""
        return bool(self._buffer)

    def frame(self) -> tuple[Message, list[bytes]] | None:
        """The next frame, waiting for it; None at the end of the stream. Raises BrokenFrame."""
        if not self._fill(_LENGTHS.size):
            return None
        header_length, body_length = _LENGTHS.unpack_from(self._buffer)
        if header_length > MAX_HEADER_BYTES or body_length > MAX_BODY_BYTES:
            raise BrokenFrame(f"a frame of {header_length} + {body_length} bytes")
        total = _LENGTHS.size + header_length + body_length
        if not self._fill(total):
            return None
        body_start = _LENGTHS.size + header_length
        try:
            header = json.loads(self._buffer[_LENGTHS.size : body_start])
        except (ValueError, RecursionError) as error:
            raise BrokenFrame(f"a frame with an unreadable header: {error}") from error
        lengths = header.get("blobs") if isinstance(header, dict) else None
        if not _are_lengths(lengths) or sum(lengths) != body_length:
            raise BrokenFrame("a frame whose header and body disagree")
        blobs, at = [], body_start
        for length in lengths:
            blobs.append(bytes(self._buffer[at : at + length]))
            at += length
        del self._buffer[:total]
        return header, blobs

    def _fill(self, count: int) -> bool:
        while len(self._buffer) < count:
            data = self._read()
            if not data:
                return False
            self._buffer += data
        return True
