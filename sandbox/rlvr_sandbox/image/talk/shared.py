"""Containers that tests and program both hold: each has its own copy, kept equal whenever the turn changes.

Only one side runs at a time. Before it hands over, it sends what has changed in the containers that both know,
so that each sees what it would see if there were one: changes in place, aliases, and the very same object again.
A container that one side has let go of is forgotten by both.
"""

from __future__ import annotations

import array
import collections
import sys
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.messages import Coded
from rlvr_sandbox.image.talk.values import BadValue

_ONLY_OURS = 2
"""References to an object that nothing but its entry holds: the entry's, and that of the call that counts."""


class Entry:
    """A container known to both sides."""

    __slots__ = ("kind", "last", "number", "value")

    def __init__(self, number: int, value: object, kind: Kind | None) -> None:
        self.number = number
        self.value = value
        self.kind = kind
        """None for what cannot change."""
        self.last: Any = None
        """Its elements when both sides were last equal; None until they are."""


class Shared:
    """The containers that both sides know, by number.

    Args:
        first: 0 or 1; the two sides number what they introduce evenly and oddly.
    """

    def __init__(self, first: int) -> None:
        self._next = first
        self._by_number: dict[int, Entry] = {}
        self._by_id: dict[int, Entry] = {}

    def number_of(self, value: object) -> int | None:
        """The number of a container that both know."""
        entry = self._by_id.get(id(value))
        return None if entry is None else entry.number

    def introduce(self, value: object, kind: Kind | None) -> int:
        """Number a container that the other side is about to be told of."""
        number, self._next = self._next, self._next + 2
        self._by_number[number] = self._by_id[id(value)] = Entry(number, value, kind)
        return number

    def add(self, number: int, value: object, kind: Kind | None) -> None:
        """Take a container under the number that the other side gave it."""
        if type(number) is not int or number in self._by_number or number % 2 == self._next % 2:
            raise BadValue("a container with a number that is not its own")
        self._by_number[number] = self._by_id[id(value)] = Entry(number, value, kind)

    def fill(self, number: int, elements: object) -> None:
        """Replace what a container holds by what the other side says it holds."""
        entry = self._entry(number)
        if entry.kind is None or (type(elements) is bytes) != entry.kind.in_bytes(entry.value):
            raise BadValue("what no such container holds")
        entry.kind.fill(entry.value, elements)
        entry.last = entry.kind.elements(entry.value)

    def elements(self, number: int) -> Any:
        """Return the elements of a container, remembered as what both sides hold."""
        entry = self._entry(number)
        assert entry.kind is not None
        entry.last = entry.kind.elements(entry.value)
        return entry.last

    def value(self, number: int) -> Any:
        """The container of that number. Raises BadValue where there is none."""
        return self._entry(number).value

    def _entry(self, number: int) -> Entry:
        entry = self._by_number.get(number) if type(number) is int else None
        if entry is None:
            raise BadValue("a container that nobody has sent")
        return entry

    def forget(self, numbers: list[int]) -> None:
        """Forget containers that the other side has let go of."""
        for number in numbers:
            entry = self._by_number.pop(number, None)
            if entry is not None:
                self._by_id.pop(id(entry.value), None)

    def let_go(self) -> list[int]:
        """Forget, and tell, the containers that nothing else here holds any more."""
        gone = []
        for entry in list(self._by_number.values()):
            if sys.getrefcount(entry.value) <= _ONLY_OURS:
                gone.append(entry.number)
                del self._by_number[entry.number], self._by_id[id(entry.value)]
                entry.value = entry.last = None  # so that what it held can go in the same round
        return gone

    def changed(self) -> list[int]:
        """The numbers of the containers that do not hold what both sides last held."""
        return [
            entry.number
            for entry in self._by_number.values()
            if entry.last is not None
            and entry.kind is not None
            and not _identical(entry.kind.elements(entry.value), entry.last)
        ]


def _identical(now: Any, last: Any) -> bool:
    """Element by element the same objects; nobody's `__eq__` is asked."""
    if type(now) is bytes:
        return now == last
    return len(now) == len(last) and all(map(_is, now, last))


def _is(one: object, other: object) -> bool:
    return one is other


