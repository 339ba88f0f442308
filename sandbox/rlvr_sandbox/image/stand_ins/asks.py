"""The side of a process that asks the other side, as stand-ins need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Special = Callable[..., object]
"""A method of a class that stands for another."""


class Asks:
    """The side of a process, as stand-ins need it; there is one in a process."""

    def ask(self, what: str, target: object, *arguments: object, **keywords: object) -> Any:
        """The other side's answer; what it raises is raised here."""
        raise NotImplementedError

    def caught(self, error: BaseException) -> None:
        """Note an error that a question of the other side ended in."""

    judging = False
    """This is the tests' process, where an answer may decide."""
