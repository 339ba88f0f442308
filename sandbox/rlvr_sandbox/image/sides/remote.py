"""The program as its tests see it: what it is asked, and what is believed of what it answers."""

from __future__ import annotations

import contextlib
import signal
import string
import sys
import types
from collections.abc import Iterator
from typing import Any

from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.sides.files import Files
from rlvr_sandbox.image.sides.surroundings import TestsSurroundings
from rlvr_sandbox.image.stand_ins import proxies, shapes, standing
from rlvr_sandbox.image.stand_ins.harmless import is_safe
from rlvr_sandbox.image.talk.link import Link
from rlvr_sandbox.image.talk.peer import FRAMES_OF_A_QUESTION, Peer
from rlvr_sandbox.image.talk.values import BadValue

SHOWN_CHARACTERS = 2000
_SHOWN_PARTS = 20_000
_SHOWN_BITS = 4000
UNSEEN = ("gi_", "cr_", "ag_", "f_", "tb_", "co_")
"""Beginnings of attributes that lead from a generator or a frame to the tests' own names."""
READS_WHAT_IT_NAMES = frozenset({"format", "format_map"})
"""Methods of texts that look up attributes, private ones too."""
_OF_FUNCTIONS = frozenset(
    f"__{name}__"
    for name in "name qualname doc module annotations defaults kwdefaults code func".split()  # noqa: SIM905
)
"""Of functions of the tests' this is shown too: what a decorator hands on, and what it asks for to call them."""
_OF_CODE = frozenset(
    f"co_{name}"
    for name in "argcount posonlyargcount kwonlyargcount flags name varnames".split()  # noqa: SIM905
)
"""And of their code this: no constants, and no names."""
_MAY_ASK = frozenset(
    "call method get set delete dir text repr copy special equal contains "  # noqa: SIM905
    "next length start run instance subclass".split()
)

_HELD = frozenset(
    {*(signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF), *(signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)}
)
"""Signals that tests handle: those of timers, and those that they send themselves."""


class ProgramGone(BaseException):
    """The program's process ended, or stopped speaking sense. A test that catches it fails all the same."""


class CannotCross(Exception):
    """A test handed the program something that cannot leave the tests' process."""


