"""Other tasks' golds: right answers, to another question."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Subject
from rlvr_gym.verifiers.attacks import Expectation


def tries(subject: Subject) -> Iterator[Try]:
    """The answers of other tasks, as far as they are known to differ from the gold."""
    if subject.frame is None:
        return
    for other in subject.others[:20]:
        yield Try(says="another task's answer", text=subject.frame.around(other), answer=other)


FAMILY = Family(
    name="other tasks' golds",
    about="right answers to other questions",
    expectation=Expectation.FAIL,
    tries=tries,
)
