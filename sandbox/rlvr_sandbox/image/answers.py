"""What the program's process answers its tests: values as plain data, other objects by number. It decides nothing."""

from __future__ import annotations

import builtins
import collections
import json
import operator
import types
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image import values

_TOLD_BYTES = 1 << 16
_MUTABLE = (list, dict, set, bytearray, collections.deque)


class Whole:
    """An object that could cross as a list, a dict or the like, and is not to."""

    def __init__(self, value: object) -> None:
        self.value = value


class Kept:
    """Objects of the program that cannot cross: the other side gets their number."""

    def __init__(self) -> None:
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}

    def keep(self, value: object) -> list[Any]:
        """The handle of `value`; the same object has the same one."""
        if type(value) is Whole:
            value = value.value
        number = self._numbers.setdefault(id(value), len(self._objects))
        if number == len(self._objects):
            self._objects.append(value)
        return ["handle", number, type(value).__name__]

    def object(self, number: int) -> Any:
        """The object of a handle."""
        return self._objects[number]


def call(module: types.ModuleType, request: dict[str, Any]) -> bytes:
    """The value of one call of a function or of a method of a fresh object, as JSON; or that there is no such."""
    owner, _, method = request["function"].partition(".")
    target = getattr(module, owner, None)
    if method and target is not None:
        target = getattr(target(), method, None)
    if target is None:
        return json.dumps({"missing": request["function"]}).encode()
    value = target(*request["arguments"], **request["keywords"])
    return b'{"value":' + values.dumps(value, Kept().keep) + b"}"


def exceptions(module: types.ModuleType) -> dict[str, list[str]]:
    """The exception classes under the program's names, each with what it derives from."""
    return {
        name: _names(value.__mro__[1:])
        for name, value in module.__dict__.items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ != "builtins"
    }


class Answers:
    """A loaded program, asked one thing at a time."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self._kept = Kept()

    def to(self, request: list[Any]) -> bytes:
        """What was asked for, as JSON: `value` (and `changed` arguments), or what was `raised`.

        Raises SystemExit and KeyboardInterrupt, as the program does.
        """
        changed: list[Any] = []
        try:
            value = self._do(request, changed)
            encoded = values.dumps(value, self._kept.keep)
            extra = b""
            if value is None and changed:
                extra = b',"changed":' + values.dumps(changed, self._kept.keep)
            return b'{"value":' + encoded + extra + b"}"
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a program may raise anything
            names = _names(type(error).__mro__)
            said = {"raised": names, "name": type(error).__name__, "message": _text(error)}
            return json.dumps({**said, "told": _told(error)}).encode()

    def _do(self, request: list[Any], changed: list[Any]) -> object:
        what, target, *rest = request
        subject = self._restore(target)
        given = [values.decode(each, self._restore) for each in rest]
        if what == "call":
            arguments, keywords = given
            return _called(subject, arguments, keywords, changed)
        return _OPERATIONS[what](subject, *given)

    def _restore(self, data: list[Any]) -> Any:
        kind, which, *_ = data
        if kind == "name":
            return _named(self._module, which)
        return getattr(builtins, which) if kind == "builtin" else self._kept.object(which)


def _named(module: types.ModuleType, name: str) -> Any:
    try:
        return module.__dict__[name]
    except KeyError:
        raise NameError(f"name '{name}' is not defined by the program") from None


def _called(subject: Any, arguments: Any, keywords: Any, changed: list[Any]) -> object:
    """What the call returns; `changed` is given the arguments that may be another value after it."""
    given = (*arguments, *keywords.values())
    changed.extend(each if isinstance(each, _MUTABLE) else None for each in given)
    returned = subject(*arguments, **keywords)
    return Whole(returned) if isinstance(subject, type) and _has_methods(returned) else returned


def _has_methods(value: object) -> bool:
    """Whether it is a container of a class of the program's, with methods that plain data would lack."""
    own = [base for base in type(value).__mro__ if base.__module__ == "solution"]
    return isinstance(value, _MUTABLE) and any(
        isinstance(member, types.FunctionType) and not name.startswith("__")
        for base in own
        for name, member in vars(base).items()
    )


def _contents(subject: object) -> object:
    return subject if isinstance(subject, _MUTABLE) else None


def _next(subject: Any) -> list[Any]:
    """A list of the next element, of nothing at the end."""
    try:
        return [next(subject)]
    except StopIteration:
        return []


def _operate(subject: Any, name: str, other: Any) -> object:
    return getattr(operator, name)(subject, other)


def _is_plainly_true(subject: object) -> bool:
    return not (hasattr(type(subject), "__bool__") or hasattr(type(subject), "__len__"))


def _state(subject: object) -> object:
    """What an object consists of, for a comparison on the other side; None where it is equal to itself alone."""
    if isinstance(subject, _MUTABLE):
        return {"": subject, **getattr(subject, "__dict__", {})}
    if not isinstance(type(subject).__eq__, types.FunctionType):
        return None  # of what an object of Python's own consists, nobody can see
    slots = [name for base in type(subject).__mro__ for name in getattr(base, "__slots__", ())]
    fields = {name: getattr(subject, name) for name in slots if hasattr(subject, name)}
    return {**fields, **getattr(subject, "__dict__", {})}


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "attribute": getattr,
    "set attribute": setattr,
    "item": operator.getitem,
    "set item": operator.setitem,
    "delete item": operator.delitem,
    "operate": _operate,
    "has instance": lambda subject, instance: isinstance(instance, subject),
    "has subclass": lambda subject, derived: issubclass(derived, subject),
    "state": _state,
    "contents": _contents,
    "is plainly true": _is_plainly_true,
    "iterate": iter,
    "next": _next,
    "length": len,
    "hash": hash,
    "text": str,
    "repr": repr,
    "int": int,
    "float": float,
    **{name: getattr(operator, name) for name in ("neg", "pos", "abs", "invert")},
}


def _names(classes: tuple[type, ...]) -> list[str]:
    return [each.__name__ for each in classes]


def _text(error: BaseException) -> str:
    try:
        return str(error)[:2000]
    except BaseException:  # noqa: BLE001 - a program may raise anything
        return ""


def _told(error: BaseException) -> Any:
    """The arguments and attributes of an exception, encoded; None where the arguments are not plain, or too much."""
    try:
        attributes = {name: value for name, value in vars(error).items() if _is_plain(value)}
        if not _is_plain(error.args):
            return None
        return values.encode((tuple(error.args), attributes), _refuse)
    except BaseException:  # noqa: BLE001 - a program may raise anything
        return None


def _is_plain(value: object) -> bool:
    try:
        return len(values.dumps(value, _refuse)) <= _TOLD_BYTES
    except values.BadValue:
        return False


def _refuse(value: object) -> list[Any]:
    raise values.BadValue(f"a {type(value).__name__}")
