"""Ordered collections (`TaskSet`) of verifiable problems (`Task`)."""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rlvr_gym.errors import ConfigError, DataError, TasksLeftOut
from rlvr_gym.golds import check_gold, left_out, task_of
from rlvr_gym.rows import Row, hub_rows, reader_of
from rlvr_gym.seeding import derive_rng, derive_seed
from rlvr_gym.task import Message, Task

if TYPE_CHECKING:
    from rlvr_gym.verifiers.base import Verifier

__all__ = ["Message", "Task", "TaskSet"]


class TaskSet(ABC):
    """An ordered, lazily loaded collection of tasks: one split of one source.

    Indexing takes a position or a task id. `size` is None where the collection is endless (procedural).
    Nothing is read or generated before the first access.
    """

    name: str
    split: str
    has_splits: bool = True
    """True where the source has splits: a file is read whole, whatever split is asked for."""

    @property
    def label(self) -> str:
        """The collection as messages name it: with its split where there are several."""
        return f"'{self.name}' ({self.split})" if self.has_splits else f"'{self.name}'"

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Number of tasks; None when endless."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes whenever the tasks do; evaluations of different fingerprints never mix."""

    @abstractmethod
    def at(self, index: int) -> Task:
        """The task at a position, counted from 0. Raises IndexError past the end."""

    @abstractmethod
    def find(self, task_id: str) -> Task:
        """The task of that id. Raises KeyError, naming the collection, when there is none."""

    def unchecked(self) -> TaskSet:
        """The same tasks to look at, with those that a verifier calls unjudgeable, so that no program is run for it."""
        return self

    def __getitem__(self, key: int | str) -> Task:
        return self.find(key) if isinstance(key, str) else self.at(key)

    def __iter__(self) -> Iterator[Task]:
        index = 0
        while self.size is None or index < self.size:
            yield self.at(index)
            index += 1

    def take(self, count: int | None) -> list[Task]:
        """The first `count` distinct tasks (all of them for None), fewer where the collection has fewer.

        An endless collection over a small domain repeats itself; repetitions are skipped, and the search
        ends when none of the last 100 + 20 x (tasks found) was new.
        """
        if count is None and self.size is None:
            raise ConfigError(f"'{self.name}' is endless: say how many of its tasks to take")
        found: dict[str, Task] = {}
        misses = 0
        for task in self:
            if count is not None and len(found) >= count:
                break
            misses = misses + 1 if task.id in found else 0
            if misses > 100 + 20 * len(found):
                break
            found.setdefault(task.id, task)
        return list(found.values())

    @staticmethod
    def from_rows(
        rows: Callable[[], Iterable[tuple[str, Row]]],
        to_task: Callable[[Row], Task | None],
        *,
        name: str,
        split: str,
        verifier: Verifier | None = None,
    ) -> TaskSet:
        """Tasks made of `rows()`, pairs of (where it stands, row); called once, at the first access.

        Here and in the other sources, a row of which `to_task` makes None is left out, and a `verifier` checks
        every gold answer when the tasks are loaded: one that it cannot use, or does not find right, is a DataError
        that names the row and the task. Tasks that it calls unjudgeable are left out, and named in a warning.
        """
        return _StoredTaskSet(rows, to_task, name=name, split=split, verifier=verifier)

    @staticmethod
    def from_tasks(tasks: Iterable[Task], *, name: str, split: str | None = None) -> TaskSet:
        """The given tasks; a split is named where there are others."""
        listed = list(tasks)
        return _StoredTaskSet(
            lambda: ((f"task {i + 1}", {"task": task}) for i, task in enumerate(listed)),
            lambda row: row["task"],
            name=name,
            split=split or "test",
            has_splits=split is not None,
        )

    @staticmethod
    def from_path(
        path: str | Path,
        to_task: Callable[[Row], Task | None],
        *,
        name: str,
        split: str,
        verifier: Verifier | None = None,
    ) -> TaskSet:
        """Tasks from a `.jsonl`, `.jsonl.gz`, `.parquet`, `.json` or `.csv` file, one a row."""
        path = Path(path).expanduser()
        rows = reader_of(path)
        return _StoredTaskSet(
            lambda: rows(path), to_task, name=name, split=split, verifier=verifier, has_splits=False
        )

    @staticmethod
    def from_hub(
        repo: str,
        to_task: Callable[[Row], Task | None],
        *,
        name: str,
        split: str,
        config: str | None = None,
        verifier: Verifier | None = None,
    ) -> TaskSet:
        """Tasks from a split of a Hugging Face hub dataset, or of a local folder in the hub's format."""
        return TaskSet.from_rows(
            lambda: hub_rows(repo, config, split), to_task, name=name, split=split, verifier=verifier
        )

    @staticmethod
    def procedural(
        name: str,
        generate: Callable[..., Task],
        *,
        split: str = "train",
        seed: int = 0,
        **parameters: JsonValue,
    ) -> TaskSet:
        """An endless collection: task i is `generate(rng, **parameters)` on a stream of its own.

        Which split a task belongs to is decided by a hash of its `id` alone, so `generate` must give equal
        problems equal ids. The splits are then disjoint whatever the seeds: about four fifths of all
        possible tasks are `train`, one fifth is `test`.
        """
        return _ProceduralTaskSet(name, generate, split=split, seed=seed, parameters=parameters)


