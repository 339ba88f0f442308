"""Measure time by phase, and show a sign of life meanwhile."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final


@final
class PhaseClock:
    """Wall-clock seconds spent in each named phase; `on_phase` is told the name of each as it begins."""

    def __init__(self, on_phase: Callable[[str], None] | None = None) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._on_phase = on_phase

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what runs inside to `name`."""
        if self._on_phase is not None:
            self._on_phase(name)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began


@final
class Heartbeat:
    """Calls `tell` from a thread of its own whenever nothing was `heard` for so many seconds."""

    def __init__(self, seconds: float, tell: Callable[[], None]) -> None:
        self._seconds, self._tell = seconds, tell
        self._over = threading.Event()
        self._heard_at = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name="rlvr-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self.heard()
        self._thread.start()

    def heard(self) -> None:
        """Note that something was said just now."""
        self._heard_at = time.monotonic()

    def stop(self) -> None:
        """End it; nothing is told after this returns."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(max(0.01, self._heard_at + self._seconds - time.monotonic())):
            if time.monotonic() - self._heard_at >= self._seconds:
                self._tell()
                self.heard()
