"""Rows of data as the model reads them: every one is looked at before the first step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import final

from rlvr_gym.errors import ConfigError, DataError, TasksLeftOut, TrainingError
from rlvr_gym.rollouts import Group
from rlvr_gym.tasks import Task, TaskSet
from rlvr_trainers.data.said import Said, Shows, Tell
from rlvr_trainers.settings import DataConfig

ENDLESS_SAMPLE = 64
"""Number of tasks looked at of an endless set; the others are looked at when they come."""


@final
class Rows:
    """The rows of `tasks` that the model can read and that are short enough.

    Each is what `tell` says of a task, once. Raises ConfigError, with the row, where the chat template refuses one,
    where rows are longer than `data` or the model's `context` allows and not to be left out, or where none is left.
    What is left out is counted in a warning.
    """

    def __init__(
        self,
        tasks: TaskSet,
        tell: Tell,
        demonstrations: Shows,
        data: DataConfig,
        *,
        context: int | None,
    ) -> None:
        self._all, self._tell, self._demonstrations = tasks, tell, demonstrations
        self._most = _budget(data, context)
        self._limit = "data.max_tokens" if self._most == data.max_tokens else "the model's context"
        self._left_out: set[tuple[str, int]] = set()
        self.tasks = self._checked(leave_out=data.too_long == "leave_out")
        """The tasks of which there is something to show."""

    def groups(self, tasks: Sequence[Task]) -> list[Group]:
        """All short rows of each task. Raises TrainingError for a long one of an endless set, met only now."""
        return [self._group(task) for task in tasks]

    def _group(self, task: Task) -> Group:
        said = [one for place, one in enumerate(self._tell(task)) if (task.id, place) not in self._left_out]
        group = self._demonstrations.group(task, said)
        if any(self._too_long(len(row.prompt_ids) + len(row.token_ids)) for row in group):
            raise TrainingError(f"row '{task.id}' is longer than {self._limit} of {self._most} tokens")
        return group

    def _checked(self, *, leave_out: bool) -> TaskSet:
        endless = self._all.size is None
        looked_at = self._all.take(ENDLESS_SAMPLE if endless else None)
        lengths = {
            (task.id, place): self._length(task, said)
            for task in looked_at
            for place, said in enumerate(self._tell(task))
        }
        long = {row: length for row, length in lengths.items() if self._too_long(length)}
        if not long:
            return self._all
        longest = max(long, key=lambda row: long[row])
        told = (
            f"{len(long):,} of {len(lengths):,} rows of {self._all.label} are longer than {self._limit} of "
            f"{self._most} tokens; the longest, '{longest[0]}', has {long[longest]}"
        )
        if endless:
            raise ConfigError(f"{told}: of an endless set none can be left out, so make them shorter")
        if not leave_out:
            raise ConfigError(f"{told}: shorten them, or leave them out with data.too_long=leave_out")
        self._left_out = set(long)
        remaining = {task for task, _ in lengths.keys() - long.keys()}
        if not remaining:
            raise ConfigError(f"{told}, and no row is left")
        warnings.warn(f"{told}; they are left out", TasksLeftOut, stacklevel=2)
        kept = [task for task in looked_at if task.id in remaining]
        return TaskSet.from_tasks(kept, name=self._all.name)

    def _length(self, task: Task, said: Said) -> int:
        try:
            shown = self._demonstrations.rollout(task, said)
        except (ConfigError, DataError) as error:
            raise ConfigError(f"'{task.id}' of {self._all.label}: {error}") from error
        if not shown.prompt_ids:
            raise ConfigError(
                f"'{task.id}' of {self._all.label}: the prompt has no tokens, so nothing predicts the first one"
            )
        return len(shown.prompt_ids) + len(shown.token_ids)

    def _too_long(self, length: int) -> bool:
        return self._most is not None and length > self._most


def _budget(data: DataConfig, context: int | None) -> int | None:
    """The longest row, in tokens; None where there is no limit."""
    if data.max_tokens is None or context is None:
        return data.max_tokens or context
    if data.max_tokens > context:
        raise ConfigError(
            f"data.max_tokens={data.max_tokens} is more than the model's context of {context}: give at most that"
        )
    return data.max_tokens
