"""A program and its tests, whose verdict is what plain CPython says."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    names: str
    tests: tuple[str, ...]
    source: str
    setup: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tests", tuple(textwrap.dedent(test) for test in self.tests))
        object.__setattr__(self, "source", textwrap.dedent(self.source))
        object.__setattr__(self, "setup", textwrap.dedent(self.setup))
