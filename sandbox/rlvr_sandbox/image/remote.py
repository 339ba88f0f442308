"""The program as its tests see it: names and objects as handles, which ask its process and decide nothing.

What comes back is plain data of Python's own types, decoded within limits, or another handle.
"""

from __future__ import annotations

import builtins
import collections
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from rlvr_sandbox.image import values
from rlvr_sandbox.image.exceptions import StandIn, raised, stand_ins
from rlvr_sandbox.image.link import Link

SHOWN_CHARACTERS = 2000
_CONTAINERS = (list, dict, set, bytearray, collections.deque)


class ProgramGone(BaseException):
    """The program's process ended, or stopped speaking sense. A test that catches it fails all the same."""


class CannotCross(Exception):
    """A test handed the program something that only exists in the tests' process."""


class Remote:
    """The program's process, asked one thing at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.calls = 0
        self.gone: ProgramGone | None = None
        self.names: tuple[str, ...] = ()
        self.stand_ins: dict[str, type[Exception]] = {}
        self._handles: weakref.WeakValueDictionary[int, Handle] = weakref.WeakValueDictionary()
        self._last: tuple[list[Any], tuple[Any, ...], dict[str, Any], object] | None = None

    def wait_until_loaded(self, names: list[str]) -> None:
        """Raises ProgramGone where the program did not get as far as defining its names."""
        said = self._receive()
        if not said.get("ready"):
            raise self.lost("invalid" if said.get("gone") == "invalid" else "it ended while it was loaded")
        self.names = tuple(names)
        self.stand_ins = stand_ins(said.get("exceptions"), names)

    def named(self, name: str) -> Any:
        """What the tests find under a name of the program's."""
        return self.stand_ins.get(name) or Handle(self, ["name", name])

    def ask(self, *request: Any) -> Any:
        """The answer's value; what the program raised is raised here."""
        self.calls += 1
        try:
            self._link.send(list(request))
        except OSError:
            raise self.lost("it has ended") from None
        answer = self._receive()
        if "raised" in answer:
            raise raised(answer, self.stand_ins, self._value(answer.get("told"), _no_handle))
        return self._value(answer.get("value")), answer.get("changed")

    def call(self, target: list[Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call the program; arguments it changed in place are changed here too when it returned None."""
        value, changed = self.ask("call", target, self.encode(arguments), self.encode(keywords))
        self._last = (target, arguments, keywords, value)
        if value is None and changed is not None:
            given = (*arguments, *keywords.values())
            for argument, after in zip(given, self._changed(changed), strict=False):
                _write_back(argument, after)
        return value

    def lost(self, reason: str) -> ProgramGone:
        """To be raised; remembered, so that no test passes by catching it."""
        self.gone = ProgramGone(reason)
        return self.gone

    def encode(self, value: object) -> Any:
        """`value` for the program; handles go back as what they stand for."""
        return values.encode(value, _for_the_program)

    def last(self) -> dict[str, str]:
        """The last call and what it returned, for a report."""
        if self._last is None:
            return {}
        target, arguments, keywords, value = self._last
        return {"input": _shown_call(target, arguments, keywords), "got": _shown(value)}

    def _changed(self, encoded: Any) -> list[Any]:
        changed = self._value(encoded)
        return changed if isinstance(changed, list) else []

    def _value(self, encoded: Any, handle: Callable[[list[Any]], object] | None = None) -> Any:
        try:
            return values.decode(encoded, handle or self._handle)
        except (
            values.BadValue,
            ValueError,
            TypeError,
            ArithmeticError,
            LookupError,
            RecursionError,
        ) as error:
            raise self.lost(f"it answered what is no value: {error}") from None

    def _handle(self, data: list[Any]) -> Handle:
        tag, number, kind = data
        if tag != "handle" or type(number) is not int or not isinstance(kind, str):
            raise values.BadValue("not a value")
        return self._handles.setdefault(number, Handle(self, ["handle", number, kind[:100]]))

    def _receive(self) -> dict[str, Any]:
        try:
            answer = self._link.receive()
        except (ValueError, RecursionError, MemoryError) as error:
            raise self.lost(f"it said what is no message: {error}") from None
        if not isinstance(answer, dict) or not ({"value", "raised", "ready", "gone"} & answer.keys()):
            raise self.lost("it has ended" if answer is None else "it said what is no message")
        return answer


def _no_handle(data: list[Any]) -> object:
    raise values.BadValue("what an exception tells is plain data")


class Handle:
    """An object of the program, seen from the tests: it can be called, read, iterated and passed back.

    It decides nothing. It is equal to no value of this process, but for the plain contents of a container; two
    handles are equal when they are of one class and what they consist of is equal. Both are compared here.
    Operators work between two handles only, as one that knew the other operand could answer whatever is wanted.
    """

    __slots__ = ("__weakref__", "_remote", "_target")
    _remote: Remote
    _target: list[Any]

    def __init__(self, remote: Remote, target: list[Any]) -> None:
        object.__setattr__(self, "_remote", remote)
        object.__setattr__(self, "_target", target)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it in the program's process."""
        return self._remote.call(self._target, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._ask("attribute", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("set attribute", name, self._remote.encode(value))

    def __getitem__(self, key: Any) -> Any:
        return self._ask("item", self._remote.encode(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask("set item", self._remote.encode(key), self._remote.encode(value))

    def __delitem__(self, key: Any) -> None:
        self._ask("delete item", self._remote.encode(key))

    def __len__(self) -> int:
        return self._ask("length")

    def __iter__(self) -> Iterator[Any]:
        return _Iterator(self._ask("iterate"))

    def __next__(self) -> Any:
        return _next(self)

    def __str__(self) -> str:
        return _text(self._ask("text"))

    def __repr__(self) -> str:
        return _text(self._ask("repr"))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Handle):
            return _same(self, other)
        if not isinstance(other, _CONTAINERS):
            return False
        contents = self._ask("contents")
        return isinstance(contents, _CONTAINERS) and contents == other

    def __hash__(self) -> int:
        return self._ask("hash")

    def __bool__(self) -> bool:
        known = self._target[0] == "handle" and self._target[-1] in self._remote.names
        if known and self._ask("is plainly true") is True:
            return True  # as an instance of a class that the tests know is, unless that class says otherwise
        raise TypeError("the program returned an object that is no plain value: it is neither true nor false")

    def __contains__(self, item: object) -> bool:
        return any(
            each is item or each == item for each in self
        )  # decided here, whatever it says it contains

    def __instancecheck__(self, instance: object) -> bool:
        return (
            isinstance(instance, Handle) and self._ask("has instance", self._remote.encode(instance)) is True
        )

    def __subclasscheck__(self, derived: object) -> bool:
        return isinstance(derived, Handle) and self._ask("has subclass", self._remote.encode(derived)) is True

    def _ask(self, what: str, *more: Any) -> Any:
        return self._remote.ask(what, self._target, *more)[0]


class _Iterator:
    """Walks over what the program yields. Whatever the program does, its end is decided by a list's length."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if isinstance(self._source, Handle):
            return _next(self._source)
        raise TypeError("the program's object cannot be iterated")


def _next(handle: Handle) -> Any:
    found = handle._ask("next")
    if type(found) is not list or len(found) > 1:
        raise handle._remote.lost("it said what is no message")
    if not found:
        raise StopIteration
    return found[0]


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError("the program's object has no text")
    return value


def _operator(name: str) -> Any:
    def operate(self: Handle, other: object) -> Any:
        if not isinstance(other, Handle):
            return NotImplemented
        return self._ask("operate", name, self._remote.encode(other))

    return operate


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(Handle, f"__{_name}__", _operator(_name))
for _name in ("and", "or", "xor"):
    setattr(Handle, f"__{_name}__", _operator(f"{_name}_"))


def _unary(name: str) -> Any:
    return lambda self: self._ask(name)


for _name in ("neg", "pos", "abs", "invert", "int", "float"):
    setattr(Handle, f"__{_name}__", _unary(_name))


def _same(one: Handle, other: Handle) -> bool:
    if one._target == other._target:
        return True
    if one._target[0] != "handle" or one._target[2:] != other._target[2:]:
        return False
    mine, theirs = one._ask("state"), other._ask("state")
    return type(mine) is dict and type(theirs) is dict and mine == theirs


def _for_the_program(value: object) -> list[Any]:
    if isinstance(value, Handle):
        return value._target
    if isinstance(value, type) and issubclass(value, StandIn):
        return ["name", value.__name__]
    if isinstance(value, StandIn) or hasattr(value, "__program_raised__"):
        raise TypeError(f"{type(value).__name__} is an exception in the program: instances stay in the tests")
    name = getattr(value, "__name__", None)
    if type(name) is str and vars(builtins).get(name) is value:
        return ["builtin", name]  # a type or function that Python gives both sides
    raise CannotCross(
        f"a test hands the program a {type(value).__name__}, which cannot leave the tests' process; "
        "AssertTests(in_process=True) runs such tests within the program's reach"
    )


def _write_back(argument: object, after: object) -> None:
    if type(argument) is not type(after):
        return
    if isinstance(argument, collections.deque) and isinstance(after, collections.deque):
        argument.clear()
        argument.extend(after)
    elif isinstance(argument, list | bytearray):
        argument[:] = after  # type: ignore[assignment, index]
    elif isinstance(argument, dict | set) and isinstance(after, dict | set):
        argument.clear()
        argument.update(after)  # type: ignore[arg-type]


def _shown(value: object) -> str:
    """A value in a report. A handle is named and not asked."""
    if isinstance(value, Handle):
        return f"<{value._target[-1]} object of the program>"
    try:
        text = repr(value)
    except (ValueError, RecursionError, MemoryError):
        text = f"<{type(value).__name__} too large to show>"
    return (
        text
        if len(text) <= SHOWN_CHARACTERS
        else f"{text[: SHOWN_CHARACTERS // 2]} ... {text[-SHOWN_CHARACTERS // 2 :]}"
    )


def _shown_call(target: list[Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    given = [*map(_shown, arguments), *(f"{key}={_shown(value)}" for key, value in keywords.items())]
    return f"{target[1] if target[0] == 'name' else 'object'}({', '.join(given)})"
