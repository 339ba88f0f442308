"""Substrings and superstrings of the gold: what a search for the gold in a text, or the reverse, falls for."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Place, Subject
from rlvr_gym.verifiers.attacks import Expectation


def tries(subject: Subject) -> Iterator[Try]:
    """Parts of the gold, and texts that hold it, in the place of the gold."""
    if subject.frame is None or subject.frame.place is Place.FENCE:
        return
    frame, gold = subject.frame, subject.gold
    for part in dict.fromkeys((gold[:1], gold[:-1], gold[1:], gold[-1:], gold[: len(gold) // 2])):
        if part.strip() and part != gold:
            yield Try(says="a part of the gold", text=frame.around(part), answer=part)
    for longer in (f"{gold}0", f"{gold}7", f"1{gold}", f"9{gold}", f"{gold}{gold}", f"{gold}.5"):
        yield Try(says="digits beside the gold", text=frame.around(longer), answer=longer)
    for longer in (f"x{gold}x", f"not {gold}", f"anything but {gold}", f"{gold} is wrong", f"un{gold}able"):
        yield Try(says="words beside the gold", text=frame.around(longer))
    bracketed = frame.around(f"7 ({gold} was my first idea)")
    yield Try(says="the gold in an aside", text=bracketed, answer=None if gold != "7" else gold)


FAMILY = Family(
    name="parts and extensions",
    about="substrings and superstrings of the gold",
    expectation=Expectation.FAIL,
    tries=tries,
)
