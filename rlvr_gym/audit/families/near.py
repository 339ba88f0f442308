"""Near misses: answers that are almost the gold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Subject
from rlvr_gym.verifiers.attacks import Expectation


def tries(subject: Subject) -> Iterator[Try]:
    """The gold with one thing wrong, in the place of the gold."""
    if subject.frame is None:
        return
    misses = [*_misprints(subject.gold), *_structures(subject.gold)]
    if subject.number is not None:
        misses += _numbers(subject.number)
    for says, answer, sure in misses:
        yield Try(says=says, text=subject.frame.around(answer), answer=None if sure else answer)


def _numbers(gold: Fraction) -> Iterator[tuple[str, str, bool]]:
    for says, other in {
        "one more": gold + 1,
        "one less": gold - 1,
        "the opposite sign": -gold,
        "ten times as much": gold * 10,
        "a tenth": gold / 10,
        "a hundredth": gold / 100,
        "a half more": gold + Fraction(1, 2),
        "a thousandth off": gold + Fraction(1, 1000),
        "twice as much": gold * 2,
        "its square": gold * gold,
        "its reciprocal": 1 / gold if gold else Fraction(1),
    }.items():
        yield says, _written(other), False
    yield "as per cent", f"{_written(gold)}\\%", False


def _written(number: Fraction) -> str:
    """As a decimal where it is one, else as a fraction."""
    denominator = number.denominator
    while denominator % 2 == 0:
        denominator //= 2
    while denominator % 5 == 0:
        denominator //= 5
    if number.denominator == 1 or denominator != 1:
        return f"\\frac{{{number.numerator}}}{{{number.denominator}}}" if denominator != 1 else f"{number}"
    places = next(p for p in range(1, 400) if (number * 10**p).denominator == 1)
    digits = f"{abs(number) * 10**places}".rjust(places + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _misprints(gold: str) -> Iterator[tuple[str, str, bool]]:
    """One digit or one letter changed, left out, doubled, or two exchanged."""
    for place in [m.start() for m in re.finditer(r"\d", gold, re.ASCII)][:6]:
        other = str((int(gold[place]) + 1) % 10)
        yield "one digit changed", gold[:place] + other + gold[place + 1 :], False
        yield "one digit doubled", gold[:place] + gold[place] + gold[place:], False
        yield "one digit left out", gold[:place] + gold[place + 1 :], False
        exchanged = gold[:place] + gold[place : place + 2][::-1] + gold[place + 2 :]
        if gold[place : place + 2].isdigit():
            yield "two digits exchanged", exchanged, False
    if re.fullmatch(r"[A-Za-z]", gold):
        yield from (("another letter", letter, False) for letter in "ABCDE" if letter != gold.upper())
    elif re.fullmatch(r"[A-Za-z ]{3,}", gold):
        yield "a letter left out", gold[1:], False
        yield "written backwards", gold[::-1], False


def _structures(gold: str) -> Iterator[tuple[str, str, bool]]:
    """Parts of a tuple in the wrong order or missing, an interval closed at the wrong end."""
    pair = re.fullmatch(r"(\\left)?([(\[])\s*([^,()\[\]]+),([^,()\[\]]+?)\s*(\\right)?([)\]])", gold)
    if not pair:
        return
    first, second = pair[3].strip(), pair[4].strip()
    if first != second:
        yield "in the wrong order", f"{pair[2]}{second}, {first}{pair[6]}", True
    yield "only the first part", first, False
    yield "only the second part", second, False
    yield "the first part twice", f"{pair[2]}{first}, {first}{pair[6]}", False
    if "infty" not in gold:
        other = {"(": "[", "[": "("}[pair[2]]
        yield "closed at the wrong end", f"{other}{first}, {second}{pair[6]}", True


FAMILY = Family(
    name="near misses",
    about="answers that are almost the gold",
    expectation=Expectation.FAIL,
    tries=tries,
)
