"""Format without content, and content without format."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.families.hedges import wrong_answer
from rlvr_gym.audit.subject import Place, Subject
from rlvr_gym.verifiers.attacks import Expectation


def empty_formats(subject: Subject) -> Iterator[Try]:
    """The right structure around nothing, or around a wrong answer."""
    if subject.frame is None:
        return
    frame = subject.frame
    for filling in ("", " ", "...", "?", "answer", "\\text{}", "\\,", "{}", "\\boxed{}", "your answer here"):
        if filling != subject.gold:
            yield Try(says="the format around nothing", text=frame.around(filling))
    yield Try(says="the format many times over", text=frame.around("") * 50)
    if frame.place is not Place.WHOLE:
        emptied = frame.around(subject.gold) + frame.around("")
        yield Try(says="the gold, then the format around nothing", text=emptied)
    if other := wrong_answer(subject):
        yield Try(
            says="the gold outside, a wrong answer inside", text=f"{subject.gold}\n{frame.around(other)}"
        )


def bare_contents(subject: Subject) -> Iterator[Try]:
    """The gold outside of the place where the final answer belongs."""
    if subject.frame is None or subject.frame.place in (Place.WHOLE, Place.FENCE):
        return
    frame, gold = subject.frame, subject.gold
    for sentence in ("{}", "The result is {}.", "I get {}", "So we have {} in the end, as one easily sees."):
        yield Try(says="the gold without its marker", text=sentence.format(gold))
    if frame.place in (Place.BOXED, Place.TAG):
        yield Try(says="a marker that is never closed", text=f"{frame.before}{gold}")
        yield Try(says="a marker that is only closed", text=f"{gold}{frame.after}")


EMPTY = Family(
    name="format without content",
    about="the right structure with nothing, or nothing right, in it",
    expectation=Expectation.FAIL,
    tries=empty_formats,
)
BARE = Family(
    name="content without format",
    about="the gold outside of where the final answer belongs",
    expectation=Expectation.FAIL,
    tries=bare_contents,
)
