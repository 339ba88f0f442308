"""References: what crosses in the place of an object that is no plain value, and what stands for it over there.

Each side numbers the objects and classes that it hands over. `h` and `k` are an object and a class of the sender's,
`o` is one of the receiver's.
"""

from __future__ import annotations

import collections
import enum
import pathlib
import sys
import types
import weakref
from typing import Any, Protocol, cast

from rlvr_sandbox.image.messages import Tagged
from rlvr_sandbox.image.stand_ins import building, proxies, shapes
from rlvr_sandbox.image.stand_ins.harmless import OF_ONE_VALUE
from rlvr_sandbox.image.talk import values
from rlvr_sandbox.image.talk.exceptions import read_exception, written_exception
from rlvr_sandbox.image.talk.values import BadValue
from rlvr_sandbox.image.talk.wire import Codec

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}


class Side(Protocol):
    """The rules of one side on what may be named and used."""

    def may_name(self, module: str, name: str) -> bool:
        """Return True where the other side takes that class or function from this one by name."""
        ...

    def known(self, module: str, qualname: str) -> object:
        """Return a class or function that both sides have. Raises BadValue for what the other side may not name."""
        ...

    def module(self, name: str) -> object:
        """Return a module of a library that both have. Raises BadValue where it may not be named."""
        ...

    def refuse_target(self, written: object) -> None:
        """Raise where what is asked is none of this side's objects that were handed over."""
        ...

    def refuse(self, what: str, target: object, arguments: list[object]) -> None:
        """Raise where the other side may not ask that."""
        ...


