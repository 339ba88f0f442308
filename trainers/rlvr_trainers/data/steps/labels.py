"""Labelled answers of files, a task for each row: the text of an answer, the places of its steps, and their labels.

A row is one of three:

- PRM800K's as published: `question.problem` and `label.steps`, each with `completions` and `chosen_completion`. The
  chosen steps are an answer, up to the first that is wrong; every other rated completion is one of its own, of which
  only the last step is labelled. A step that a person wrote is right. Problems that were reported as bad are left out.
- `prompt`, `completions` (the texts of the steps) and `labels` (true, false, or from 0 to 1; null is not known).
- `prompt`, `completion` (the whole answer), `spans` (where each step begins and ends in it) and `labels`, as
  `rlvr label-steps` writes them.

A row that is none of these is a DataError that names file and line.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import DataError, TasksLeftOut
from rlvr_gym.files import Json
from rlvr_gym.rows import Row
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.steps import Separator
from rlvr_trainers.data.conversations import as_messages, rows_of, source_name, spoken_by, unjudged
from rlvr_trainers.data.said import Said
from rlvr_trainers.data.steps.reading import Reading

_BETWEEN: dict[Separator, str] = {"line": "\n", "paragraph": "\n\n", "tag": "\n"}
_LABELLED = "labelled in the data"


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """An answer, the (begin, end) of each of its steps in it, and the label of each; None is not known."""

    text: str
    spans: tuple[tuple[int, int], ...]
    labels: tuple[float | None, ...]

    @classmethod
    def of_steps(cls, steps: Sequence[str], labels: Sequence[float | None], by: Separator) -> Labelled:
        """The answer that these steps make up."""
        text, spans = "", list[tuple[int, int]]()
        for step in steps:
            said = f"<step>{step}</step>" if by == "tag" else step
            text += _BETWEEN[by] if text else ""
            spans.append((len(text), len(text) + len(said)))
            text += said
        return cls(text=text, spans=tuple(spans), labels=tuple(labels))

    @property
    def known(self) -> bool:
        """True where any step has a label."""
        return any(label is not None for label in self.labels)


def step_labels(source: str, reading: Reading, *, split: str = "train") -> Environment:
    """The labelled answers of a file, of a folder in the hub's format, or of a hub data set, which nobody judges.

    Rows without a label are left out and counted in a warning. Raises DataError for a row that is no labelled answer,
    and where no row is left.
    """
    tasks, empty = list[Task](), 0
    for number, (place, row) in enumerate(rows_of(source, split), start=1):
        try:
            prompt, answers = _read(row, reading)
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
        answers = [_hardened(answer, reading) for answer in answers if answer.known]
        if not answers:
            empty += 1
            continue
        reference = [[one.text, [list(span) for span in one.spans], list(one.labels)] for one in answers]
        tasks.append(Task(id=f"row {number}", prompt=prompt, reference=reference))
    if not tasks:
        raise DataError(f"{source} holds no labelled steps: " + (f"{empty} rows" if empty else "it is empty"))
    if empty:
        warnings.warn(
            f"{empty:,} of {empty + len(tasks):,} rows of {source_name(source)} have no labelled step and are left out",
            TasksLeftOut,
            stacklevel=2,
        )
    return unjudged(TaskSet.from_tasks(tasks, name=source_name(source)))


def labelled_in(task: Task) -> list[Said]:
    """The labelled answers of a row, each with a verdict whose parts are its steps."""
    reference: Any = task.reference
    return [
        Said(messages=(Message(role="assistant", content=text),), verdict=_verdict(spans, labels))
        for text, spans, labels in reference
    ]


def _verdict(spans: Sequence[Sequence[int]], labels: Sequence[float | None]) -> Verdict:
    parts = {
        f"step {number}": _as_verdict(label).model_copy(update={"span": (begin, end)})
        for number, ((begin, end), label) in enumerate(zip(spans, labels, strict=True), start=1)
    }
    known = [label for label in labels if label is not None]
    return _as_verdict(sum(known) / len(known)).model_copy(update={"parts": parts})


def _as_verdict(label: float | None) -> Verdict:
    if label is None:
        return Verdict.unscored("not labelled")
    return Verdict.right(_LABELLED) if label == 1 else Verdict.wrong(_LABELLED, score=label)


def _hardened(answer: Labelled, reading: Reading) -> Labelled:
    if reading.labels == "soft":
        return answer
    hard = (None if label is None else float(label > 0) for label in answer.labels)
    return Labelled(text=answer.text, spans=answer.spans, labels=tuple(hard))


def _read(row: Row, reading: Reading) -> tuple[tuple[Message, ...], list[Labelled]]:
    """The prompt of a row, and the labelled answers to it."""
    if isinstance(row.get("question"), dict) and isinstance(row.get("label"), dict):
        return _published(row, reading)
    if row.get("prompt") is None or row.get("labels") is None:
        found = ", ".join(sorted(name for name, value in row.items() if value is not None)) or "nothing"
        raise DataError(
            "no labelled steps: neither PRM800K's `question` and `label`, nor `prompt` with `completions` and "
            f"`labels`, nor `prompt` with `completion`, `spans` and `labels`; the row has {found}"
        )
    prompt = as_messages("prompt", spoken_by("user", row["prompt"]))
    if not prompt:
        raise DataError("`prompt` is empty")
    labels = [_label(value) for value in _list(row, "labels")]
    if row.get("spans") is not None:
        answer = _spanned(row, labels)
    else:
        steps = [_step_text(value, f"completions.{i}") for i, value in enumerate(_list(row, "completions"))]
        _refuse_other_number(len(steps), len(labels), "completions")
        answer = Labelled.of_steps(steps, labels, reading.by)
    return prompt, [answer]


def _spanned(row: Row, labels: Sequence[float | None]) -> Labelled:
    text, spans, reached = row.get("completion"), list[tuple[int, int]](), 0
    if not isinstance(text, str):
        raise DataError("`spans` need the answer that they are places in, as the text `completion`")
    for value in _list(row, "spans"):
        match value:
            case [int(begin), int(end)] if reached <= begin < end <= len(text):
                spans.append((begin, end))
                reached = end
            case _:
                raise DataError(
                    f"`spans` has {value!r}: each is the place where a step begins and where it ends in the "
                    f"{len(text)} characters of `completion`, one after the other"
                )
    _refuse_other_number(len(spans), len(labels), "spans")
    return Labelled(text=text, spans=tuple(spans), labels=tuple(labels))


def _list(row: Row, field: str) -> Sequence[Json]:
    value = row.get(field)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DataError(f"`{field}` is {type(value).__name__}, not a list")
    return value


def _refuse_other_number(steps: int, labels: int, field: str) -> None:
    if steps != labels:
        raise DataError(f"`{field}` has {steps} steps, and `labels` {labels} labels")


def _step_text(value: Json, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"`{where}` is {value!r}, not the text of a step")
    return value


def _label(value: Json) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise DataError(f"`labels` has {value!r}: a label is true, false, null, or a number from 0 to 1")


def _published(row: Any, reading: Reading) -> tuple[tuple[Message, ...], list[Labelled]]:
    """A row of PRM800K."""
    problem, label = row["question"].get("problem"), row["label"]
    if not isinstance(problem, str) or not isinstance(label.get("steps"), Sequence):
        raise DataError("`question.problem` and `label.steps` are not a text and a list of steps")
    answers = [] if label.get("finish_reason") == "bad_problem" else list(_paths(label["steps"], reading))
    return (Message(role="user", content=problem),), answers


def _paths(steps: Sequence[Any], reading: Reading) -> Iterator[Labelled]:
    """The answer of the chosen steps, up to the first wrong one, and one for each other completion that was rated."""
    ratings = {1: 1.0, 0: {"right": 1.0, "wrong": 0.0, "left_out": None}[reading.neutral], -1: 0.0}
    path: list[str] = []
    labels: list[float | None] = []
    for number, step in enumerate(steps):
        where = f"label.steps.{number}"
        completions, chosen = _completions(step, where)
        for place, (text, rating) in enumerate(completions):
            if place != chosen and rating is not None:
                rated = [*[None] * len(path), ratings[rating]]
                yield Labelled.of_steps([*path, text], rated, reading.by)
        written = step.get("human_completion")
        if chosen is not None:
            text, rating = completions[chosen]
        elif written is not None:
            text, rating = _step_text(written.get("text") if isinstance(written, dict) else written, where), 1
        else:
            break
        path, labels = [*path, text], [*labels, None if rating is None else ratings[rating]]
        if rating == -1:
            break
    if path:
        yield Labelled.of_steps(path, labels, reading.by)


def _completions(step: Any, where: str) -> tuple[list[tuple[str, int | None]], int | None]:
    """The texts and ratings of a step's completions, and the number of the one that was chosen, if any was."""
    if not isinstance(step, dict):
        raise DataError(f"`{where}` is {step!r}, not a step with `completions`")
    completions = [_rated(one, where) for one in step.get("completions") or ()]
    chosen = step.get("chosen_completion")
    if chosen is not None and chosen not in range(len(completions)):
        raise DataError(f"`{where}.chosen_completion` is {chosen!r}, and there are {len(completions)}")
    return completions, chosen


def _rated(completion: Any, where: str) -> tuple[str, int | None]:
    if not isinstance(completion, dict):
        raise DataError(f"`{where}` has the completion {completion!r}, not one with `text` and `rating`")
    rating = completion.get("rating")
    if rating not in (-1, 0, 1, None):
        raise DataError(f"`{where}` has the rating {rating!r}, which is none of -1, 0, 1 and null")
    return _step_text(completion.get("text"), where), rating
