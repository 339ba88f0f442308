"""The language of tests and program, in JSON: values, shared containers, and references to objects.

Scalars stand for themselves, everything else is a list with a tag in front. Only values of exactly Python's own
types cross as such; what else there is crosses as a reference to the side that has it (see `references`).
"""

from __future__ import annotations

import fractions
import sys
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.messages import Encoded, Message, Tagged
from rlvr_sandbox.image.talk import values
from rlvr_sandbox.image.talk.shared import KINDS, TYPES, Shared, is_array, read_dtype
from rlvr_sandbox.image.talk.values import BadValue

MAX_DEPTH = values.MAX_DEPTH
_BY_VALUE = (int, complex, bytes, range, slice, type(...), type(NotImplemented))
_NAMES_BY_VALUE = frozenset({"Decimal", "Fraction", "datetime", "date", "time", "timedelta"})
_ITSELF_CHARACTERS = 2
"""Text shorter than this is one object in a process anyhow."""
_PLAIN_INT = 1 << 53
_BY_VALUE_TAGS = frozenset(
    "int complex bytes range slice decimal fraction datetime date time timedelta ellipsis notimplemented".split()  # noqa: SIM905
)


class Codec:
    """Writes and reads values, and keeps the containers in them equal on both sides.

    Args:
        first: 0 or 1; see `Shared`.
        refer: the reference to an object that is no plain value, as a tagged list.
        resolve: the other way round. Raises BadValue for what is no reference.
    """

    def __init__(
        self, first: int, refer: Callable[[object, int], Tagged], resolve: Callable[[Tagged, int], object]
    ) -> None:
        self.shared = Shared(first)
        self._refer, self._resolve = refer, resolve
        self.on_text: Callable[[str], None] | None = None
        """Told of every text that crosses."""

    # -- writing ---------------------------------------------------------------------------------------------

    def encode(self, value: Any, depth: int = 0) -> Encoded:
        """`value` as JSON data. Raises BadValue where it is nested too deep."""
        kind = type(value)
        if kind is str and self.on_text:
            self.on_text(value)
        if value is None or kind is bool or kind is float or (kind is str and depth > 1):
            return value
        if kind is int:
            return value if -_PLAIN_INT < value < _PLAIN_INT else ["int", hex(value)]
        if depth > MAX_DEPTH:
            raise BadValue(f"a value nested more than {MAX_DEPTH} deep")
        if kind is str:
            return self._itself(value, depth)
        if type(kind) is not type and kind is not fractions.Fraction:
            return self._refer(value, depth)  # a metaclass may forbid to compare and to hash its classes
        if kind in TYPES:
            return self._container(value, TYPES[kind], depth)
        if kind is tuple:
            return self._tuple(value, depth)
        if kind is frozenset:
            return ["frozenset", *(self.encode(item, depth + 1) for item in value)]
        if kind in _BY_VALUE or (kind.__name__ in _NAMES_BY_VALUE and kind in values._EXACT):
            return values._EXACT[kind](value, lambda inner: self.encode(inner, depth + 1))
        if kind.__module__ == "numpy" and "numpy" in sys.modules:
            return self._numpy(value, depth)
        return self._refer(value, depth)

    def _container(self, value: object, name: str, depth: int) -> Encoded:
        number = self.shared.number_of(value)
        if number is not None:
            return ["s", number]
        kind = KINDS[name]
        number = self.shared.introduce(value, kind)
        return ["n", number, name, self.encode(kind.extra(value), depth + 1), self.contents(number, depth)]

    def contents(self, number: int, depth: int = 0) -> Encoded:
        """Write the contents of a container, which both sides hold from now on."""
        elements = self.shared.elements(number)
        if type(elements) is bytes:
            return elements.hex()
        return [self.encode(element, max(depth + 1, 2)) for element in elements]

    def _tuple(self, value: tuple[object, ...], depth: int) -> Encoded:
        if depth > 1:
            return ["tuple", *(self.encode(item, depth + 1) for item in value)]
        return self._itself(value, depth)

    def _itself(self, value: Any, depth: int) -> Encoded:
        """A value that cannot change, of an argument or a result: the same object is to come back as the same."""
        if len(value) < _ITSELF_CHARACTERS and type(value) is str:
            return value
        number = self.shared.number_of(value)
        if number is not None:
            return ["s", number]
        number = self.shared.introduce(value, None)
        if type(value) is str:
            return ["i", number, value]
        return ["i", number, ["tuple", *(self.encode(item, max(depth + 1, 2)) for item in value)]]

    def _numpy(self, value: Any, depth: int) -> Encoded:
        numpy = sys.modules["numpy"]
        if is_array(value):
            return self._container(value, "ndarray", depth)
        if isinstance(value, numpy.generic) and not value.dtype.hasobject and value.dtype.names is None:
            return ["scalar", value.dtype.str, value.tobytes().hex()]
        return self._refer(value, depth)

    # -- reading ---------------------------------------------------------------------------------------------

    def decode(self, data: Encoded, depth: int = 0) -> Any:
        """The value that `encode` wrote; anything else raises BadValue, or one of `values.READ_ERRORS`."""
        if data is None or isinstance(data, bool | int | float | str):
            return data
        if depth > 2 * MAX_DEPTH:
            raise BadValue(f"a value nested more than {MAX_DEPTH} deep")
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise BadValue("not a value")
        tag = data[0]
        if tag == "s":
            return self.shared.value(data[1])
        if tag == "n":
            return self._new(data, depth)
        if tag == "i":
            value = self.decode(data[2], depth + 1)
            if type(value) is not str and type(value) is not tuple:
                raise BadValue("not a value")
            self.shared.add(data[1], value, None)
            return value
        if tag == "tuple":
            return tuple([self.decode(item, depth + 1) for item in data[1:]])
        if tag == "frozenset":
            return frozenset([self.decode(item, depth + 1) for item in data[1:]])
        if tag == "scalar":
            return _scalar(*data[1:])
        if tag in _BY_VALUE_TAGS:
            return values._READERS[tag](data[1:], lambda inner: self.decode(inner, depth + 1))
        return self._resolve(data, depth)

    def _new(self, data: Tagged, depth: int) -> object:
        _, number, name, extra, contents = data
        kind = KINDS.get(name) if type(name) is str else None
        if kind is None:
            raise BadValue("no kind of container")
        if name == "ndarray":
            import numpy  # noqa: F401 - a program without arrays need not pay for it
        value = kind.make(self.decode(extra, depth + 1))
        self.shared.add(number, value, kind)
        self.fill(number, contents, depth)
        return value

    def fill(self, number: int, contents: Encoded, depth: int = 0) -> None:
        """Replace what a container holds by what was written."""
        if isinstance(contents, str):
            self.shared.fill(number, bytes.fromhex(contents))
            return
        if not isinstance(contents, list):
            raise BadValue("not a value")
        self.shared.fill(number, [self.decode(each, depth + 2) for each in contents])

    # -- when the turn changes -------------------------------------------------------------------------------

    def news(self) -> Message:
        """Return what the other side must know of shared containers before it goes on."""
        said: Message = {}
        if changed := self.shared.changed():
            said["changed"] = [[number, self.contents(number)] for number in changed]
        if gone := self.shared.let_go():
            said["gone"] = gone
        return said

    def learn(self, said: Message) -> None:
        """Take in the other side's news."""
        gone, changed = said.get("gone", []), said.get("changed", [])
        if not isinstance(gone, list) or not isinstance(changed, list):
            raise BadValue("not a value")
        for number, contents in changed:
            self.fill(number, contents)
        self.shared.forget([number for number in gone if type(number) is int])

    def share(self, value: object, name: str) -> Encoded:
        """A container of a class of one's own: its elements are shared as those of the base type `name` are."""
        number = self.shared.number_of(value)
        if number is not None:
            return ["s", number]
        kind = KINDS[name]
        number = self.shared.introduce(value, kind)
        return ["c", number, self.encode(kind.extra(value), 2), self.contents(number, 2)]

    def take_share(self, value: object, name: str, data: Encoded) -> None:
        """Fill `value`, an instance of a class that derives from the base type `name`."""
        if data[0] == "s":
            return
        self.shared.add(data[1], value, KINDS[name])
        self.fill(data[1], data[3], 2)


def _scalar(dtype: object, data: Any) -> Any:
    import numpy

    kind = read_dtype(dtype)
    if kind.hasobject or not isinstance(dtype, str):
        raise BadValue("no scalar")
    return numpy.frombuffer(bytes.fromhex(data), dtype=kind)[0]