class References:
    """The objects that one side has handed over, and its stand-ins for those of the other.

    Args:
        first: 0 for the program, 1 for the tests: whose numbers are even.
        side: whose they are.
    """

    def __init__(self, first: int, side: Side) -> None:
        self.codec = Codec(first, self._refer, self._resolve)
        self._side = side
        self._own: list[Any] = []
        self._own_numbers: dict[int, int] = {}
        self._theirs: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._theirs_kept: dict[int, Any] = {}
        self._their_classes: dict[int, Any] = {}
        self._class_numbers: dict[int, int] = {}
        self._real_enumerations: set[type] = set()

    # -- writing ---------------------------------------------------------------------------------------------

    def _refer(self, value: Any, depth: int) -> Tagged:
        kind = type(value)
        if proxies.is_proxy(value):
            return ["o", proxies.number_of(value)]
        if isinstance(value, type):
            return self._class(value)
        if kind is types.MethodType and hasattr(value.__func__, "_rlvr_method"):
            return ["m", self.codec.encode(value.__self__, depth + 1), value.__func__._rlvr_method]
        if isinstance(kind, building.EnumMeta | enum.EnumMeta) and isinstance(value, enum.Enum):
            return self._member(value, depth)
        if isinstance(value, BaseException):
            return written_exception(
                value, self._class, lambda inner: self.codec.encode(inner, depth + 2), self._number, depth
            )
        if kind in _VIEWS:
            pairs = {"keys": dict.fromkeys, "values": lambda v: dict(enumerate(v)), "items": dict}
            return ["view", _VIEWS[kind], self.codec.encode(pairs[_VIEWS[kind]](value), depth + 2)]
        if kind is collections.ChainMap:
            return ["chain", *(self.codec.encode(each, depth + 1) for each in value.maps)]
        if kind is types.MappingProxyType:
            return ["read only", self.codec.encode(dict(value), depth + 2)]
        if kind is pathlib.PosixPath:
            return ["path", self.codec.encode(str(value), 2)]
        if kind is types.ModuleType and value.__name__.partition(".")[0] in shapes._MODULES:
            return ["module", value.__name__]
        named = self._named(value) if isinstance(value, _FUNCTIONS) else None
        return named or self._object(value, depth)

    def _named(self, value: object) -> Tagged | None:
        """A class or function that both sides have, by its name."""
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if (
            type(module) is not str
            or type(name) is not str
            or module.partition(".")[0] not in shapes._MODULES
        ):
            return None
        if isinstance(value, type) and value.__name__ in OF_ONE_VALUE and module == "builtins":
            module = "types"
        if getattr(sys.modules.get(module), name, None) is not value:
            return None
        return ["g", module, name] if self._side.may_name(module, name) else None

    def _object(self, value: Any, depth: int) -> Tagged:
        said: Tagged = ["h", self._number(value), self._described(type(value))]
        base = _plain_base(type(value))
        if base is None:
            return said
        if base.__name__ in shapes.CONTAINERS:
            return [*said, self.codec.share(value, base.__name__)]
        if base is tuple:
            return [*said, ["tuple", *(self.codec.encode(each, depth + 2) for each in tuple.__iter__(value))]]
        plain = values._EXACT[base](value, lambda inner: self.codec.encode(inner, depth + 2))
        return [*said, plain]

    def _number(self, value: object) -> int:
        number = self._own_numbers.setdefault(id(value), len(self._own))
        if number == len(self._own):
            self._own.append(value)
        return number

    def _class(self, cls: type) -> Tagged:
        if id(cls) in self._class_numbers:
            return ["o", self._class_numbers[id(cls)]]
        return self._named(cls) or self._described(cls)

    def _described(self, cls: type) -> Tagged:
        """A class of this side's; what it is like is told the first time."""
        if cls is types.FunctionType:
            return ["f"]
        if id(cls) in self._class_numbers:
            return ["o", self._class_numbers[id(cls)]]
        known = id(cls) in self._own_numbers
        number = self._number(cls)
        if known:
            return ["k", number]
        shape = shapes.describe(cls, self._class, lambda value: self.codec.encode(value, 2))
        if shape.get("enum"):
            self._real_enumerations.add(cls)
        return ["k", number, shape]

    def _member(self, value: Any, depth: int) -> Tagged:
        """A member of an enumeration, where there is one like it on the other side."""
        known = self._class(type(value))
        if known[0] == "k" and type(value) not in self._real_enumerations:
            return self._object(value, depth)
        name = value._name_
        return [
            "e",
            known,
            [name] if name in type(value).__members__ else self.codec.encode(value._value_, 2),
        ]

    # -- reading ---------------------------------------------------------------------------------------------

    def _resolve(self, data: Tagged, depth: int) -> object:
        match data:
            case ["o", int(number)] if 0 <= number < len(self._own):
                return self._own[number]
            case ["h", int(number), cls, *more]:
                return self._stand_in(number, cls, more, depth)
            case ["k", int(number), *shape]:
                return self._their_class(number, shape)
            case ["f"]:
                return _FUNCTION
            case ["g", str(module), str(name)]:
                return self._side.known(module, name)
            case ["m", ["o" | "e", *_] as target, str(name)]:
                self._side.refuse_target(target)
                found = self.codec.decode(target, depth + 1)
                self._side.refuse("get", found, [name])
                return getattr(found, name)
            case ["e", cls, member]:
                found = self.codec.decode(cls, depth + 1)
                if not isinstance(found, enum.EnumMeta):
                    raise BadValue("no enumeration")
                named = isinstance(member, list) and len(member) == 1
                return found[member[0]] if named else found(self.codec.decode(member, depth + 1))
            case ["x", *parts]:
                return read_exception(parts, lambda inner: self.codec.decode(inner, depth + 1))
            case ["view", str(kind), mapping]:
                known = self.codec.decode(mapping, depth + 1)
                if type(known) is not dict or kind not in _VIEWS.values():
                    raise BadValue("no view")
                return getattr(known, kind)()
            case ["chain", *maps]:
                return collections.ChainMap(*(self.codec.decode(each, depth + 1) for each in maps))
            case ["read only", mapping]:
                return types.MappingProxyType(self.codec.decode(mapping, depth + 1))
            case ["path", text]:
                return pathlib.PosixPath(self.codec.decode(text, depth + 1))
            case ["module", str(name)]:
                return self._side.module(name)
        raise BadValue("not a value")

    def _their_class(self, number: int, shape: Tagged) -> Any:
        if number in self._their_classes:
            return self._their_classes[number]
        if not shape or not isinstance(shape[0], dict):
            raise BadValue("a class that nobody has described")
        bases = [self.codec.decode(each, 1) for each in shape[0]["bases"]]
        made = building.build(
            shape[0],
            [each for each in bases if isinstance(each, type)],
            lambda inner: self.codec.decode(inner, 1),
        )
        self._their_classes[number] = made
        self._class_numbers[id(made)] = number
        return made

    def _stand_in(self, number: int, cls: object, more: Tagged, depth: int) -> object:
        made = self.codec.decode(cls, depth + 1)
        known = self._theirs.get(number) if number not in self._theirs_kept else self._theirs_kept[number]
        if known is not None:
            base = _plain_base(type(known))
            if base is not None and base.__name__ in shapes.CONTAINERS and more:
                self.codec.take_share(known, base.__name__, more[0])
            return known
        if not isinstance(made, type) or not issubclass(made, proxies.Proxy | proxies.PlainProxy):
            raise BadValue("an object of no class")
        base = _plain_base(made)
        if base is None:
            self._theirs[number] = found = proxies.mark(object.__new__(made), number)  # type: ignore[arg-type]
            return found
        if not more:
            raise BadValue("no value")
        if base.__name__ in shapes.CONTAINERS:
            found = proxies.mark(cast(Any, base).__new__(made), number)
            cast(Any, base).__init__(found)
            self._theirs[number] = found
            self.codec.take_share(found, base.__name__, more[0])
            return found
        value = self.codec.decode(more[0], depth + 1)
        if type(value) is not base:
            raise BadValue("another value than its class has")
        self._theirs_kept[number] = found = proxies.mark(cast(Any, base).__new__(made, value), number)
        return found


_FUNCTION = building.build(
    shapes.describe(types.FunctionType, lambda cls: None, lambda value: None), [], lambda data: None
)
"""Stands for functions, of which every program has some: made once, not for each."""


def _plain_base(cls: type) -> type | None:
    return next((each for each in type.mro(cls) if each in _PLAIN), None)


_PLAIN = frozenset(shapes.PLAIN.values())
