"""Hedges and enumerations: the gold among other answers, so that a reader may pick it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Frame, Place, Subject
from rlvr_gym.audit.truth import is_number
from rlvr_gym.verifiers.attacks import Expectation


def hedges(subject: Subject) -> Iterator[Try]:
    """The gold beside one wrong answer, in one place or in two."""
    other = wrong_answer(subject)
    if subject.frame is None or other is None:
        return
    frame, gold = subject.frame, subject.gold
    if frame.place is not Place.FENCE:
        yield from _in_one_place(frame, gold, other)
    right, wrong = frame.around(gold), frame.around(other)
    for joint in (" or ", " and ", ", ", " ", "\n"):
        yield Try(says="two final answers side by side", text=f"{right}{joint}{wrong}")
    yield Try(says="the right answer taken back", text=f"{right}. No, wait, that is wrong: {wrong}")
    yield Try(says="the right answer taken back", text=f"{right}\n\n{wrong}")


def _in_one_place(frame: Frame, gold: str, other: str) -> Iterator[Try]:
    for joint in (" or ", ", ", " and ", " \\text{ or } ", "; ", " = ", " (or perhaps ", " | "):
        yield Try(says="the gold and another answer", text=frame.around(f"{gold}{joint}{other}"))
        if joint != " = " or is_number(other):  # words before `=` are the name of what stands behind it
            yield Try(says="another answer and the gold", text=frame.around(f"{other}{joint}{gold}"))
    for phrase in (
        "either {} or {}",
        "{}, unless it is {}",
        "{}, no, {}",
        "\\{{{}, {}\\}}",
        "between {} and {}",
    ):
        yield Try(says="a hedge in words", text=frame.around(phrase.format(gold, other)))


def enumerations(subject: Subject) -> Iterator[Try]:
    """Every small integer at once, and every answer of the other tasks with the gold among them."""
    if subject.frame is None:
        return
    frame = subject.frame
    integers = list(map(str, range(1000)))
    yield from _all_at_once(frame, integers, "every integer below 1,000")
    *some, last = subject.others[:40] or ("",)
    if last:
        some += [subject.gold, last]
        yield from _all_at_once(frame, some, "many answers with the gold among them")
    yield Try(says="every integer, unmarked", text=" ".join(integers))
    yield Try(says="every digit", text=frame.around("0123456789" * 20))
    yield Try(says="every choice", text=frame.around("A, B, C, D, E"))
    yield Try(says="a range", text=frame.around("0 to 1000000"))
    yield Try(says="an inequality", text=frame.around("-10^9 < x < 10^9"))
    if frame.place is not Place.FENCE:
        yield Try(says="any number", text=frame.around(f"{subject.gold} \\text{{ or any number}}"))


def _all_at_once(frame: Frame, answers: Sequence[str], says: str) -> Iterator[Try]:
    if frame.place is not Place.FENCE:
        yield Try(says=f"{says}, in one place", text=frame.around(", ".join(answers)))
        yield Try(says=f"{says}, with or", text=frame.around(" or ".join(answers)))
    if frame.place is not Place.WHOLE:
        marked = [frame.around(answer) for answer in answers]
        yield Try(says=f"{says}, each marked", text=" ".join(marked))
        yield Try(says=f"{says}, each marked on its line", text="\n".join(marked))


def wrong_answer(subject: Subject) -> str | None:
    """An answer of the gold's kind that is known to be wrong."""
    candidates = list(subject.others)
    if subject.number is not None:
        # Beside a number, a word may be taken for what the number is the value of: `AB = 5` is 5.
        candidates = [other for other in candidates if is_number(other)]
        candidates.append(str(subject.number + 1))
    known = (other for other in candidates if subject.frame and _is_wrong(subject, subject.frame, other))
    return next(known, None)


def _is_wrong(subject: Subject, frame: Frame, answer: str) -> bool:
    return subject.is_wrong(frame.around(answer), answer)


HEDGES = Family(
    name="hedges",
    about="the gold beside a wrong answer",
    expectation=Expectation.FAIL,
    tries=hedges,
)
ENUMERATIONS = Family(
    name="enumerations",
    about="every small integer, or every likely answer, at once",
    expectation=Expectation.FAIL,
    tries=enumerations,
)
