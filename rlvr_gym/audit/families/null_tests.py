"""Null tests: tasks with nothing to judge by, where no test fails because there is none."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.families.hedges import wrong_answer
from rlvr_gym.audit.subject import Subject
from rlvr_gym.verifiers.attacks import Expectation

_NOTHING: tuple[JsonValue, ...] = (None, "", [], {})
_DEEPEST = 3


def tries(subject: Subject) -> Iterator[Try]:
    """Completions that are wrong for the task, put to it with its reference emptied, wholly or part by part."""
    for says, reference in emptied(subject.task.reference):
        task = subject.task.model_copy(update={"reference": reference})
        for text, answer in _completions(subject):
            yield Try(says=says, text=text, answer=answer, task=task)


def emptied(reference: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """The reference with nothing in it, then with each of its parts emptied; what has no parts is emptied whole."""
    if reference in _NOTHING:
        return
    for nothing in _NOTHING:
        yield f"{nothing!r} for a reference", nothing
    if isinstance(reference, dict):
        yield from _without_a_part(reference, "", _DEEPEST)


def _without_a_part(whole: dict[str, JsonValue], above: str, deep: int) -> Iterator[tuple[str, JsonValue]]:
    for name, part in whole.items():
        if isinstance(part, str | list | dict) and part:
            yield f"nothing for {above}{name}", {**whole, name: type(part)()}
        if isinstance(part, dict) and deep > 1:
            for says, rest in _without_a_part(part, f"{above}{name}.", deep - 1):
                yield says, {**whole, name: rest}


def _completions(subject: Subject) -> Iterator[tuple[str, str | None]]:
    yield "", None
    if subject.frame is None:
        return
    yield subject.frame.around(""), None
    if other := wrong_answer(subject):
        yield subject.frame.around(other), other
    if subject.entry_point:
        yield subject.frame.around(f"def {subject.entry_point}(*args, **kwargs):\n    return None\n"), None
    elif subject.program:
        yield subject.frame.around("pass\n"), None


FAMILY = Family(
    name="null tests",
    about="wrong completions of tasks whose tests, or gold, are emptied",
    expectation=Expectation.NEVER_PASS,
    tries=tries,
    tasks=2,
)
