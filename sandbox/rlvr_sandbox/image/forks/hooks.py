"""Put off what modules want done after a fork: the program's own forks need it, those of the zygote do not.

`threading` and `random` have such hooks, which make a fork cost a quarter more. A zygote has one thread and holds no
lock when it forks, and the generator is seeded for all: its forks are as good without.
"""

from __future__ import annotations

import os
from collections.abc import Callable


class PutOff:
    """Notes what is handed to `os.register_at_fork` from now on, in the place of registering it."""

    def __init__(self) -> None:
        self._register = os.register_at_fork
        self._noted: list[dict[str, Callable[[], object]]] = []
        os.register_at_fork = self._note  # type: ignore[assignment]

    def register(self) -> None:
        """Register what was noted, and whatever comes: for a child that a program is to run in."""
        os.register_at_fork = self._register
        for hooks in self._noted:
            os.register_at_fork(**hooks)

    def _note(self, **hooks: Callable[[], object]) -> None:
        self._noted.append(hooks)
