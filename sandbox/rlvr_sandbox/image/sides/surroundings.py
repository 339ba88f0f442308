"""Share what a process has one of between tests and program: streams, patched functions, `random`.

When the tests ask the program something, it is told what of it is not as it was when both began, and for as long as it
answers, finds it so.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import random
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from rlvr_sandbox.image.messages import Coded, Message
from rlvr_sandbox.image.sides.settings import ProgramSettings, TestsSettings

_PATCHABLE = tuple(
    tuple(each.rsplit(".", 1))
    for each in (  # noqa: SIM905
        "builtins.input builtins.print builtins.open sys.stdin sys.argv "
        "time.time time.sleep time.perf_counter time.monotonic time.time_ns time.strftime time.localtime "
        "random.random random.randint random.choice random.choices random.shuffle random.sample random.uniform "
        "random.randrange random.gauss random.seed random.getrandbits "
        "os.getcwd os.listdir os.getenv os.remove os.rename os.makedirs os.mkdir os.walk os.urandom os.system "
        "os.path.exists os.path.isfile os.path.isdir os.path.getsize shutil.copy shutil.move shutil.rmtree "
        "subprocess.run subprocess.check_output subprocess.Popen subprocess.call "
        "datetime.datetime datetime.date uuid.uuid4 secrets.choice secrets.token_hex getpass.getpass "
        "urllib.request.urlopen socket.socket webbrowser.open platform.system"
    ).split()
)


_FRAMES_BELOW = 16
"""The depth of the stack where the program is called."""
_FRESH = random.Random(0).getstate()
"""The state in which every program finds `random`."""


def _found(module: str, name: str) -> object:
    return getattr(sys.modules.get(module), name, None)


class TestsSurroundings:
    """The tests' side: what differs from how it was at the start."""

    __test__ = False

    def __init__(self, source: str) -> None:
        self._patches = "patch" in source or any(
            word in source for word in ("builtins.", "sys.", "time.", "random.")
        )
        self._streams = sys.stdout, sys.stderr
        self._first = {each: _found(*each) for each in _PATCHABLE} if self._patches else {}
        self.uses_random = "random" in source
        self._random: Any = None
        self._uses_environment = "environ" in source
        self._environment = dict(os.environ) if self._uses_environment else {}
        self._recursion = sys.getrecursionlimit()
        self._settings = TestsSettings(source)

    def begin(self, state: object) -> None:
        """Take over the state of `random` in which the program was loaded."""
        if self.uses_random and state is not None:
            _set_random(state)
            self._random = random.getstate()

    def told(self, encode: Coded, our_frames: int) -> Message:
        """Return the facts that the program is told; so many frames of the stack are not the tests' own."""
        said: Message = {}
        captured = [
            now is not first for now, first in zip((sys.stdout, sys.stderr), self._streams, strict=True)
        ]
        if any(captured):
            said["captured"] = captured
        if self._patches and (patched := self._patched(encode)):
            said["patched"] = patched
        if self.uses_random and (state := random.getstate()) != self._random:
            said["random"], self._random = _written(state), state
        if self._uses_environment and os.environ != self._environment:
            self._environment = dict(os.environ)
            said["environment"] = self._environment
        if (recursion := sys.getrecursionlimit() - our_frames) != self._recursion:
            said["recursion"] = self._recursion = recursion
        if settings := self._settings.changed(encode):
            said["settings"] = settings
        if self.uses_random:
            said["wants random"] = True
        return {"around": said} if said else {}

    def _patched(self, encode: Coded) -> list[object]:
        found = []
        for (module, name), first in self._first.items():
            now = _found(module, name)
            if now is not first and first is not None:
                found.append([module, name, encode(now)])
        return found

    def hear(self, answer: Message, read: Coded) -> None:
        """Take in what the program printed, and how far it moved `random`."""
        if "settings" in answer:
            self._settings.hear(answer["settings"], read)
        printed = answer.get("printed")
        if isinstance(printed, list) and len(printed) == 2:
            for stream, text in zip((sys.stdout, sys.stderr), printed, strict=True):
                if isinstance(text, str) and text:
                    stream.write(text)
        state = answer.get("random")
        if self.uses_random and state is not None:
            _set_random(state)
            self._random = random.getstate()


class ProgramSurroundings:
    """The program's side: for as long as it answers, it finds what it was told."""

    def __init__(self) -> None:
        self.kept: ProgramSettings | None = None
        """Settings that were told once, and hold from then on."""

    def random_state(self) -> list[object] | None:
        """The state of `random` now that the program is loaded; None where it has not moved."""
        state = random.getstate()
        return None if state == _FRESH else _written(state)

    @contextlib.contextmanager
    def around(
        self,
        said: Message,
        encode: Coded,
        read: Coded,
        told: Message,
    ) -> Iterator[None]:
        """Have the tests' surroundings; `told` is filled with what they are to be told afterwards."""
        if "random" in said:
            _set_random(said["random"])
        if "environment" in said:
            os.environ.clear()
            os.environ.update(said["environment"])
        if "recursion" in said:
            sys.setrecursionlimit(said["recursion"] + _FRAMES_BELOW)
        captured = [io.StringIO() if one else None for one in said.get("captured", (False, False))]
        before = [sys.stdout, sys.stderr]
        patched = [(module, name, read(value)) for module, name, value in said.get("patched", ())]
        state = random.getstate() if said.get("wants random") else None
        with contextlib.ExitStack() as stack:
            stack.enter_context(_patched(patched))
            if "settings" in said or self.kept:
                self.kept = self.kept or ProgramSettings()
                after: Message = {}
                stack.callback(lambda: told.update(settings=after) if after else None)
                stack.enter_context(self.kept.taken(said.get("settings", {}), encode, read, after))
            try:
                sys.stdout, sys.stderr = (new or old for new, old in zip(captured, before, strict=True))
                yield
            finally:
                self._finish(captured, before, state, told)

    @staticmethod
    def _finish(
        captured: list[io.StringIO | None], before: list[TextIO], state: object, told: Message
    ) -> None:
        if sys.stdout is captured[0]:
            sys.stdout = before[0]
        if sys.stderr is captured[1]:
            sys.stderr = before[1]
        if any(captured):
            told["printed"] = [stream.getvalue() if stream else "" for stream in captured]
        if state is not None and random.getstate() != state:
            told["random"] = _written(random.getstate())


@contextlib.contextmanager
def _patched(patched: list[tuple[str, str, object]]) -> Iterator[None]:
    undo = []
    for module, name, value in patched:
        place = importlib.import_module(module)
        undo.append((place, name, getattr(place, name)))
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in undo:
            setattr(place, name, value)


def _written(state: Any) -> list[object]:
    version, numbers, gauss = state
    return [version, list(numbers), gauss]


def _set_random(state: Any) -> None:
    """Have `random` in a state that was written, or as it is where that is none."""
    with contextlib.suppress(ValueError, TypeError, ArithmeticError):
        version, numbers, gauss = state
        if gauss is None or type(gauss) is float:
            random.setstate((version, tuple(numbers), gauss))
