"""Large published sets, sifted as they are read: rows that cannot be used are named, repeated questions are counted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlvr_gym.errors import DataError, TasksLeftOut, VerifierFault
from rlvr_gym.golds import check_gold, task_of
from rlvr_gym.rows import FILE_SUFFIXES, Row, hub_rows, reader_of
from rlvr_gym.tasks import Task, TaskSet
from rlvr_gym.verdicts import Completion
from rlvr_gym.verifiers.base import Verifier, judge

_NAMED = 5
"""Number of rows of each kind that are named; their totals are always given."""

Rows = Callable[[], Iterable[tuple[str, Row]]]


def sifted(
    rows: Rows,
    to_task: Callable[[Row], Task | None],
    verifier: Verifier,
    *,
    name: str,
    split: str,
    has_splits: bool = True,
) -> TaskSet:
    """The tasks of `rows` that can be judged, each question once.

    What would be a DataError elsewhere is left out here, and named in a warning: a row that `to_task` raises DataError
    for, and one whose gold answer the verifier cannot use or does not find right. A row without the set's fields is an
    error here too. A question that stands there again is dropped and counted; where its gold answers differ, nobody
    knows which is right, and none of its rows is used.
    """

    def kept() -> Iterator[tuple[str, Row]]:
        sieve = _Sieve(to_task, verifier, name)
        for place, row in rows():
            sieve.take(place, row)
        said = sieve.said()
        if said and not sieve.kept:
            raise DataError(f"'{name}' holds no tasks: {said}")
        if said:
            warnings.warn(f"'{name}': {said}", TasksLeftOut, stacklevel=2)
        return iter([(place, {"task": task}) for place, task in sieve.kept.values()])

    tasks = TaskSet.from_rows(kept, lambda row: row["task"], name=name, split=split)
    tasks.has_splits = has_splits
    return tasks


def rows_of(data: str, split: str, configs: Sequence[str | None] = (None,)) -> Rows:
    """The rows of a file, or of each configuration of a hub id or folder, one after the other.

    Of several configurations, those are read that a folder has folders for; all of it, once, where it has none.
    """
    path = Path(data).expanduser()
    if is_file(data):
        reader = reader_of(path)
        return lambda: reader(path)
    if path.is_dir() and len(configs) > 1:
        configs = [config for config in configs if config and (path / config).is_dir()] or [None]
    return lambda: (row for config in configs for row in hub_rows(data, config, split))


def is_file(data: str) -> bool:
    """Return whether `data` names a file of rows, which need not be there yet."""
    return data.endswith(FILE_SUFFIXES) or Path(data).expanduser().is_file()


@dataclass
class _Sieve:
    """The rows so far: the tasks that were kept, and why the others were not."""

    to_task: Callable[[Row], Task | None]
    verifier: Verifier
    name: str
    kept: dict[str, tuple[str, Task]] = field(default_factory=dict)
    """The task of each question, and its place."""
    contradicted: dict[str, str] = field(default_factory=dict)
    """Questions whose rows have different gold answers, and where two of them stand."""
    unusable: list[str] = field(default_factory=list)
    repeated: int = 0

    def take(self, place: str, row: Row) -> None:
        """Keep a row, or say why not. Raises DataError for one that is not of this set."""
        try:
            task = task_of(row, self.to_task, place=place, name=self.name)
        except DataError as error:
            if not isinstance(error.__cause__, DataError):
                raise
            self.unusable.append(str(error))
            return
        if task is None:
            return
        question = " ".join(task.text.split())
        if question in self.kept:
            self._take_again(question, place, task)
        elif question not in self.contradicted:
            self._take_first(question, place, task)

    def _take_first(self, question: str, place: str, task: Task) -> None:
        try:
            check_gold(self.verifier, task, place)
        except DataError as error:
            self.unusable.append(str(error))
        else:
            self.kept[question] = place, task

    def _take_again(self, question: str, place: str, task: Task) -> None:
        first_place, first = self.kept[question]
        if task.reference == first.reference or self._same_answer(first, task):
            self.repeated += 1
        else:
            del self.kept[question]
            self.contradicted[question] = f"{first_place} and {place}: task '{first.id}'"

    def _same_answer(self, first: Task, second: Task) -> bool:
        try:
            solution = self.verifier.solution(second)
        except (DataError, VerifierFault):
            return False
        return solution is not None and judge(self.verifier, first, Completion(text=solution)).correct

    def said(self) -> str:
        """Describe what was left out; nothing if nothing was."""
        parts = []
        if self.unusable:
            parts.append(
                f"{len(self.unusable):,} rows are left out, as they cannot be judged: {_some(self.unusable)}"
            )
        if self.contradicted:
            where = _some([*self.contradicted.values()])
            parts.append(
                f"{len(self.contradicted):,} questions are left out, as their gold answers differ: {where}"
            )
        if self.repeated:
            parts.append(f"{self.repeated:,} rows repeat a question and are dropped")
        return "; ".join(parts)


def _some(reasons: Sequence[str]) -> str:
    more = [f"and {len(reasons) - _NAMED:,} more"] if len(reasons) > _NAMED else []
    return "; ".join([*reasons[:_NAMED], *more])
