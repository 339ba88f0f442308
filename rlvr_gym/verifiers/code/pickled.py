"""Pickles of one text, read without loading them."""

from __future__ import annotations

import pickletools

from rlvr_gym.errors import DataError

_TEXT = {
    "UNICODE",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "SHORT_BINBYTES",
    "BINBYTES",
    "BINBYTES8",
}
_AROUND_IT = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"}
_FIRST_BYTES = b"\x80VXBC"
"""The mark of the protocol, or the opcode of the text itself."""


def is_pickle(data: bytes) -> bool:
    """Return whether `data` begins as the pickle of a text does, and no JSON list does."""
    return bool(data) and data[0] in _FIRST_BYTES


def pickled_text(data: bytes) -> str | bytes:
    """The one text that a pickle holds.

    Its opcodes are read and never carried out, so that a pickle can name no class, call nothing, and reserve no memory
    beyond its own length. Raises DataError for one of anything but a text.
    """
    found: list[str | bytes] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in _TEXT and isinstance(argument, str | bytes) and not found:
                found.append(argument)
            elif opcode.name not in _AROUND_IT:
                raise DataError(
                    f"the packed tests are a Python pickle of more than a text (opcode {opcode.name}), which can run "
                    "any code when it is loaded: refused; expected JSON, or a pickle of JSON as one text"
                )
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"the packed tests are a broken pickle, expected JSON: {error}") from error
    if not found:
        raise DataError("the packed tests are a Python pickle without a text, expected JSON")
    return found[0]
