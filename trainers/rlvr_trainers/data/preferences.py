"""Pairs of answers of preference files, a task each: what was preferred to what.

A row holds `chosen` and `rejected`, as messages or as text, with a `prompt` before them (messages or text) or, where
they are messages, with the prompt as their common beginning. A row that is no such pair is a DataError that names file
and line.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import DataError
from rlvr_gym.files import Json
from rlvr_gym.rows import Row
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.verdicts import Verdict
from rlvr_trainers.data.conversations import as_messages, rows_of, source_name, spoken_by, unjudged
from rlvr_trainers.data.said import Said

_PREFERRED, _OTHER = Verdict.right("preferred in the data"), Verdict.wrong("not preferred in the data")


def preferences(source: str, *, split: str = "train") -> Environment:
    """The pairs of a file, of a folder in the hub's format, or of a hub data set, as tasks nobody can judge."""
    tasks = [_task(place, number, row) for number, (place, row) in enumerate(rows_of(source, split), start=1)]
    if not tasks:
        raise DataError(f"{source} holds no pairs: it is empty")
    return unjudged(TaskSet.from_tasks(tasks, name=source_name(source)))


def both_of(task: Task) -> list[Said]:
    """The preferred answer, and the other."""
    chosen, rejected = (as_messages("reference", messages) for messages in _two(task.reference))
    return [Said(messages=chosen, verdict=_PREFERRED), Said(messages=rejected, verdict=_OTHER)]


def _two(reference: Json) -> Sequence[Json]:
    assert isinstance(reference, list)
    return reference


def _task(place: str, number: int, row: Row) -> Task:
    try:
        prompt, chosen, rejected = _pair(row)
        for name, answer in (("chosen", chosen), ("rejected", rejected)):
            if not answer or answer[-1].role != "assistant" or answer[0].role != "assistant":
                raise DataError(
                    f"`{name}` does not begin and end with a turn of the assistant after the prompt"
                )
        if not prompt:
            raise DataError("there is no prompt: neither `prompt` nor a beginning that both answers share")
        if chosen == rejected:
            raise DataError("`chosen` and `rejected` say the same, so neither is preferred")
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    answers = [[message.model_dump() for message in answer] for answer in (chosen, rejected)]
    return Task(id=f"row {number}", prompt=prompt, reference=answers)


def _pair(row: Row) -> tuple[tuple[Message, ...], tuple[Message, ...], tuple[Message, ...]]:
    """The prompt and both answers to it."""
    if row.get("tools"):
        raise DataError(
            "it has `tools`, which are not shown to the model here: write them into a message as the model reads them"
        )
    if missing := [name for name in ("chosen", "rejected") if row.get(name) is None]:
        found = ", ".join(sorted(name for name, value in row.items() if value is not None)) or "nothing"
        raise DataError(f"no `{'` and no `'.join(missing)}`; the row has {found}")
    chosen, rejected = (
        as_messages(name, spoken_by("assistant", row[name])) for name in ("chosen", "rejected")
    )
    if row.get("prompt") is not None:
        prompt = as_messages("prompt", spoken_by("user", row["prompt"]))
        return prompt, _after(prompt, chosen), _after(prompt, rejected)
    shared = _shared(chosen, rejected)
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _after(prompt: tuple[Message, ...], answer: tuple[Message, ...]) -> tuple[Message, ...]:
    """The answer without the prompt, where the data repeats it."""
    return answer[len(prompt) :] if answer[: len(prompt)] == prompt else answer


def _shared(chosen: Sequence[Message], rejected: Sequence[Message]) -> int:
    """Messages that both begin with, up to the last that is not the assistant's: an answer begins with its turn."""
    shared = 0
    for place, (one, other) in enumerate(zip(chosen, rejected, strict=False)):
        if one != other:
            break
        if one.role != "assistant":
            shared = place + 1
    return shared
