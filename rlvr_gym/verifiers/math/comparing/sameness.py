"""The answer to "are they the same?", and of several such answers one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Sameness(Enum):
    """The answer to "are they the same?"."""

    YES = "yes"
    NO = "no"
    OPEN = "open"
    """Out of reach of the bounded comparison."""


def known(said: bool | None) -> Sameness:
    """YES or NO, and OPEN for None, which is not known."""
    return Sameness.OPEN if said is None else Sameness.YES if said else Sameness.NO


def all_of(said: Iterable[Sameness]) -> Sameness:
    """YES where all are; the first that is not, otherwise. An OPEN one yields to a NO after it."""
    worst = Sameness.YES
    for one in said:
        if one is Sameness.NO:
            return one
        worst = one if one is Sameness.OPEN else worst
    return worst
