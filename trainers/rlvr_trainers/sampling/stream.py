"""The order of the data: tasks one after the other, a new order every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from rlvr_gym.errors import ConfigError
from rlvr_gym.seeding import derive_rng
from rlvr_gym.tasks import Task, TaskSet


@final
class TaskStream:
    """The tasks of a set in a seeded order, a new order every epoch; endless sets come in their own order.

    `state` is all that a checkpoint needs.
    """

    def __init__(self, tasks: TaskSet, *, seed: int) -> None:
        self._tasks, self._seed = tasks, seed
        self._epoch, self._position = 0, 0
        self._order: list[int] | None = None

    @property
    def state(self) -> dict[str, int]:
        """Epoch, and position within it."""
        return {"epoch": self._epoch, "position": self._position}

    @state.setter
    def state(self, state: dict[str, int]) -> None:
        self._epoch, self._position, self._order = state["epoch"], state["position"], None

    def draw(self, count: int, *, without: Sequence[str] = ()) -> list[Task]:
        """The next `count` tasks, all different and none of those ids."""
        chosen: dict[str, Task] = {}
        seen_in_vain = 0
        patience = 200 + 20 * (count + len(without)) + (self._tasks.size or 0)
        while len(chosen) < count:
            task = self._next()
            if task.id not in without and task.id not in chosen:
                chosen[task.id] = task
                seen_in_vain = 0
            elif (seen_in_vain := seen_in_vain + 1) > patience:
                found = len(chosen) + len(without)
                raise ConfigError(
                    f"'{self._tasks.name}' ({self._tasks.split}) has only about {found} different tasks, and a "
                    f"step asked for more without repeating any: lower batch.prompts, or make the environment larger"
                )
        return list(chosen.values())

    def _next(self) -> Task:
        size = self._tasks.size
        if size is None:
            self._position += 1
            return self._tasks.at(self._position - 1)
        if self._position >= size:
            self._epoch, self._position, self._order = self._epoch + 1, 0, None
        if self._order is None:
            self._order = list(range(size))
            derive_rng(self._seed, "order", self._epoch).shuffle(self._order)
        self._position += 1
        return self._tasks.at(self._order[self._position - 1])
