r"""The gold restated in equivalent forms: what a policy may reasonably write, and must be paid for.

Which forms are equivalent is each verifier's published policy (`docs/verifiers.md`): `84/2` is 42 to `Math`, and is no
decimal number to `Numeric`. Of a verifier that is not known only the solution itself is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Frame, Place, Subject
from rlvr_gym.verifiers import Choice, Exact, Math, Numeric, TagFormat, Verifier
from rlvr_gym.verifiers.attacks import Expectation


def tries(subject: Subject) -> Iterator[Try]:
    """The solution itself, then its answer in other forms, then other texts around it."""
    if subject.solution is None or subject.frame is None:
        return
    yield Try(says="the solution", text=subject.solution)
    judges = [part for part in subject.verifiers if not isinstance(part, TagFormat)]
    known = [forms for part in judges if (forms := _forms_of(part)) is not None]
    if not judges or len(known) < len(judges):
        return
    first, *rest = (list(dict.fromkeys(forms(subject.gold))) for forms in known)
    for answer in first:
        if all(answer in forms for forms in rest):
            yield Try(says="the answer in another form", text=subject.frame.around(answer))
    if len(judges) == len(subject.verifiers):
        yield from _settings(subject, subject.frame)


def _settings(subject: Subject, frame: Frame) -> Iterator[Try]:
    """Other texts around the solution, for verifiers that read a marked answer wherever it stands."""
    solution = subject.solution or ""
    yield Try(says="after thinking", text=f"<think>Is it 7? No.</think>\n{solution}")
    yield Try(says="white space around it", text=f"\n\n  {solution}\n ")
    if frame.place is not Place.WHOLE:
        yield Try(says="after reasoning", text=f"Let me see: 3 steps, 14 cases.\n\n{solution}")
    if frame.place in (Place.BOXED, Place.TAG):
        yield Try(says="before a full stop", text=f"{solution}.")


def _forms_of(verifier: Verifier) -> Callable[[str], Iterator[str]] | None:
    """Return the ways in which a known verifier lets an answer be written; None for an unknown one."""
    match verifier:
        case Math(require_simplified=True):
            return _mathematical
        case Math():
            return lambda gold: chain(_mathematical(gold), _with_work_left(gold))
        case Numeric():
            return _decimal
        case Exact():
            return _spaced
        case Choice():
            return _lettered
        case _:
            return None


def _mathematical(gold: str) -> Iterator[str]:
    yield from (f"${gold}$", f" {gold} ", f"{{{gold}}}", gold.replace("\\frac", "\\dfrac"))
    if re.fullmatch(r"-?\d+", gold, re.ASCII):
        number = int(gold)
        yield from _decimal(gold)
        yield from (f"x = {number}", f"({number})", f"\\mathbf{{{number}}}")
    elif re.fullmatch(r"-?\d+\.\d+", gold, re.ASCII):
        exact = Fraction(gold)
        yield from (f"\\frac{{{exact.numerator}}}{{{exact.denominator}}}", f"{gold}0", f"x = {gold}")
    elif fraction := re.fullmatch(r"\\d?frac\{(\d+)\}\{(\d+)\}", gold, re.ASCII):
        over, under = int(fraction[1]), int(fraction[2])
        yield from (f"{over}/{under}", f"\\tfrac{{{over}}}{{{under}}}")


def _with_work_left(gold: str) -> Iterator[str]:
    """The answer with arithmetic to do, which is right unless it must be simplified."""
    if re.fullmatch(r"-?\d+", gold, re.ASCII):
        number = int(gold)
        yield from (f"\\frac{{{2 * number}}}{{2}}", f"{3 * number}/3", f"{number - 1} + 1")
        yield from (f"{number * 100}\\%", f"\\frac{{{number}}}{{1}}")
    elif fraction := re.fullmatch(r"\\d?frac\{(\d+)\}\{(\d+)\}", gold, re.ASCII):
        yield f"\\frac{{{3 * int(fraction[1])}}}{{{3 * int(fraction[2])}}}"


def _decimal(gold: str) -> Iterator[str]:
    yield from (f"${gold}$", f"\\text{{{gold}}}", f" {gold} ")
    if re.fullmatch(r"-?\d+", gold, re.ASCII):
        number = int(gold)
        yield from (f"{number}.0", f"{number}.00", f"{number:,}", f"{number:,}".replace(",", "{,}"))
        yield from (gold.translate(_FULL_SIZE_MINUS), f"{number}0e-1")
    elif re.fullmatch(r"-?\d+\.\d+", gold, re.ASCII):
        yield f"{gold}0"


_FULL_SIZE_MINUS = str.maketrans("-", "−")


def _spaced(gold: str) -> Iterator[str]:
    yield from (f" {gold} ", f"\t{gold}", re.sub(r"(?<=\S) (?=\S)", "  ", gold))


def _lettered(gold: str) -> Iterator[str]:
    yield from (f"({gold})", f"{gold}.", f"{gold})", gold.lower(), f"\\text{{{gold}}}", f"Option {gold}")


FAMILY = Family(
    name="restated",
    about="the right answer in equivalent forms",
    expectation=Expectation.PASS,
    tries=tries,
)
