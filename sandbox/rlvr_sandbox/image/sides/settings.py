"""Settings of a library that hold for a whole process: where the tests change one, the program finds it changed.

Each is looked at only where the tests' text has a word of it. The tests' side tells what differs from how it was; the
program's side takes it over, and keeps it until it is told otherwise.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from rlvr_sandbox.image.messages import Coded, Message

"""Writes a value, or reads what was written."""


class TestsSettings:
    """The tests' side."""

    __test__ = False

    def __init__(self, source: str) -> None:
        self._looked_at = {
            name: now for name, (signs, now) in _SETTINGS.items() if any(sign in source for sign in signs)
        }
        self._told = {name: now() for name, now in self._looked_at.items()}

    def changed(self, encode: Coded) -> Message:
        """Return the settings that are not as they were when the program was last told."""
        said = {}
        for name, now in self._looked_at.items():
            if (found := now()) != self._told[name]:
                self._told[name] = found
                said[name] = (
                    found if name == "folder" else encode(found)
                )  # encoded, its files would be shared
        return said

    def hear(self, said: object, read: Coded) -> None:
        """Take in how far the program moved numpy's random numbers, and of what it warned."""
        if not isinstance(said, dict):
            return
        if "numpy" in said and self._told.get("numpy"):
            with contextlib.suppress(ValueError, TypeError, ArithmeticError):
                _set_numpy(read(said["numpy"]))
                self._told["numpy"] = _numpy()
        if "warned" in said and "warnings" in self._looked_at:
            for message, line in read(said["warned"]):
                if isinstance(message, Warning):
                    warnings.showwarning(message, type(message), "solution.py", int(line))


class ProgramSettings:
    """The program's side."""

    def __init__(self) -> None:
        self._filters: Any = None
        self._numpy = False

    @contextlib.contextmanager
    def taken(self, said: Message, encode: Coded, read: Coded, told: Message) -> Iterator[None]:
        """Take over what the tests said; `told` is filled with what they are to be told afterwards."""
        values = {name: read(each) for name, each in said.items()}
        if "numpy" in values:
            _set_numpy(values["numpy"])
            self._numpy = True
        if "decimal" in values:
            _set_decimal(values["decimal"])
        if "folder" in values:
            with contextlib.suppress(OSError):
                os.chdir(values["folder"])
        if "warnings" in values:
            self._filters = values["warnings"]
        before = _numpy() if self._numpy else None
        try:
            with self._warned(encode, told):
                yield
        finally:
            if self._numpy and (after := _numpy()) != before:
                told["numpy"] = encode(after)

    @contextlib.contextmanager
    def _warned(self, encode: Coded, told: Message) -> Iterator[None]:
        if self._filters is None:
            yield
            return
        with warnings.catch_warnings(record=True) as seen:
            warnings.resetwarnings()
            for action, message, category, module, line in self._filters:
                warnings.filters.append(  # type: ignore[attr-defined] - `filterwarnings` would turn their order
                    (action, _compiled(message), category, _compiled(module), line)
                )
            warnings._filters_mutated()  # type: ignore[attr-defined]
            try:
                yield
            finally:
                if seen:
                    told["warned"] = encode([(each.message, each.lineno) for each in seen])


def _numpy() -> object:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    name, keys, *rest = numpy.random.get_state()
    return (name, keys.tolist(), *rest)


def _set_numpy(state: Any) -> None:
    import numpy

    name, keys, *rest = state
    numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), *rest))


def _decimal() -> object:
    """The context; None for the one that all begin with."""
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return None
    now = decimal.getcontext()
    if repr(now) == repr(decimal.Context(flags=now.flags)):
        return None
    traps = sorted(signal.__name__ for signal, on in now.traps.items() if on)
    return (now.prec, now.rounding, now.Emin, now.Emax, now.capitals, now.clamp, traps)


def _set_decimal(state: Any) -> None:
    import decimal

    if state is None:
        decimal.setcontext(decimal.Context())
        return
    *numbers, traps = state
    decimal.setcontext(decimal.Context(*numbers, flags=[], traps=[getattr(decimal, name) for name in traps]))


def _filters() -> object:
    return [
        (action, _pattern(message), category, _pattern(module), line)
        for action, message, category, module, line in warnings.filters  # type: ignore[attr-defined]
    ]


def _pattern(pattern: Any) -> str | None:
    return pattern if pattern is None or isinstance(pattern, str) else pattern.pattern


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else re.compile(pattern, re.IGNORECASE)


_SETTINGS: dict[str, tuple[tuple[str, ...], Callable[[], object]]] = {
    "numpy": (("np.random", "numpy.random"), _numpy),
    "decimal": (("context(",), _decimal),
    "warnings": (("warnings",), _filters),
    "folder": (("chdir",), os.getcwd),
}
"""Each setting, by what words the tests would change it, and how it is now."""
