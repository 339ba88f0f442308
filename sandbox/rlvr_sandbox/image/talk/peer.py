"""One side of the talk between tests and program: it asks the other, and answers what the other asks.

The two take turns. A question may be answered with another question (a function of the tests that the program calls
back), to any depth. Objects cross as references (see `references`).
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.stand_ins import proxies
from rlvr_sandbox.image.stand_ins.asks import Asks
from rlvr_sandbox.image.talk import values
from rlvr_sandbox.image.talk.link import Link
from rlvr_sandbox.image.talk.operations import OPERATIONS
from rlvr_sandbox.image.talk.references import References
from rlvr_sandbox.image.talk.values import BadValue

READ_ERRORS = (
    *(BadValue, ValueError, TypeError, ArithmeticError, LookupError, AttributeError),
    *(RecursionError, MemoryError),
)
FRAMES_OF_A_QUESTION = 7
"""Frames that are more on the stack than there would be if the other side called directly."""


class Peer(Asks):
    """One side.

    Args:
        link: to the other.
        first: 0 for the program, 1 for the tests: whose numbers are even.
    """

    def __init__(self, link: Link, first: int) -> None:
        self.codec = References(first, self).codec
        self.asked = 0
        self.depth = 0
        """The number of the other side's questions that are being answered."""
        self._link = link
        self._lock = threading.RLock()
        self._reading = False
        proxies.speak_for(self)

    # -- for the two sides to say differently ----------------------------------------------------------------

    def lost(self, reason: str) -> BaseException:
        """To be raised when the other side is gone, or speaks no sense."""
        raise NotImplementedError

    def before_asking(self) -> Message:
        """Return the facts about this side's surroundings that the other side is told."""
        return {}

    def answering(self, message: Message, act: Callable[[], object], told: Message) -> object:
        """Do what was asked for in the asker's surroundings; `told` is filled with what came of them."""
        return act()

    def after_answer(self, message: Message) -> None:
        """Take in what the other side tells of its surroundings."""

    def refuse_target(self, written: object) -> None:
        """Raise where what is asked is none of this side's objects that were handed over."""

    def refuse(self, what: str, target: object, arguments: list[object]) -> None:
        """Raise where the other side may not ask that."""

    def known(self, module: str, qualname: str) -> object:
        """A class or function that both sides have. Raises BadValue for what the other side may not name."""
        raise NotImplementedError

    def may_name(self, module: str, name: str) -> bool:
        """The other side takes that class or function from this one by name."""
        return True

    def module(self, name: str) -> object:
        """A module of a library that both have."""
        raise BadValue("a module")

    def caught(self, error: BaseException) -> None:
        """Note an error that a question of the other side ended in."""

    not_answered: tuple[type[BaseException], ...] = ()
    """Exceptions that end this side, and are told to nobody."""

    # -- asking ----------------------------------------------------------------------------------------------

    def ask(self, what: str, target: object, *arguments: object, **keywords: object) -> Any:
        """The other side's answer; what it raises is raised here."""
        with self._lock:
            self.asked += 1
            quiet = self._reading
            message: Message = {} if quiet else self.codec.news()
            if quiet:
                message["quiet"] = True
            message["ask"] = what
            message["on"] = self.codec.encode(target, 2)
            message["with"] = [self.codec.encode(each) for each in arguments]
            if keywords:
                message["keywords"] = [[key, self.codec.encode(each)] for key, each in keywords.items()]
            message |= self.before_asking()
            self._send(message)
            try:
                while "ask" in (answer := self._receive()):
                    self.serve(answer)
            except self.not_answered:
                raise
            except BaseException as error:  # noqa: BLE001 - what a handler of a signal raises may be anything
                # The end: the answer that is still to come would be taken for that of the next question.
                raise self.lost(f"a signal broke off a call: {type(error).__name__}") from None
            self.after_answer(answer)
            if "raised" in answer:
                error = self.read(answer["raised"])
                if not isinstance(error, BaseException):
                    raise self.lost("it raised what is no exception")
                raise error if _may_end_here(error, what, target, arguments) else as_runtime_error(error)
            return self.read(answer.get("value"))

    def read(self, data: object) -> Any:
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

    def _send(self, message: Message) -> None:
        try:
            self._link.send_bytes(json.dumps(message, separators=(",", ":")).encode())
        except OSError:
            raise self.lost("it has ended") from None

    def _receive(self) -> Message:
        try:
            answer = self._link.receive()
        except (ValueError, RecursionError, MemoryError) as error:
            raise self.lost(f"it said what is no message: {error}") from None
        if not isinstance(answer, dict) or not ({"value", "raised", "ask", "ended"} & answer.keys()):
            raise self.lost("it has ended" if answer is None else "it said what is no message")
        self._reads(lambda: self.codec.learn(answer))
        return answer

    # -- answering -------------------------------------------------------------------------------------------

    def serve(self, message: Message) -> None:
        """Answer one question of the other side's."""
        self.depth += 1
        sys.setrecursionlimit(sys.getrecursionlimit() + FRAMES_OF_A_QUESTION)
        told: Message = {}
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

    def _written(self, key: str, value: object, told: Message, *, quiet: bool) -> bytes:
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

    def _do(self, message: Message) -> object:
        what = message["ask"]
        self.refuse_target(message.get("on"))
        target = self.read(message.get("on"))
        arguments = [self.read(each) for each in message.get("with", ())]
        keywords = {str(key): self.read(each) for key, each in message.get("keywords", ())}
        self.refuse(what, target, arguments)
        return OPERATIONS[what](target, *arguments, **keywords)


def _may_end_here(error: BaseException, what: str, target: object, arguments: tuple[object, ...]) -> bool:
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
