"""Stand-ins for the other side's classes and objects: they have what these have, and ask for the rest.

A class that stands for another defines the special methods that the other defines, and no more, so that `callable`,
`hasattr`, `len` or `with` find what they would find there. Each is a question to the other side.

In the tests' process some questions are not asked, because their answer would be the verdict (`standing`).
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable, Generator
from typing import Any, NoReturn, TypeVar

from rlvr_sandbox.image.stand_ins import shapes, standing
from rlvr_sandbox.image.stand_ins.asks import Asks, Special

Stand = TypeVar("Stand")
Trace = types.TracebackType | None

_side = Asks()


def speak_for(side: Asks) -> None:
    """Let all stand-ins of this process ask through `side`."""
    global _side
    _side = side


class Meta(type):
    """The class of classes that stand for another."""

    def __call__(cls, *arguments: object, **keywords: object) -> Any:
        """Make an object over there."""
        made = _side.ask("call", cls, *arguments, **keywords)
        if _side.judging:
            standing.made(made, cls)
        return made

    def __getattr__(cls, name: str) -> Any:
        if name in _NOT_ASKED or name in _KEPT or name in _NOT_HERE or name.startswith("__array"):
            raise AttributeError(name)  # numpy would let the program compare in its stead
        return _side.ask("get", cls, name)

    def __setattr__(cls, name: str, value: object) -> None:
        if name in _OURS or name.startswith("__abc"):
            type.__setattr__(cls, name, value)
        else:
            _side.ask("set", cls, name, value)

    def __hash__(cls) -> int:
        return id(cls) >> 4

    def __eq__(cls, other: object) -> bool:
        return cls is other


_NOT_ASKED = frozenset({"__abstractmethods__", "__isabstractmethod__", "__wrapped__", "__set_name__"})
_OURS = frozenset({"__module__", "__qualname__", "__dataclass_fields__", "__abstractmethods__", "__doc__"})
_KEPT = frozenset({"_rlvr_number", "_rlvr_heard", "_rlvr_made", "_rlvr_reached", "_rlvr_hash"})


class _Attributes:
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in _KEPT or name in _NOT_HERE or name.startswith("__array"):
            raise AttributeError(name)
        if _side.judging:
            standing.may_be_asked(self, name, None)
        return _side.ask("get", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _KEPT:
            object.__setattr__(self, name, value)
        else:
            _side.ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        _side.ask("delete", self, name)

    def __dir__(self) -> Any:
        return _side.ask("dir", self)

    def __str__(self) -> str:
        if _side.judging:
            standing.may_be_looked_into(self)
        return _text(_side.ask("text", self))

    def __repr__(self) -> str:
        if _side.judging:
            standing.may_be_looked_into(self)
        return _text(_side.ask("repr", self))

    def __copy__(self) -> object:
        return _side.ask("copy", self)

    def __deepcopy__(self, memo: object) -> object:
        return _side.ask("deep copy", self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("cannot pickle an object of another process")


_NOT_HERE = frozenset(
    f"__{name}__"
    for name in (  # noqa: SIM905
        "array array_interface array_struct array_ufunc array_function array_priority index iter len getitem "
        "length_hint fspath await aiter enter exit call set_name complex float int bytes getstate reduce globals "
    ).split()
)


class Proxy(_Attributes):
    """Stands for an object of the other side."""

    __slots__ = ("__weakref__", "_rlvr_hash", "_rlvr_heard", "_rlvr_made", "_rlvr_number", "_rlvr_reached")


class PlainProxy(_Attributes):
    """Stands for an object of a class that derives from a plain type, and has the value itself."""

    __slots__ = ()


def is_proxy(value: object) -> bool:
    """Return True where `value` stands for an object of the other side."""
    return isinstance(type(value), Meta) and issubclass(type(value), Proxy | PlainProxy)


def is_program_owned(value: object) -> bool:
    """Return True for an object, or a class, of the other side."""
    return isinstance(value, Meta) or is_proxy(value)


def mark(proxy: Stand, number: int) -> Stand:
    """Note in a new stand-in whom it stands for."""
    object.__setattr__(proxy, "_rlvr_number", number)
    return proxy


def number_of(proxy: object) -> int:
    """Whom it stands for."""
    return object.__getattribute__(proxy, "_rlvr_number")


def method(name: str) -> Special:
    """An ordinary method of that name."""

    def called(self: object, /, *arguments: object, **keywords: object) -> object:
        if _side.judging:
            standing.may_be_asked(self, name, arguments)
        return _side.ask("method", self, name, *arguments, **keywords)

    called.__name__ = called.__qualname__ = name
    called._rlvr_method = name  # type: ignore[attr-defined]
    return called


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("the object of the other process has no text")
    return str.__add__("", value)  # of exactly that type, whoever's text it is


def _hash(self: object) -> int:
    known = getattr(self, "_rlvr_hash", None)
    if known is None:
        known = _side.ask("special", self, "__hash__")
        if type(known) is not int:
            raise TypeError("the object of the other process has no hash")
    return known


def _special(name: str, base: type | None) -> Special:
    if name in _PARTICULAR:
        return _PARTICULAR[name](base)
    if name in shapes.ARITHMETIC:
        return _arithmetic(name, base)
    if name in shapes.ORDER or name in ("__eq__", "__ne__"):
        return _comparison(name, base)
    if name in shapes.NUMERIC:
        return _numeric(name, base)

    looks_into = name in ("__len__", "__iter__", "__reversed__", "__getitem__")

    def special(self: object, /, *arguments: object, **keywords: object) -> object:
        if looks_into and _side.judging:
            standing.may_be_looked_into(self)
        return _side.ask("special", self, name, *arguments, **keywords)

    return special


def _arithmetic(name: str, base: type | None) -> Special:
    native = getattr(base, name, None) if base else None

    def operate(self: object, other: object, *more: object) -> object:
        if not _side.judging:
            return _side.ask("special", self, name, other, *more)
        if base and not is_program_owned(other):
            return standing.operate_on_plain(_side, name, self, other, native, *more)
        return standing.operate(_side, name, self, other, *more)

    return operate


def _comparison(name: str, base: type | None) -> Special:
    native = getattr(base, name) if base else None

    def compare(self: object, other: object) -> object:
        if _side.judging and not is_program_owned(other):
            # The program would be told what is expected, and asked whether it is that.
            if native is None:
                return NotImplemented
            said = native(self, other)
            if said is True:  # it is told nothing new, and must not hide that its class is wrong
                standing.must_agree(self, _side.ask("special", self, name, other))
            return said
        return _side.ask("equal" if name == "__eq__" else "special", self, name, other)

    return compare


def _numeric(name: str, base: type | None) -> Special:
    native = getattr(base, name, None) if base else None

    def convert(self: object, *arguments: object) -> object:
        if _side.judging:
            if native is not None and not standing.is_made(self):
                return native(self, *arguments)
            standing.may_be_a_number(self)
        return _side.ask("special", self, name, *arguments)

    return convert


def _contains(base: type | None) -> Special:
    def contains(self: Any, item: object) -> object:
        if _side.judging:
            standing.may_be_looked_into(self)
        if not _side.judging or standing.is_asked_for(self):
            return _side.ask("contains", self, item)
        if base:
            return base.__contains__(self, item)  # type: ignore[attr-defined]
        return any(each is item or each == item for each in self)

    return contains


def _next(base: type | None) -> Special:
    def following(self: object) -> object:
        found = _side.ask("next", self)
        if not isinstance(found, list) or len(found) > 1:
            raise TypeError("the object of the other process is no iterator")
        if not found:
            raise StopIteration
        return found[0]

    return following


def _exit(base: type | None) -> Special:
    def leave(self: object, kind: object, error: BaseException | None, trace: Trace) -> object:
        suppress = _side.ask("special", self, "__exit__", kind, error, None)
        if _side.judging:
            return bool(suppress) and error is not None and standing.may_be_suppressed(error, trace)
        return suppress

    return leave


def _aexit(base: type | None) -> Special:
    async def leave(self: object, kind: object, error: BaseException | None, trace: Trace) -> object:
        suppress = await _side.ask("special", self, "__aexit__", kind, error, None)
        if _side.judging:
            return bool(suppress) and error is not None and standing.may_be_suppressed(error, trace)
        return suppress

    return leave


def _check(what: str, native: Callable[..., bool]) -> Callable[[type | None], Special]:
    """`isinstance` or `issubclass`, as the class of its class decides: a plain value is told where tests ask for it."""

    def make(base: type | None) -> Special:
        def check(cls: object, other: object) -> bool:
            if native(cls, other):
                return True
            told = not _side.judging or is_program_owned(other) or standing.is_class_asked_for(cls)
            return told and _side.ask(what, cls, other) is True

        return check

    return make


def _await(base: type | None) -> Special:
    def run(self: object) -> Generator[None, None, object]:
        """Run it in the other process's event loop, a little at a time, while this one's goes on."""
        number = _side.ask("start", self)
        while True:
            done = _side.ask("run", self, number)
            if isinstance(done, list) and len(done) == 1:
                return done[0]
            yield None

    return run


def _hashed(base: type | None) -> Special:
    return base.__hash__ if base else _hash


class _Steps:
    """A coroutine of the other side's, as this side's event loop steps through it."""

    def __init__(self) -> None:
        self._running: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def of(self, proxy: object) -> Any:
        """The steps of one coroutine."""
        if proxy not in self._running:
            self._running[proxy] = _await(None)(proxy)
        return self._running[proxy]


_steps = _Steps()
_COROUTINE: dict[str, Special] = {
    "send": lambda self, value: _steps.of(self).send(value),
    "throw": lambda self, *error: _steps.of(self).throw(*error),
    "close": lambda self: _steps.of(self).close(),
}

_PARTICULAR: dict[str, Callable[[type | None], Special]] = {
    "__hash__": _hashed,
    "__contains__": _contains,
    "__next__": _next,
    "__exit__": _exit,
    "__aexit__": _aexit,
    "__instancecheck__": _check("instance", type.__instancecheck__),
    "__subclasscheck__": _check("subclass", type.__subclasscheck__),
    "__await__": _await,
    "__str__": lambda base: _Attributes.__str__,
    "__repr__": lambda base: _Attributes.__repr__,
    "__copy__": lambda base: _Attributes.__copy__,
    "__deepcopy__": lambda base: _Attributes.__deepcopy__,
}
