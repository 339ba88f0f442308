"""Describe the classes of one side to the other, so that their objects can be stood for over there."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import sys
import types
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.messages import Coded, Encoded

Shape = dict[str, Any]

IMMUTABLE: dict[str, type] = {
    each.__name__: each for each in (int, float, complex, str, bytes, tuple, frozenset)
}
CONTAINERS: dict[str, type] = {
    each.__name__: each
    for each in (
        *(collections.Counter, collections.OrderedDict, collections.defaultdict),
        *(list, dict, set, bytearray, collections.deque),
    )
}
PLAIN = IMMUTABLE | CONTAINERS
"""The types whose values a stand-in holds itself, whatever class it stands for."""

_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()  # noqa: SIM905
ARITHMETIC = frozenset(f"__{side}{name}__" for name in _BINARY for side in ("", "r", "i")) - {"__idivmod__"}
ORDER = frozenset({"__lt__", "__le__", "__gt__", "__ge__"})
NUMERIC = frozenset(
    f"__{name}__"
    for name in "int float complex index abs round trunc floor ceil bool neg pos invert".split()  # noqa: SIM905
)
SPECIALS = (
    ARITHMETIC
    | ORDER
    | NUMERIC
    | frozenset(
        f"__{name}__"
        for name in (  # noqa: SIM905
            "eq ne hash call len length_hint iter next reversed getitem setitem delitem missing contains "
            "enter exit await aiter anext aenter aexit str repr format bytes fspath copy deepcopy get set"
        ).split()
    )
)
META_SPECIALS = (
    *("__iter__", "__len__", "__getitem__", "__contains__", "__reversed__", "__or__", "__ror__"),
    *("__instancecheck__", "__subclasscheck__"),
)
_ABCS = ("Sequence", "MutableSequence", "Mapping", "MutableMapping", "Set", "MutableSet")
_ENUMS: dict[str, Any] = {
    name: getattr(enum, name) for name in ("IntFlag", "Flag", "StrEnum", "IntEnum", "Enum")
}
_MAX_DOC = 4000
_ROUTINES = (types.FunctionType, types.MethodDescriptorType)
_MODULES = sys.stdlib_module_names | {"numpy"}


def is_own(cls: type) -> bool:
    """A class that no library both sides have defines."""
    return str(getattr(cls, "__module__", "")).partition(".")[0] not in _MODULES


def describe(cls: type, refer: Callable[[type], Encoded], encode: Coded) -> Shape:
    """Describe a class to the other side, once; references to the classes it derives from come first."""
    mro = type.mro(cls)
    shape: Shape = {"name": cls.__name__, "module": str(cls.__module__), "qualname": cls.__qualname__}
    doc = vars(cls).get("__doc__") if is_own(cls) else None
    if type(doc) is str and len(doc) <= _MAX_DOC:
        shape["doc"] = doc
    shape["bases"] = [refer(base) for base in cls.__bases__ if is_own(base) and base is not object]
    base = next((each for each in mro if each in PLAIN.values()), None)
    shape["base"] = base.__name__ if base else None
    shape["specials"], shape["missing"] = _specials(mro)
    shape["methods"] = _methods(mro)
    shape["meta"] = [name for name in META_SPECIALS if _defined(type.mro(type(cls)), name, type)]
    shape["abcs"] = [name for name in _ABCS if not base and issubclass(cls, getattr(collections.abc, name))]
    if dataclasses.is_dataclass(cls):
        shape["fields"] = [
            [each.name, each.init, each.repr, each.compare, each.kw_only] for each in dataclasses.fields(cls)
        ]
    if isinstance(vars(cls).get("_fields"), tuple):
        shape["named"] = [str(each) for each in cls._fields]  # type: ignore[attr-defined]
    if issubclass(cls, BaseException):
        shape["exception"] = [[each.__module__, each.__qualname__] for each in mro if not is_own(each)]
    if issubclass(cls, enum.Enum) and isinstance(cls, enum.EnumMeta):
        shape["enum"] = _enumeration(cls, mro, encode)
    return shape


def _defined(mro: list[type], name: str, root: type) -> bool:
    found = next((each for each in mro if name in vars(each)), None)
    return found is not None and found not in (root, object)


def _specials(mro: list[type]) -> tuple[list[str], list[str]]:
    """The special methods that a class defines beyond its plain base, and those that it takes away."""
    has, lacks = [], []
    for name in SPECIALS:
        owner = next((each for each in mro if name in vars(each)), None)
        if owner is None or owner is object or owner in PLAIN.values():
            continue
        (lacks if vars(owner)[name] is None else has).append(name)
    return sorted(has), sorted(lacks)


def _methods(mro: list[type]) -> list[str]:
    """The names of its ordinary methods."""
    found: dict[str, bool] = {}
    for each in mro:
        if each is object or each in PLAIN.values():
            continue
        for name, value in vars(each).items():
            if not (name.startswith("__") and name.endswith("__")):
                found.setdefault(name, isinstance(value, _ROUTINES))
    return sorted(name for name, is_method in found.items() if is_method)


def _enumeration(cls: Any, mro: list[type], encode: Coded) -> Any:
    """Its members, where they can be made anew over there; None for one that compares in its own way."""
    own = [each for each in mro if is_own(each)]
    if any(name in vars(each) for each in own for name in ("__eq__", "__hash__")) or not cls.__members__:
        return None
    if not all(_is_simple(member._value_) for member in cls.__members__.values()):
        return None
    kind = next(name for name, each in _ENUMS.items() if issubclass(cls, each))
    mixin = next((each.__name__ for each in mro if each in IMMUTABLE.values()), None)
    return [kind, mixin, [[name, encode(member._value_)] for name, member in cls.__members__.items()]]


def _is_simple(value: object) -> bool:
    if type(value) is tuple:
        return all(map(_is_simple, value))
    return value is None or type(value) in (bool, int, float, str, bytes)


def enumeration(name: str, described: Any, decode: Coded, namespace: Any, meta: Any) -> Any:
    """The enumeration that `_enumeration` described, with real members."""
    kind, mixin, members = described
    base = _ENUMS[kind]
    mixin = str(mixin) if mixin is not None else None
    mixed = mixin is not None and not issubclass(base, IMMUTABLE[mixin])
    bases = (IMMUTABLE[mixin], base) if mixed and mixin else (base,)
    body = meta.__prepare__(name, bases)
    for key, value in namespace.items():
        body[key] = value
    for member, value in members:
        body[str(member)] = decode(value)
    return meta(name, bases, body)
