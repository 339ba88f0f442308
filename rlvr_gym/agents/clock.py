"""The time that an agent takes for itself."""

from __future__ import annotations

import math
import threading
import time
from typing import final


@final
class OwnTime:
    """A clock that stands still while an agent waits for an answer: how fast it is sampled is none of its doing.

    Used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting, self._spent, self._since = 0, 0.0, time.monotonic()

    def ask(self) -> None:
        """Stop the clock: something has been asked."""
        with self._lock:
            if not self._waiting:
                self._spent += time.monotonic() - self._since
            self._waiting += 1

    def go_on(self) -> None:
        """Note that one question is answered, or given up on; after the last one the clock runs again."""
        with self._lock:
            self._waiting -= 1
            if not self._waiting:
                self._since = time.monotonic()

    def left(self, of_seconds: float) -> float:
        """Return how long the clock must run until it shows more; infinite while it stands still."""
        with self._lock:
            if self._waiting:
                return math.inf
            return of_seconds - self._spent - (time.monotonic() - self._since)
