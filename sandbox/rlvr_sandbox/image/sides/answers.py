"""The program's process answers one call of a function, or the tests' questions. It decides nothing."""

from __future__ import annotations

import importlib
import json
import types
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.messages import Message, Tagged
from rlvr_sandbox.image.sides.surroundings import ProgramSurroundings
from rlvr_sandbox.image.stand_ins.harmless import is_safe
from rlvr_sandbox.image.talk import peer, values
from rlvr_sandbox.image.talk.link import Link


def call(module: types.ModuleType, request: Message) -> bytes:
    """The value of one call of a function or of a method of a fresh object, as JSON; or that there is no such."""
    owner, _, method = request["function"].partition(".")
    target = getattr(module, owner, None)
    if method and target is not None:
        target = getattr(target(), method, None)
    if target is None:
        return json.dumps({"missing": request["function"]}).encode()
    value = target(*request["arguments"], **request["keywords"])
    return b'{"value":' + values.dumps(value, _by_name) + b"}"


def _by_name(value: object) -> Tagged:
    """Write an object that is no plain data as something that stands for it in an answer."""
    return ["handle", 0, type(value).__name__]


class Program(peer.Peer):
    """The program's side: a loaded module, asked one thing at a time."""

    not_answered = (SystemExit, KeyboardInterrupt)

    def __init__(self, module: types.ModuleType, link: Link) -> None:
        super().__init__(link, first=0)
        self._module = module
        self._around = ProgramSurroundings()

    def begin(self) -> None:
        """Tell the tests what is under the names that they ask for."""
        asked = self._link.receive()
        names = [name for name in asked["names"] if name in vars(self._module)]
        said = [[name, self.codec.encode(vars(self._module)[name])] for name in names]
        self._send(
            {"value": None, "names": said, "random": self._around.random_state() if asked["random"] else None}
        )

    def lost(self, reason: str) -> BaseException:
        """The tests are done with the program."""
        return SystemExit(0)

    def answer_all(self) -> None:
        """Answer until the tests are done. Raises SystemExit and KeyboardInterrupt, as the program does."""
        while True:
            self.answer_one()

    def answer_one(self) -> None:
        """Answer the next question, waiting for it."""
        self.serve(self._receive())

    def ask(self, what: str, target: object, *arguments: object, **keywords: object) -> Any:
        """Ask the tests, while they wait for an answer."""
        with self._lock:
            if not self.depth:
                raise RuntimeError(
                    "the tests have gone on: what they handed over can be used during a call only"
                )
            return super().ask(what, target, *arguments, **keywords)

    def answering(self, message: Message, act: Callable[[], object], told: Message) -> object:
        """Do what the tests ask, with their streams, patches and random numbers."""
        around = message.get("around")
        if not around and not self._around.kept:
            return act()
        with self._around.around(around or {}, self.codec.encode, self.read, told):
            return act()

    def known(self, module: str, qualname: str) -> object:
        """A class or function of a library, as the tests have it."""
        return getattr(importlib.import_module(module), qualname)

    def module(self, name: str) -> object:
        """A module of a library, as the tests have it."""
        return importlib.import_module(name)

    def may_name(self, module: str, name: str) -> bool:
        """The tests take what does nothing but compute."""
        return is_safe(module, name)
