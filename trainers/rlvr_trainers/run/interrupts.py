"""Ctrl-C as a request to stop, granted at the first moment when nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self, final


@final
class Interrupts:
    """While entered, SIGINT and SIGTERM ask the run to stop.

    Inside `at_once` the request raises KeyboardInterrupt immediately; elsewhere it is noted until `check`. A
    second request raises wherever it comes. `patient`, nothing but `check` ever raises: processes that wait for
    one another must stop at the same place. Signals can only be handled on the main thread; on others this
    does nothing.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.requested = False
        self._patient = patient
        self._immediate = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if not self._patient and (again or self._immediate):
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if a stop was asked for."""
        if self.requested:
            raise KeyboardInterrupt

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let Ctrl-C break off the code inside at any point."""
        if not self._patient:
            self.check()
        self._immediate = True
        try:
            yield
        finally:
            self._immediate = False
