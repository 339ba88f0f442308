"""One side of the talk between tests and program: it asks the other, and answers what the other asks.

The two take turns. A question may be answered with another question (a function of the tests that the program calls
back), to any depth. Objects cross as references: `h` and `k` are an object and a class of the sender's, `o` one of
the receiver's.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import json
import pathlib
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any, cast

from rlvr_sandbox.image import building, proxies, shapes, values
from rlvr_sandbox.image.exceptions import read_exception, written_exception
from rlvr_sandbox.image.harmless import OF_ONE_VALUE
from rlvr_sandbox.image.link import Link
from rlvr_sandbox.image.operations import OPERATIONS
from rlvr_sandbox.image.values import BadValue
from rlvr_sandbox.image.wire import Codec

READ_ERRORS = (
    *(BadValue, ValueError, TypeError, ArithmeticError, LookupError, AttributeError),
    *(RecursionError, MemoryError),
)
FRAMES_OF_A_QUESTION = 7
"""How many more are on the stack than there would be if the other side called directly."""
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}


class Peer(proxies.Asks):
    """One side.

    Args:
        link: to the other.
        first: 0 for the program, 1 for the tests: whose numbers are even.
    """

    def __init__(self, link: Link, first: int) -> None:
        self.codec = Codec(first, self._refer, self._resolve)
        self.asked = 0
        self.depth = 0
        """How many questions of the other side's are being answered."""
        self._link = link
        self._lock = threading.RLock()
        self._reading = False
        self._own: list[Any] = []
        self._own_numbers: dict[int, int] = {}
        self._theirs: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._theirs_kept: dict[int, Any] = {}
        self._their_classes: dict[int, Any] = {}
        self._class_numbers: dict[int, int] = {}
        self._real_enumerations: set[type] = set()
        proxies.speak_for(self)

    # -- for the two sides to say differently ----------------------------------------------------------------

    def lost(self, reason: str) -> BaseException:
        """To be raised when the other side is gone, or speaks no sense."""
        raise NotImplementedError

    def before_asking(self) -> dict[str, Any]:
        """Return the facts about this side's surroundings that the other side is told."""
        return {}

    def answering(self, message: dict[str, Any], act: Callable[[], Any], told: dict[str, Any]) -> Any:
        """Do what was asked for in the asker's surroundings; `told` is filled with what came of them."""
        return act()

    def after_answer(self, message: dict[str, Any]) -> None:
        """Take in what the other side tells of its surroundings."""

    def refuse_target(self, written: Any) -> None:
        """Raise where what is asked is none of this side's objects that were handed over."""

    def refuse(self, what: str, target: Any, arguments: list[Any]) -> None:
        """Raise where the other side may not ask that."""

    def known(self, module: str, qualname: str) -> Any:
        """A class or function that both sides have. Raises BadValue for what the other side may not name."""
        raise NotImplementedError

    def caught(self, error: BaseException) -> None:
        """Note an error that a question of the other side ended in."""

    not_answered: tuple[type[BaseException], ...] = ()
    """Exceptions that end this side, and are told to nobody."""

    # -- asking ----------------------------------------------------------------------------------------------

    def ask(self, what: str, target: Any, *arguments: Any, **keywords: Any) -> Any:
        """The other side's answer; what it raises is raised here."""
        with self._lock:
            self.asked += 1
            quiet = self._reading
            message: dict[str, Any] = {} if quiet else self.codec.news()
            if quiet:
                message["quiet"] = True
            message["ask"] = what
            message["on"] = self.codec.encode(target, 2)
            message["with"] = [self.codec.encode(each) for each in arguments]
            if keywords:
                message["keywords"] = [[key, self.codec.encode(each)] for key, each in keywords.items()]
            message |= self.before_asking()
            self._send(message)
            answer = self._answer()
            self.after_answer(answer)
            if "raised" in answer:
                error = self.read(answer["raised"])
                if not isinstance(error, BaseException):
                    raise self.lost("it raised what is no exception")
                raise error if _may_end_here(error, what, target, arguments) else as_runtime_error(error)
            return self.read(answer.get("value"))

    def _answer(self) -> dict[str, Any]:
        """Wait for the answer to what was just asked. Half a wait is the end: the next answer would be this one's."""
        try:
            while "ask" in (answer := self._receive()):
                self.serve(answer)
        except self.not_answered:
            raise
        except BaseException as error:  # noqa: BLE001 - what a handler of a signal raises may be anything
            raise self.lost(f"a signal broke off a call: {type(error).__name__}") from None
        return answer

    def read(self, data: Any) -> Any:
        """A value that the other side wrote."""
        return self._reads(lambda: self.codec.decode(data))

    def _reads(self, read: Callable[[], Any]) -> Any:
        before, self._reading = self._reading, True
        try:
            return read()
        except READ_ERRORS as error:
            raise self.lost(f"it answered what is no value: {type(error).__name__}: {error}"[:300]) from None
        finally:
            self._reading = before

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._link.send_bytes(json.dumps(message, separators=(",", ":")).encode())
        except OSError:
            raise self.lost("it has ended") from None

    def _receive(self) -> dict[str, Any]:
        try:
            answer = self._link.receive()
        except (ValueError, RecursionError, MemoryError) as error:
            raise self.lost(f"it said what is no message: {error}") from None
        if not isinstance(answer, dict) or not ({"value", "raised", "ask", "ended"} & answer.keys()):
            raise self.lost("it has ended" if answer is None else "it said what is no message")
        self._reads(lambda: self.codec.learn(answer))
        return answer

    # -- answering -------------------------------------------------------------------------------------------

    def serve(self, message: dict[str, Any]) -> None:
        """Answer one question of the other side's."""
        self.depth += 1
        sys.setrecursionlimit(sys.getrecursionlimit() + FRAMES_OF_A_QUESTION)
        told: dict[str, Any] = {}
        try:
            key, value = "value", self.answering(message, lambda: self._do(message), told)
        except self.not_answered:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a program or a test raises goes back to who asked
            self.caught(error)
            key, value = "raised", error
        with self._lock:
            self.depth -= 1
            with contextlib.suppress(RecursionError):  # the program made it less, and is as deep now
                sys.setrecursionlimit(max(sys.getrecursionlimit() - FRAMES_OF_A_QUESTION, 1))
            data = self._written(key, value, told, quiet=bool(message.get("quiet")))
            try:
                self._link.send_bytes(data)
            except OSError:
                raise self.lost("it has ended") from None

    def _written(self, key: str, value: Any, told: dict[str, Any], *, quiet: bool) -> bytes:
        try:
            said = {} if quiet else self.codec.news()
            said[key] = self.codec.encode(value)
            data = json.dumps({**said, **told}, separators=(",", ":")).encode()
            if len(data) <= values.MAX_BYTES:
                return data
            raise BadValue(f"a value of {len(data)} bytes; {values.MAX_BYTES} may cross")
        except self.not_answered:
            raise
        except BaseException as error:  # noqa: BLE001 - a program's objects are asked what they are
            refusal = (
                error
                if isinstance(error, BadValue)
                else BadValue(f"a value that cannot cross: {error!r}"[:300])
            )
            return json.dumps({"raised": self.codec.encode(refusal)}).encode()

    def _do(self, message: dict[str, Any]) -> Any:
        what = message["ask"]
        self.refuse_target(message.get("on"))
        target = self.read(message.get("on"))
        arguments = [self.read(each) for each in message.get("with", ())]
        keywords = {str(key): self.read(each) for key, each in message.get("keywords", ())}
        self.refuse(what, target, arguments)
        return OPERATIONS[what](target, *arguments, **keywords)

    # -- references ------------------------------------------------------------------------------------------

    def _refer(self, value: Any, depth: int) -> list[Any]:
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

    def _named(self, value: Any) -> list[Any] | None:
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
        return ["g", module, name] if self.may_name(module, name) else None

    def may_name(self, module: str, name: str) -> bool:
        """The other side takes that class or function from this one by name."""
        return True

    def _object(self, value: Any, depth: int) -> list[Any]:
        said: list[Any] = ["h", self._number(value), self._described(type(value))]
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

    def _class(self, cls: type) -> list[Any]:
        if id(cls) in self._class_numbers:
            return ["o", self._class_numbers[id(cls)]]
        return self._named(cls) or self._described(cls)

    def _described(self, cls: type) -> list[Any]:
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

    def _member(self, value: Any, depth: int) -> list[Any]:
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

    def _resolve(self, data: list[Any], depth: int) -> Any:
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
                return self.known(module, name)
            case ["m", ["o" | "e", *_] as target, str(name)]:
                self.refuse_target(target)
                found = self.codec.decode(target, depth + 1)
                self.refuse("get", found, [name])
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
                return self.module(name)
        raise BadValue("not a value")

    def module(self, name: str) -> Any:
        """A module of a library that both have."""
        raise BadValue("a module")

    def _their_class(self, number: int, shape: list[Any]) -> Any:
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

    def _stand_in(self, number: int, cls: Any, more: list[Any], depth: int) -> Any:
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


def _may_end_here(error: BaseException, what: str, target: Any, arguments: tuple[Any, ...]) -> bool:
    """An end of an iteration comes out of what iterates only: `all(map(f, ...))` would take it for the end."""
    if isinstance(error, StopAsyncIteration):
        return what == "run"
    if isinstance(error, StopIteration):
        return what == "method" and arguments[0] in ("send", "throw") and type(target).__name__ == "generator"
    return True


def as_runtime_error(error: BaseException) -> RuntimeError:
    """Return the error that stands for an end of an iteration that came out of a call."""
    said = RuntimeError(f"the program raised {type(error).__name__}")
    said.__program_raised__ = type(error).__name__  # type: ignore[attr-defined]
    return said