class _StoredTaskSet(TaskSet):
    def __init__(
        self,
        rows: Callable[[], Iterable[tuple[str, Row]]],
        to_task: Callable[[Row], Task | None],
        *,
        name: str,
        split: str,
        verifier: Verifier | None = None,
        has_splits: bool = True,
    ) -> None:
        self.name, self.split, self.has_splits = name, split, has_splits
        self._rows, self._to_task, self._verifier = rows, to_task, verifier
        self._places: dict[str, str] = {}
        self._asked_for: str | None = None

    @cached_property
    def _tasks(self) -> list[Task]:
        """The tasks that can be judged."""
        refused = self._refused
        kept = [task for task in self._loaded if task.id not in refused]
        if refused:
            said = left_out(refused, len(self._loaded), self._places)
            if not kept:
                raise DataError(f"{self.label} holds no tasks: {said}")
            warnings.warn(f"{self.label}: {said}", TasksLeftOut, stacklevel=2)
        return kept

    @cached_property
    def _refused(self) -> Mapping[str, str]:
        return self._verifier.unjudgeable(self._loaded) if self._verifier is not None else {}

    @cached_property
    def _loaded(self) -> list[Task]:
        tasks: list[Task] = []
        places: dict[str, str] = {}
        for place, row in self._rows():
            task = task_of(row, self._to_task, place=place, name=self.name)
            if task is None:
                continue
            if self._verifier is not None:
                check_gold(self._verifier, task, place)
            if task.id in places:
                raise DataError(f"{place}: task id '{task.id}' already stands at {places[task.id]}")
            places[task.id] = place
            tasks.append(task)
        if not tasks:
            raise DataError(f"{self.label} holds no tasks")
        self._places = places
        return tasks

    @cached_property
    def _by_id(self) -> dict[str, Task]:
        return {task.id: task for task in self._loaded}

    def _reason_to_refuse(self, task: Task) -> str | None:
        """Return why the task is left out. Judges one task alone: whoever wants one need not wait for all."""
        if self._verifier is None or "_refused" in self.__dict__ or self._asked_for not in (None, task.id):
            return self._refused.get(task.id)
        self._asked_for = task.id
        return self._verifier.unjudgeable([task]).get(task.id)

    @property
    def size(self) -> int | None:
        return len(self._tasks)

    @property
    def fingerprint(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return _digest_of(self._tasks)

    def at(self, index: int) -> Task:
        if not 0 <= index < len(self._tasks):
            raise IndexError(f"{self.label} has tasks 0 to {len(self._tasks) - 1}, not {index}")
        return self._tasks[index]

    def find(self, task_id: str) -> Task:
        if task_id not in self._by_id:
            raise KeyError(f"no task '{task_id}' in {self.label}, which has {len(self._by_id)} tasks")
        task = self._by_id[task_id]
        if reason := self._reason_to_refuse(task):
            raise KeyError(f"task '{task_id}' of {self.label} is left out: {reason}")
        return task

    def unchecked(self) -> TaskSet:
        """All tasks that were loaded, their golds checked."""
        return _StoredTaskSet(
            lambda: ((self._places[task.id], {"task": task}) for task in self._loaded),
            lambda row: row["task"],
            name=self.name,
            split=self.split,
            has_splits=self.has_splits,
        )


class _ProceduralTaskSet(TaskSet):
    def __init__(
        self,
        name: str,
        generate: Callable[..., Task],
        *,
        split: str,
        seed: int,
        parameters: Mapping[str, JsonValue],
    ) -> None:
        if split not in ("train", "test"):
            raise ConfigError(f"'{name}' has the splits 'train' and 'test', not '{split}'")
        self.name, self.split = name, split
        self._generate, self._seed, self._parameters = generate, seed, dict(parameters)
        self._index_of: dict[str, int] = {}
        self._searched = 0

    @property
    def size(self) -> None:
        return None

    @property
    def fingerprint(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return _digest_of(
            (self.at(index) for index in range(16)), self.name, self.split, self._seed, self._parameters
        )

    def at(self, index: int) -> Task:
        if index < 0:
            raise IndexError(f"'{self.name}' counts its tasks from 0, not {index}")
        rng = derive_rng(self.name, self._seed, self.split, index)
        for _ in range(10_000):
            task = self._generate(rng, **self._parameters)
            if self._split_of(task) == self.split:
                return task
        raise DataError(f"'{self.name}' with {self._parameters} has no tasks in its split '{self.split}'")

    def _split_of(self, task: Task) -> str:
        return "test" if derive_seed(self.name, task.id) % 5 == 0 else "train"

    def find(self, task_id: str) -> Task:
        limit = 20_000
        for index in range(self._searched, limit):
            if task_id in self._index_of:
                break
            self._index_of.setdefault(self.at(index).id, index)
            self._searched = max(self._searched, index + 1)
        if task_id not in self._index_of:
            raise KeyError(f"no task '{task_id}' among the first {limit:,} of '{self.name}' ({self.split})")
        return self.at(self._index_of[task_id])


def _digest_of(tasks: Iterable[Task], *settings: JsonValue) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for task in tasks:
        digest.update(json.dumps(task.model_dump(mode="python"), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:16]
