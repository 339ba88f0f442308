"""Equations between numbers in running text: found where they are unmistakable, and checked exactly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from rlvr_gym.errors import VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome
from rlvr_gym.verifiers.base import Verifier

MAX_CHARACTERS = 400
"""Of one side of an equation; a longer one is passed over."""

_TIMES = re.compile(r"(?<=[\d)])\s*(?:[xX]|\\times|\\cdot|×|·)\s*(?=[\d(.])")
_OVER = re.compile(r"\\div|÷")
_EDGE = re.compile(r"<<|>>|\\[()\[\]]|\$\$|[;\n]|[,.]\s|^\s*\d{1,2}[.)]\s", re.MULTILINE)
"""The border between one thing and another, including the number of a list item."""
_RUN = re.compile(r"[\d(.$+\-−*/^=%),][\d\s(.$+\-−*/^=%),]*+")
_NUMBER = re.compile(r"[\d.,\s$%]*\d[\d.,\s$%]*")
_OPERATORS = "+-−*/^="
_GLUED_BEFORE = re.compile(r"[^\s]$")
_OPERAND_BEFORE = re.compile(r"[\w\])}!°'′]\s*$")
_GLUED_AFTER = re.compile(r"\S")
_WORD_AFTER = re.compile(r"\s*([A-Za-zα-ωΑ-Ω\\][A-Za-z]*)")
_LEAD = re.compile(r"([A-Za-z]+)\s*$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PART_OF_THE_SIDE = _words(
    """
    a add added and by choose cube cubed difference divided double each from half into less log lots minus
    mod modulo more multiplied of over per percent plus power product quarter raised root square squared
    subtract sum than third thirds times to triple twice with remainder
    """
)
"""Words beside an equation that may belong to what is computed: `half of 12 = 6` is no claim that 12 is 6."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """The number of equations in a text that could be checked, and the first wrong one as written."""

    count: int
    false: str | None


def check_equations(text: str) -> Checked:
    """Check the equations between numbers in `text`, up to the first that does not hold."""
    count = 0
    for chain in _chains(text):
        for left, right in pairwise(chain):
            holds = _same(left, right)
            count += holds is not None
            if holds is False:
                return Checked(count=count, false=f"{left} = {right}")
    return Checked(count=count, false=None)


def _chains(text: str) -> Iterator[list[str]]:
    """The sides of each chain of equations."""
    for piece in _EDGE.split(_OVER.sub("/", _TIMES.sub("*", text))):
        for run in _RUN.finditer(piece):
            if "=" in run[0] and _alone(piece[: run.start()], run[0], piece[run.end() :]):
                sides = [side.strip().replace("$", "") for side in run[0].rstrip(" .,").split("=")]
                lead = _LEAD.search(piece[: run.start()])
                named = lead is not None and _NUMBER.fullmatch(sides[0]) is not None
                if all(map(_is_side, sides)) and not named and not all(map(_NUMBER.fullmatch, sides)):
                    yield sides


def _alone(before: str, run: str, after: str) -> bool:
    """Return whether a run of digits and operators stands by itself, apart from the words and signs around it."""
    lead, word = _LEAD.search(before), _WORD_AFTER.match(after)
    if _GLUED_BEFORE.search(before) or (run[0] in _OPERATORS and _OPERAND_BEFORE.search(before)):
        return False
    if (_GLUED_AFTER.match(after) and not run[-1].isspace()) or (after and not word):
        return False
    return not any(
        found and (len(found[1]) == 1 or found[1].lower() in _PART_OF_THE_SIDE) for found in (lead, word)
    )


def _is_side(side: str) -> bool:
    return 0 < len(side) <= MAX_CHARACTERS and side[-1] not in _OPERATORS and any(map(str.isdigit, side))


def _same(left: str, right: str) -> bool | None:
    """Return whether two sides are the same number; None if one cannot be read."""
    try:
        said = _math().verify(Task(id="equation", prompt="equation", reference=left), Completion(text=right))
    except VerifierFault:
        return None
    return None if said.outcome is Outcome.MALFORMED else said.correct


@cache
def _math() -> Verifier:
    from rlvr_gym.verifiers.math import Math

    return Math("whole")