class Kind:
    """The ways to take one type of container apart, to make one, and to fill it.

    Args:
        make: an empty one, from what `extra` says of a full one.
        elements: everything in it, as a flat list, or bytes.
        fill: replace what a container holds by elements.
        extra: what else makes one, as a value that can cross.
    """

    def __init__(
        self,
        make: Coded,
        elements: Coded,
        fill: Callable[[Any, Any], None],
        extra: Coded = lambda value: None,
    ) -> None:
        self.make, self.elements, self.fill, self.extra = make, elements, fill, extra

    def in_bytes(self, value: Any) -> bool:
        """Return True where the elements of `value` are bytes."""
        return isinstance(value, bytearray | array.array) or (is_array(value) and not value.dtype.hasobject)


def is_array(value: object) -> bool:
    """A numpy array, and of no subclass."""
    return type(value).__module__ == "numpy" and type(value).__name__ == "ndarray"


def _pairs(kind: Any) -> Callable[[Any], list[object]]:
    return lambda value: [each for pair in kind.items(value) for each in pair]


def _fill_list(value: Any, elements: list[object]) -> None:
    list.__setitem__(value, slice(None), elements)


def _fill_pairs(kind: Any) -> Callable[[Any, list[object]], None]:
    def fill(value: Any, elements: list[object]) -> None:
        kind.clear(value)
        for key, element in zip(elements[::2], elements[1::2], strict=True):
            kind.__setitem__(value, key, element)

    return fill


def _fill_set(value: Any, elements: list[object]) -> None:
    set.clear(value)
    set.update(value, elements)


def _fill_deque(value: Any, elements: list[object]) -> None:
    collections.deque.clear(value)
    collections.deque.extend(value, elements)


def _fill_bytes(value: Any, elements: bytes) -> None:
    value[:] = elements


def _fill_array(value: Any, elements: bytes) -> None:
    del value[:]
    value.frombytes(elements)


def _array_elements(value: Any) -> Any:
    return value.ravel().tolist() if value.dtype.hasobject else value.tobytes()


def _fill_ndarray(value: Any, elements: Any) -> None:
    numpy = sys.modules["numpy"]
    if value.dtype.hasobject:
        flat = numpy.empty(len(elements), dtype=value.dtype)
        for place, element in enumerate(elements):  # all at once, lists among them would be taken apart
            flat[place] = element
    else:
        flat = numpy.frombuffer(elements, dtype=value.dtype)
    value[...] = flat.reshape(value.shape)


def _made_ndarray(extra: Any) -> Any:
    dtype, shape = extra
    return sys.modules["numpy"].empty(shape, dtype=read_dtype(dtype))


def written_dtype(dtype: Any) -> Any:
    """A dtype as text, or as the fields of a structured one."""
    return dtype.str if dtype.names is None else dtype.descr


def read_dtype(written: object) -> Any:
    """The dtype that was written so."""
    return sys.modules["numpy"].dtype(written)


_LIST = Kind(lambda extra: [], list.copy, _fill_list)
_DICT = Kind(lambda extra: {}, _pairs(dict), _fill_pairs(dict))
_SET = Kind(lambda extra: set(), lambda value: list(set.__iter__(value)), _fill_set)
_DEQUE = Kind(
    lambda extra: collections.deque(maxlen=extra),
    lambda value: list(collections.deque.__iter__(value)),
    _fill_deque,
    lambda value: value.maxlen,
)

KINDS: dict[str, Kind] = {
    "list": _LIST,
    "dict": _DICT,
    "set": _SET,
    "bytearray": Kind(lambda extra: bytearray(), bytes, _fill_bytes),
    "deque": _DEQUE,
    "Counter": Kind(lambda extra: collections.Counter(), _pairs(dict), _fill_pairs(dict)),
    "OrderedDict": Kind(
        lambda extra: collections.OrderedDict(),
        _pairs(collections.OrderedDict),
        _fill_pairs(collections.OrderedDict),
    ),
    "defaultdict": Kind(
        lambda extra: collections.defaultdict(extra),
        _pairs(dict),
        _fill_pairs(dict),
        lambda value: value.default_factory,
    ),
    "array": Kind(
        lambda extra: array.array(extra),
        lambda value: value.tobytes(),
        _fill_array,
        lambda value: value.typecode,
    ),
    "ndarray": Kind(
        _made_ndarray, _array_elements, _fill_ndarray, lambda value: (written_dtype(value.dtype), value.shape)
    ),
}

TYPES: dict[type, str] = {
    list: "list",
    dict: "dict",
    set: "set",
    bytearray: "bytearray",
    collections.deque: "deque",
    collections.Counter: "Counter",
    collections.OrderedDict: "OrderedDict",
    collections.defaultdict: "defaultdict",
    array.array: "array",
}
"""The types that are containers, but for numpy's array, which may not be here."""