class Remote(Peer):
    """The tests' side of the talk with the program.

    Args:
        link: to the program.
        source: the text of all tests, which says what of the surroundings they may change.
    """

    judging = True

    def __init__(self, link: Link, source: str) -> None:
        super().__init__(link, first=1)
        self.gone: ProgramGone | None = None
        self.failed: AssertionError | None = None
        """A failed assertion of the tests that the program was told of, and may have kept to itself."""
        self.files = Files(source)
        self._around = TestsSurroundings(source)
        self._uses_signals = "signal" in source
        self._names: dict[int, str] = {}
        self._put: set[tuple[int, str]] = set()
        """Private attributes that the program put into objects of the tests', as a descriptor does."""
        self._last: tuple[str, tuple[object, ...], dict[str, object], object] | None = None
        self.not_answered = (ProgramGone,)
        self.codec.on_text = self.files.named if self.files.watched else None

    def load(self, names: list[str]) -> dict[str, object]:
        """Load the program's objects of these names. Raises ProgramGone where it did not get that far."""
        with contextlib.suppress(ProgramGone):  # it may have said why, and be gone
            self._send({"names": names, "random": self._around.uses_random})
        self.gone = None
        try:
            said = self._receive()
        except ProgramGone:
            raise self.lost("it ended while it was loaded") from None
        if "names" not in said:
            raise self.lost("invalid" if said.get("ended") == "invalid" else "it ended while it was loaded")
        found = said["names"]
        if not isinstance(found, list) or not all(
            isinstance(each, list) and len(each) == 2 for each in found
        ):
            raise self.lost("it said what is no message")
        namespace = {name: self.read(data) for name, data in found if name in names}
        self._names = {id(value): name for name, value in namespace.items()}
        self._around.begin(said.get("random"))
        return namespace

    def lost(self, reason: str) -> ProgramGone:
        """To be raised; remembered, so that no test passes by catching it."""
        self.gone = ProgramGone(reason)
        return self.gone

    def ask(self, what: str, target: object, *arguments: object, **keywords: object) -> Any:
        """The program's answer."""
        if self.gone is not None:
            raise self.gone
        with self._signals_held():
            called = what in ("call", "method") or (what == "special" and arguments[0] == "__call__")
            if not called:
                value = super().ask(what, target, *arguments, **keywords)
                standing.reached(value, target)
                return value
            name = arguments[0] if what == "method" else self._names.get(id(target), "object")
            given = arguments if what == "call" else arguments[1:]
            self._last = (str(name), given, keywords, None)
            value = super().ask(what, target, *arguments, **keywords)
            standing.reached(value, target)
            self._last = (str(name), given, keywords, value)
            return value

    @contextlib.contextmanager
    def _signals_held(self) -> Iterator[None]:
        """Have an alarm of the tests' wait until the program has answered: what it breaks off cannot go on."""
        if not self._uses_signals:
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def last(self) -> dict[str, str]:
        """The last call and what it returned, for a report."""
        if self._last is None:
            return {}
        name, arguments, keywords, value = self._last
        given = [*map(_shown, arguments), *(f"{key}={_shown(each)}" for key, each in keywords.items())]
        return {"input": f"{name}({', '.join(given)})", "got": _shown(value)}

    def before_asking(self) -> Message:
        """The tests' streams, patches and random numbers, where they are not what they were."""
        if self._reading:
            return {}
        return self._around.told(self.codec.encode, self.depth * FRAMES_OF_A_QUESTION)

    def after_answer(self, message: Message) -> None:
        """Take in what the program printed, and how far it moved `random`."""
        self._around.hear(message, self.read)

    def caught(self, error: BaseException) -> None:
        """Remember an assertion that failed in a function of the tests that the program called."""
        if isinstance(error, AssertionError) and not hasattr(error, "__program_raised__"):
            self.failed = self.failed or error

    def refuse_target(self, written: object) -> None:
        """The program may use what it was handed, and not what it can name or describe.

        An enumeration of its own would have the methods of texts, and `format` reads whatever its text names.
        """
        match written:
            case ["o", int()] | ["e", ["o", int()], _]:
                return
        raise AttributeError("the tests handed over nothing of the kind")

    def refuse(self, what: str, target: object, arguments: list[object]) -> None:
        """Raise AttributeError where the program asks for more than the use of what was handed over."""
        if isinstance(target, types.ModuleType):
            raise AttributeError("the tests show no module")
        name: Any = arguments[0] if what in ("get", "set", "delete", "method", "special") else ""
        if what not in _MAY_ASK or type(name) is not str:  # a text of its own class answers as it likes
            raise AttributeError("the tests show no such thing")
        if not self._is_shown(what, target, name) or (name in READS_WHAT_IT_NAMES and _is_text(target)):
            raise AttributeError(f"the tests do not show '{name}'")

    def _is_shown(self, what: str, target: object, name: str) -> bool:
        if what == "special":
            return name in shapes.SPECIALS
        if isinstance(target, types.CodeType):
            return what == "get" and name in _OF_CODE
        if not name.startswith(("_", *UNSEEN)) or (what == "get" and name in _OF_FUNCTIONS):
            return True
        mine = (id(target), name)  # what was handed over stays, and so its id
        if what == "set" and not name.startswith(("__", "_rlvr")) and not hasattr(target, name):
            self._put.add(mine)
        return mine in self._put

    def known(self, module: str, qualname: str) -> object:
        """A class or function that only computes."""
        if not is_safe(module, qualname) or module not in sys.modules:
            raise BadValue("a name that the program may not give")
        return getattr(sys.modules[module], qualname)


def _is_text(target: object) -> bool:
    return issubclass(target if isinstance(target, type) else type(target), str | string.Formatter)


def _shown(value: object) -> str:
    """A value in a report. An object of the program is named and not asked."""
    if proxies.is_proxy(value) and isinstance(value, proxies.Proxy):
        return f"<{type(value).__name__} object of the program>"
    try:
        text = repr(value) if _is_small(value) else f"<a large {type(value).__name__}>"
    except BaseException:  # noqa: BLE001 - in it may be an object of the program, which is asked, or gone
        text = f"<{type(value).__name__} that cannot be shown>"
    half = SHOWN_CHARACTERS // 2
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:half]} ... {text[-half:]}"


def _is_small(value: object) -> bool:
    """Written out it is of a size to be shown; shared parts count wherever they stand."""
    budget, inside = _SHOWN_PARTS, [value]
    while inside and budget > 0:
        one = inside.pop()
        budget -= 1
        if isinstance(one, dict):
            inside += [*dict.keys(one), *dict.values(one)]
        elif isinstance(one, list | tuple | set | frozenset):
            inside += one
        elif isinstance(one, int) and one.bit_length() > _SHOWN_BITS:
            return False
    return budget > 0
