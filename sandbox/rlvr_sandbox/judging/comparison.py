"""Compare a program's answer with the expected one. Decided on the host, on data; nothing is evaluated."""

from __future__ import annotations

import decimal
import fractions
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rlvr_sandbox.image.messages import Encoded, Tagged
from rlvr_sandbox.programs import Comparison

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_FLOAT_TOLERANCE = 1e-6


def same_output(expected: str, got: str, comparison: Comparison) -> bool:
    """Return True where a program's standard output `got` is the `expected` one."""
    expected, got = _newlines(expected), _newlines(got)
    if comparison is Comparison.EXACT:
        return expected.removesuffix("\n") == got.removesuffix("\n")
    if comparison is Comparison.LINES:
        return _lines(expected) == _lines(got)
    wanted, found = expected.split(), got.split()
    if comparison is Comparison.TOKENS:
        return wanted == found
    return len(wanted) == len(found) and all(map(_same_number_or_word, wanted, found))


def same_value(expected: Any, encoded: Encoded, float_tolerance: float, depth: int = 0) -> bool:
    """Return True where a value that a program returned, encoded by `image.talk.values`, is the `expected` JSON value.

    The encoded value is compared as it came, never built: hashes and constructors stay out of its reach.
    """
    if depth > 200:
        return False
    if expected is None or isinstance(expected, bool | str):
        return type(encoded) is type(expected) and encoded == expected
    if isinstance(expected, int | float):
        number = _number(encoded)
        return number is not None and _same_number(expected, number, float_tolerance)
    tag, items = _tagged(encoded)
    if tag == "array" and len(items) == 2:
        tag, items = _tagged(items[1])
    if isinstance(expected, Mapping):
        return tag in _MAPPINGS and _same_mapping(expected, items, float_tolerance, depth)
    if tag == "named":
        items = items[2:]
    return (
        tag in _SEQUENCES
        and len(items) == len(expected)
        and all(same_value(e, i, float_tolerance, depth + 1) for e, i in zip(expected, items, strict=True))
    )


def _tagged(encoded: Encoded) -> tuple[str, Tagged]:
    """An encoded value's tag and what follows it; no tag where there is none, as a program may write anything."""
    if not isinstance(encoded, list) or not encoded or not isinstance(encoded[0], str):
        return "", []
    return encoded[0], encoded[1:]


_SEQUENCES = {"list", "tuple", "named"}
_MAPPINGS = {"dict", "counter", "ordered"}


_BRACKETS = {
    "list": ("[", "]"),
    "tuple": ("(", ")"),
    "set": ("{", "}"),
    **dict.fromkeys(_MAPPINGS, ("{", "}")),
}
_SHOWN_PIECES = 10_000


def readable(encoded: Encoded) -> str:
    """An encoded value for a report; of one that has very many parts, the first."""
    pieces = list(itertools.islice(_pieces(encoded), _SHOWN_PIECES + 1))
    return "".join(pieces) if len(pieces) <= _SHOWN_PIECES else f"{''.join(pieces[:-1])} ..."


def _pieces(encoded: Encoded, depth: int = 0) -> Iterator[str]:
    if isinstance(encoded, list | dict):
        tag, items = _tagged(encoded)
    else:
        yield repr(encoded)
        return
    if depth > 20 or not tag:
        yield "..." if tag else "<no value>"
        return
    if tag == "handle":
        yield f"<{items[-1]} object>" if items and isinstance(items[-1], str) else "<object>"
        return
    opening, closing = _BRACKETS.get(tag, (f"{tag}(", ")"))
    yield opening
    for index, item in enumerate(items):
        if index:
            yield ", "
        if tag in _MAPPINGS and isinstance(item, list) and len(item) == 2:
            yield from _pieces(item[0], depth + 1)
            yield ": "
            item = item[1]
        yield from _pieces(item, depth + 1)
    yield closing


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _same_number_or_word(wanted: str, found: str) -> bool:
    if wanted == found:
        return True
    if not (_DECIMAL.fullmatch(wanted) and _DECIMAL.fullmatch(found)):
        return False
    one, other = float(wanted), float(found)
    if math.isinf(one) or math.isinf(other):
        return False  # too large to be told apart
    if wanted.lstrip("+-").isdigit():
        # Written as a float, an integer may be as far off as rounding takes it, and no part of what it is.
        return not found.lstrip("+-").isdigit() and _difference(wanted, found) <= _FLOAT_TOLERANCE
    return math.isclose(one, other, rel_tol=_FLOAT_TOLERANCE, abs_tol=_FLOAT_TOLERANCE)


def _difference(one: str, other: str) -> decimal.Decimal:
    with decimal.localcontext(decimal.Context()):
        return abs(decimal.Decimal(one) - decimal.Decimal(other))


def _number(encoded: Encoded) -> int | float | None:
    if isinstance(encoded, bool):
        return None
    if isinstance(encoded, int | float):
        return encoded
    if (
        isinstance(encoded, list)
        and len(encoded) == 2
        and encoded[0] == "int"
        and isinstance(encoded[1], str)
    ):
        try:
            return int(encoded[1], 16)
        except ValueError:
            return None
    return None


def _same_number(expected: int | float, number: int | float, float_tolerance: float) -> bool:
    if expected == number or (expected != expected and number != number):
        return True
    if isinstance(expected, int):
        near = isinstance(number, float) and math.isfinite(number)
        return near and abs(fractions.Fraction(number) - expected) <= float_tolerance
    try:
        return math.isclose(expected, number, rel_tol=float_tolerance, abs_tol=float_tolerance)
    except OverflowError:
        return False


def _same_mapping(expected: Mapping[str, object], items: Tagged, float_tolerance: float, depth: int) -> bool:
    found: dict[str, Encoded] = {}
    for item in items:
        if not isinstance(item, list) or len(item) != 2 or (key := _key(item[0])) is None:
            return False
        found[key] = item[1]
    wanted = {_key(key): value for key, value in expected.items()}
    return len(items) == len(found) == len(expected) and all(
        key in found and same_value(value, found[key], float_tolerance, depth + 1)
        for key, value in wanted.items()
    )


def _key(key: object) -> str | None:
    """A key as JSON writes it, where all are text: `1` is "1", `True` is "true". None for what JSON refuses."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    number = _number(key)
    try:
        return None if number is None else json.dumps(number)
    except ValueError:
        return None  # an integer of more digits than Python writes here
