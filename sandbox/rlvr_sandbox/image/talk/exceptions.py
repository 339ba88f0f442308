"""Exceptions that cross: Python's own of the same kind, or stand-ins for the program's, with what they carry.

A test may expect an exception of the program's by name. A class of that name stands for it, which derives from what
the program says that the real one derives from, and from nothing that would mean something to the tests' process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.messages import Coded, Encoded, Tagged
from rlvr_sandbox.image.stand_ins import proxies
from rlvr_sandbox.image.stand_ins.shapes import Shape
from rlvr_sandbox.image.talk.values import BadValue

_SHOWN = 2000
_ENDS = frozenset({"BaseException", "GeneratorExit", "CancelledError"})
"""Exceptions that are no errors, and that a process survives."""
_MAX_CHAIN = 40
"""The depth to which the causes and contexts of an exception are told."""
_OF_TEST_RUNNERS = frozenset({"unittest", "doctest", "bdb", "pdb"})
"""Whose exceptions mean something to the tests: that one is to be skipped, say."""


class StandIn(BaseException):
    """An exception of the program's own class; of those that are errors, it derives from Exception besides."""

    _rlvr_text: str | None = None

    def __str__(self) -> str:
        return BaseException.__str__(self) if self._rlvr_text is None else self._rlvr_text

    def __getattr__(self, name: str) -> Any:
        number = self.__dict__.get("_rlvr_number")
        if number is None or name.startswith("_"):
            raise AttributeError(name)
        return proxies._side.ask("get", self, name)


def known_exception(module: object, name: object) -> type[BaseException] | None:
    """An exception class of Python's own library that is loaded here; None for any other."""
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    package = module.partition(".")[0]
    if package not in sys.stdlib_module_names or package in _OF_TEST_RUNNERS:
        return None
    found = getattr(sys.modules.get(module), name, None)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        return None
    return found if issubclass(found, Exception) or found.__name__ in _ENDS else None


def _nearest(known: list[type[BaseException] | None]) -> type[BaseException]:
    """The first of the known classes that an exception's class derives from: what is no Exception stays none."""
    most = (Exception, BaseException)
    near = next((each for each in known if each and each not in most), None)
    return near or (Exception if Exception in known else BaseException)


def exception_class(name: str, shape: Shape, bases: list[type], body: dict[str, object]) -> type:
    """The class that stands for an exception class of the program's."""
    known = [known_exception(*each) for each in shape["exception"]]
    base = _nearest(known)
    if issubclass(base, ExceptionGroup):
        base = Exception
    heads = tuple(each for each in bases if issubclass(each, StandIn))
    body = {key: value for key, value in body.items() if key in ("__module__", "__qualname__")}
    try:
        return proxies.Meta(name, (*heads, *(() if heads else (StandIn,)), base), body)
    except TypeError:
        plainest = Exception if issubclass(base, Exception) else BaseException
        return proxies.Meta(name, heads or (StandIn, plainest), body)


def written_exception(
    error: BaseException,
    class_of: Callable[[type], Encoded],
    encode: Coded,
    number_of: Callable[[object], int],
    depth: int,
) -> Tagged:
    """An exception as a reference: its class, what it carries, and what it says."""
    if "_rlvr_number" in vars(error):
        return ["o", vars(error)["_rlvr_number"]]
    return [
        "x",
        class_of(type(error)),
        [[each.__module__, each.__qualname__] for each in type(error).__mro__],
        number_of(error),
        type(error).__name__,
        _text(error),
        *(encode(each) if depth < _MAX_CHAIN else None for each in (error.__cause__, error.__context__)),
        *_carried(error, encode),
    ]


def _carried(error: BaseException, encode: Coded) -> Tagged:
    """Its arguments and attributes, where they can cross."""
    try:
        return [encode(tuple(error.args)), [[str(k), encode(v)] for k, v in vars(error).items()]]
    except Exception:  # noqa: BLE001 - whatever a program put there
        return [["tuple", _text(error)], []]


def read_exception(parts: Tagged, decode: Coded) -> BaseException:
    """The exception that stands for the one that was written."""
    cls, mro, number, name, text, cause, context, arguments, attributes = parts
    caused, during, carried = decode(cause), decode(context), decode(arguments)
    found = decode(cls) if cls[0] in ("k", "o") else None
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        found = _nearest([known_exception(*each) for each in mro])
    if type(carried) is not tuple or not isinstance(text, str):
        raise BadValue("no exception")
    if issubclass(found, ExceptionGroup) and found is not ExceptionGroup:
        found = Exception
    error = _made(found, carried)
    _take_attributes(error, [(key, decode(value)) for key, value in attributes])
    if isinstance(error, StandIn):
        error._rlvr_text = text[:_SHOWN]
    error.__context__ = during if isinstance(during, BaseException) else None
    if isinstance(caused, BaseException):
        error.__cause__ = caused
    error.__dict__["_rlvr_number"] = number
    error.__program_raised__ = str(name)[:100]  # type: ignore[attr-defined]
    return error


def _take_attributes(error: BaseException, attributes: list[tuple[Any, Any]]) -> None:
    for key, value in attributes:
        notes = key == "__notes__" and type(value) is list and all(type(each) is str for each in value)
        if notes or (type(key) is str and not hasattr(Exception, key) and not key.startswith("__")):
            error.__dict__[key] = value


def _made(kind: type[BaseException], arguments: tuple[object, ...]) -> BaseException:
    try:
        if kind.__module__ == "builtins":
            return kind(*arguments)
        error = kind.__new__(kind, *arguments)
        error.args = arguments
        return error
    except (TypeError, ValueError, ArithmeticError):
        return RuntimeError(*arguments)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_SHOWN]
    except BaseException:  # noqa: BLE001 - a program may raise anything
        return ""
