"""Python values as JSON and back: how a program's answers leave its process.

Encoding happens beside the program, so nothing may rest on it; decoding makes plain data of Python's own
types, whatever it is fed, within limits. Scalars stand for themselves, everything else is a list with a
tag in front. A subclass is sent as the base type that it is, so that what it overrides stays behind.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import json
import sys
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.messages import Coded, Encoded, Tagged

MAX_BYTES = 8 << 20
MAX_DEPTH = 200
_PLAIN_INT = 1 << 53

Keep = Callable[[object], Tagged]
"""Makes a tagged list of an object that is no plain data."""
Restore = Callable[[Tagged], object]
"""The other way round."""


class BadValue(Exception):
    """A value that cannot cross, or bytes that are no value."""


def dumps(value: object, keep: Keep) -> bytes:
    """`value` as bytes. Raises BadValue where it is too deep or too large."""
    data = json.dumps(encode(value, keep), separators=(",", ":")).encode()
    if len(data) > MAX_BYTES:
        raise BadValue(f"a value of {len(data)} bytes; {MAX_BYTES} may cross")
    return data


def loads(data: bytes, restore: Restore) -> object:
    """The value in `data`. Raises BadValue where there is none."""
    if len(data) > MAX_BYTES:
        raise BadValue(f"a value of {len(data)} bytes; {MAX_BYTES} may cross")
    try:
        return decode(json.loads(data), restore)
    except BadValue:
        raise
    except (ValueError, TypeError, ArithmeticError, RecursionError, IndexError, MemoryError) as error:
        raise BadValue(f"not a value: {type(error).__name__}") from None


def encode(value: Any, keep: Keep, depth: int = 0) -> Encoded:
    """`value` as JSON data; `keep` makes a tagged list of what is no plain data."""
    kind = type(value)
    if value is None or kind is bool or kind is str or kind is float:
        return value
    if kind is int:
        return value if -_PLAIN_INT < value < _PLAIN_INT else ["int", hex(value)]
    if depth > MAX_DEPTH:
        raise BadValue(f"a value nested more than {MAX_DEPTH} deep")
    if write := _writer(kind):
        return write(value, lambda inner: encode(inner, keep, depth + 1))
    if kind.__module__ == "numpy" and "numpy" in sys.modules:
        return _write_numpy(value, keep, depth)
    return keep(value)


def decode(data: Encoded, restore: Restore, depth: int = 0) -> object:
    """The value that `encode` wrote; anything else raises BadValue, or one of the errors `loads` catches."""
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if depth > MAX_DEPTH:
        raise BadValue(f"a value nested more than {MAX_DEPTH} deep")
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        raise BadValue("not a value")
    read = _READERS.get(data[0])
    if read is None:
        return restore(data)
    return read(data[1:], lambda inner: decode(inner, restore, depth + 1))


Writer = Callable[[Any, Coded], Encoded]
"""Encodes a value of one type, and what is in it by the function that it is given."""


def _write_int(value: int, inner: Coded) -> Encoded:
    plain = int.__pos__(value)
    return plain if -_PLAIN_INT < plain < _PLAIN_INT else ["int", hex(plain)]


def _write_tuple(value: tuple[object, ...], inner: Coded) -> Encoded:
    items = [inner(item) for item in tuple.__iter__(value)]
    fields = getattr(type(value), "_fields", None)
    if isinstance(fields, tuple) and len(fields) == len(items) and all(type(f) is str for f in fields):
        return ["named", type(value).__name__, list(fields), *items]
    return ["tuple", *items]


def _write_dict(tag: str) -> Writer:
    return lambda value, inner: [tag, *([inner(k), inner(v)] for k, v in dict.items(value))]


def _write_each(tag: str, base: Any) -> Writer:
    return lambda value, inner: [tag, *(inner(item) for item in base.__iter__(value))]


_WRITERS: list[tuple[type, Writer]] = [
    (list, _write_each("list", list)),
    (tuple, _write_tuple),
    (collections.Counter, _write_dict("counter")),
    (collections.OrderedDict, _write_dict("ordered")),
    (dict, _write_dict("dict")),
    (set, _write_each("set", set)),
    (frozenset, _write_each("frozenset", frozenset)),
    (int, _write_int),
    (str, lambda v, inner: str.__str__(v) if type(v) is str else str.__add__("", v)),
    (float, lambda v, inner: float.__pos__(v)),
    (complex, lambda v, inner: ["complex", complex.__pos__(v).real, complex.__pos__(v).imag]),
    (bytes, lambda v, inner: ["bytes", bytes.hex(v)]),
    (bytearray, lambda v, inner: ["bytearray", bytearray.hex(v)]),
    (collections.deque, _write_each("deque", collections.deque)),
    (range, lambda v, inner: ["range", hex(v.start), hex(v.stop), hex(v.step)]),
    (slice, lambda v, inner: ["slice", inner(v.start), inner(v.stop), inner(v.step)]),
    (decimal.Decimal, lambda v, inner: ["decimal", decimal.Decimal.__str__(v)]),
    (fractions.Fraction, lambda v, inner: ["fraction", hex(v.numerator), hex(v.denominator)]),
    (datetime.datetime, lambda v, inner: ["datetime", datetime.datetime.isoformat(v)]),
    (datetime.date, lambda v, inner: ["date", datetime.date.isoformat(v)]),
    (datetime.time, lambda v, inner: ["time", datetime.time.isoformat(v)]),
    (datetime.timedelta, lambda v, inner: ["timedelta", v.days, v.seconds, v.microseconds]),
    (type(Ellipsis), lambda v, inner: ["ellipsis"]),
    (type(NotImplemented), lambda v, inner: ["notimplemented"]),
]


_EXACT = dict(_WRITERS)


def _writer(kind: type) -> Writer | None:
    """Return the writer of values of this class: as the first of the bases that it derives from."""
    if type(kind) is type and kind in _EXACT:  # a metaclass may forbid to hash its classes
        return _EXACT[kind]
    return next((write for base, write in _WRITERS if issubclass(kind, base)), None)


def _hex(text: str) -> int:
    return int(text, 16)


def _read_named(parts: Tagged, inner: Coded) -> object:
    name, fields, *items = parts
    values = [inner(item) for item in items]
    if len(fields) > 256:
        raise BadValue("a named tuple of more than 256 fields")
    return collections.namedtuple(str(name), [str(f) for f in fields])(*values)  # type: ignore[misc]


def _pairs(parts: Tagged, inner: Coded) -> list[tuple[object, object]]:
    return [(inner(key), inner(value)) for key, value in parts]


_READERS: dict[str, Callable[[Tagged, Coded], object]] = {
    "list": lambda parts, inner: [inner(part) for part in parts],
    "tuple": lambda parts, inner: tuple(inner(part) for part in parts),
    "named": _read_named,
    "counter": lambda parts, inner: collections.Counter(dict(_pairs(parts, inner))),
    "ordered": lambda parts, inner: collections.OrderedDict(_pairs(parts, inner)),
    "dict": lambda parts, inner: dict(_pairs(parts, inner)),
    "set": lambda parts, inner: {inner(part) for part in parts},
    "frozenset": lambda parts, inner: frozenset(inner(part) for part in parts),
    "int": lambda parts, inner: _hex(parts[0]),
    "complex": lambda parts, inner: complex(float(parts[0]), float(parts[1])),
    "bytes": lambda parts, inner: bytes.fromhex(parts[0]),
    "bytearray": lambda parts, inner: bytearray.fromhex(parts[0]),
    "deque": lambda parts, inner: collections.deque(inner(part) for part in parts),
    "range": lambda parts, inner: range(*map(_hex, parts)),
    "slice": lambda parts, inner: slice(*map(inner, parts)),
    "decimal": lambda parts, inner: decimal.Decimal(parts[0]),
    "fraction": lambda parts, inner: fractions.Fraction(*map(_hex, parts)),
    "datetime": lambda parts, inner: datetime.datetime.fromisoformat(parts[0]),
    "date": lambda parts, inner: datetime.date.fromisoformat(parts[0]),
    "time": lambda parts, inner: datetime.time.fromisoformat(parts[0]),
    "timedelta": lambda parts, inner: datetime.timedelta(*parts),
    "ellipsis": lambda parts, inner: ...,
    "notimplemented": lambda parts, inner: NotImplemented,
    "array": lambda parts, inner: _array(parts[0], inner(parts[1])),
}


def _write_numpy(value: Any, keep: Keep, depth: int) -> Encoded:
    """A scalar as Python's, an array of scalars as nested lists with its dtype."""
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.generic):
        return encode(value.item(), keep, depth + 1)
    if isinstance(value, numpy.ndarray) and value.dtype.name in _DTYPES:
        return ["array", value.dtype.name, encode(value.tolist(), keep, depth + 1)]
    return keep(value)


def _array(dtype: str, items: object) -> object:
    numpy = sys.modules.get("numpy")
    if numpy is None or dtype not in _DTYPES:
        return items
    return numpy.array(items, dtype=dtype)


_DTYPES = {
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64", "complex64", "complex128"),
}
