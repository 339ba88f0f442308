"""Conversations of chat files, a task each: what comes before the assistant's first turn, and what was said from there.

A row holds `messages`, each with `role` and `content`, or a `prompt` and its `completion` (messages or text). A row
that is no such conversation is a DataError that names file and line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import DataError, VerifierFault
from rlvr_gym.files import Json
from rlvr_gym.rows import DATA_SUFFIXES, Row, hub_rows, reader_of
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.base import FunctionVerifier
from rlvr_trainers.data.said import Said

_MESSAGES = TypeAdapter(tuple[Message, ...])


def conversations(source: str, *, split: str = "train") -> Environment:
    """The conversations of a file, of a folder in the hub's format, or of a hub data set, as tasks nobody can judge."""
    tasks = [_task(place, number, row) for number, (place, row) in enumerate(rows_of(source, split), start=1)]
    if not tasks:
        raise DataError(f"{source} holds no conversations: it is empty")
    return unjudged(TaskSet.from_tasks(tasks, name=source_name(source)))


def source_name(source: str) -> str:
    """A short name for a source."""
    return Path(source).name


def unjudged(tasks: TaskSet) -> Environment:
    """Tasks to learn from that no verifier has a part in."""
    return Environment(tasks, FunctionVerifier(_refuse))


def said_in(task: Task) -> list[Said]:
    """The messages of a conversation from the assistant's first turn on, up to its last."""
    return [Said(messages=_MESSAGES.validate_python(task.reference))]


def rows_of(source: str, split: str) -> Iterable[tuple[str, Row]]:
    """The rows of a file, of a folder in the hub's format, or of a hub data set, each with its place."""
    path = Path(source).expanduser()
    hub_id = source.count("/") == 1 and not path.exists() and not path.parent.exists()
    if path.is_dir() or (hub_id and path.suffix not in DATA_SUFFIXES):
        return hub_rows(source, None, split)
    return reader_of(path)(path)


def _task(place: str, number: int, row: Row) -> Task:
    """The task of a row. Rows may be alike, so they are told apart by their number."""
    try:
        messages = _conversation(row)
        said = [position for position, message in enumerate(messages) if message.role == "assistant"]
        if not any(messages[position].content.strip() for position in said):
            raise DataError("no turn of the assistant says anything, so there is nothing to learn")
        if said[0] == 0:
            raise DataError("it begins with a turn of the assistant: what it follows must come first")
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    spoken = messages[said[0] : said[-1] + 1]
    return Task(
        id=f"row {number}",
        prompt=messages[: said[0]],
        reference=[message.model_dump() for message in spoken],
    )


def _conversation(row: Row) -> tuple[Message, ...]:
    if row.get("tools"):
        raise DataError(
            "it has `tools`, which are not shown to the model here: write them into a message as the model reads them"
        )
    if row.get("messages") is not None:
        return as_messages("messages", row["messages"])
    if row.get("prompt") is not None and row.get("completion") is not None:
        prompt = spoken_by("user", row["prompt"])
        return (
            *as_messages("prompt", prompt),
            *as_messages("completion", spoken_by("assistant", row["completion"])),
        )
    found = ", ".join(sorted(name for name, value in row.items() if value is not None)) or "nothing"
    raise DataError(f"no `messages`, nor `prompt` and `completion`; the row has {found}")


def spoken_by(role: str, value: Json) -> Json:
    """A text as the only message of a role; messages as they are."""
    return [{"role": role, "content": value}] if isinstance(value, str) else value


def as_messages(field: str, value: Json) -> tuple[Message, ...]:
    """The messages of a field. Raises DataError, with what is wrong, where it has none."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DataError(f"`{field}` is {type(value).__name__}, not a list of messages")
    for place, message in enumerate(value):
        for unread in ("tool_calls", "tool_call_id", "name"):
            if isinstance(message, dict) and message.get(unread) is not None:
                raise DataError(
                    f"{field}.{place}.{unread}: Extra inputs are not imitated; write calls into the content, as the "
                    "model is to write them"
                )
    try:
        return _MESSAGES.validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"{field}.{where}: {problem['msg']} (found {_shown(problem['input'])})") from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse(task: Task, completion: object) -> Verdict:
    raise VerifierFault("a conversation is imitated, and nothing judges another answer to it")
