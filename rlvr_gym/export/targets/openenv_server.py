"""The environment that an OpenEnv server plays. Imports openenv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openenv.core.env_server import Environment, State  # pyright: ignore[reportMissingImports]
from openenv.core.env_server.types import EnvironmentMetadata  # pyright: ignore[reportMissingImports]

from rlvr_gym.errors import ConfigError
from rlvr_gym.export.served import content
from rlvr_gym.export.targets.openenv import OpenEnvExport
from rlvr_gym.export.targets.openenv_files.models import Said, Say
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion


class EpisodeEnvironment(Environment):
    """Episodes of an exported environment, one at a time."""

    SUPPORTS_CONCURRENT_SESSIONS = True
    _export: OpenEnvExport

    def __init__(self) -> None:
        super().__init__()
        self._episode = self._export.served.episode()
        self._state = State(episode_id=None, step_count=0)
        self._begun = 0

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        index: int | None = None,
        split: str | None = None,
        **_: Any,
    ) -> Said:
        """Begin an episode of the task at `index`; without one, `seed` chooses, else the tasks follow one another."""
        if split is not None:
            self._check_split(split)
        rows = self._export.tasks
        if index is None:
            index = self._begun if seed is None else derive_seed("openenv", seed)
            index %= len(rows)
        if not 0 <= index < len(rows):
            raise ConfigError(f"there are tasks 0 to {len(rows) - 1}, not {index}")
        self._begun += 1
        self._state = State(episode_id=episode_id, step_count=0)
        task = rows[index].task
        return Said(task=task.id, done=False, reward=None, **_words(self._episode.begin(task)))

    def step(self, action: Say, timeout_s: float | None = None, **_: Any) -> Said:
        """Take a turn. The environment's own limits of time apply."""
        if self._episode.verdict is not None:
            raise ConfigError("the episode is over: call reset first")
        answer = self._episode.take(Completion(text=action.text))
        self._state.step_count += 1
        task, verdict = self._episode.task, self._episode.verdict
        assert task is not None
        ended = {} if verdict is None else {"outcome": str(verdict.outcome), "detail": verdict.detail}
        return Said(
            task=task.id,
            done=verdict is not None,
            reward=self._episode.last_reward,
            **_words(answer),
            **ended,
        )

    @property
    def state(self) -> State:
        """The number of turns so far."""
        return self._state

    def get_metadata(self) -> EnvironmentMetadata:
        """Tell the environment's name and what it asks."""
        card = self._export.env.card
        asked = card.summary if card else self._export.manifest.id
        return EnvironmentMetadata(name=self._export.name, description=asked, version="1")

    def list_splits(self) -> list[str]:
        """Name the one split that is served."""
        return [self._export.env.tasks.split]

    def num_tasks(self, split: str) -> int:
        """Count the tasks."""
        self._check_split(split)
        return len(self._export.tasks)

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """Name a task: its id and its place."""
        self._check_split(split)
        if not 0 <= index < len(self._export.tasks):
            raise IndexError(f"there are tasks 0 to {len(self._export.tasks) - 1}, not {index}")
        return {"id": self._export.tasks[index].task.id, "index": index}

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """Name all tasks."""
        return self.get_task_range(split)

    def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Name the tasks of a slice."""
        return [self.get_task(split, index) for index in range(len(self._export.tasks))[start:stop]]

    def close(self) -> None:
        """End the judging thread."""
        self._episode.close()

    def _check_split(self, split: str) -> None:
        served = self._export.env.tasks.split
        if split != served:
            raise ConfigError(f"the split '{served}' is served, not '{split}'")


def environment_class(export: OpenEnvExport) -> type[EpisodeEnvironment]:
    """The class of an export's episodes."""
    return type("ServedEnvironment", (EpisodeEnvironment,), {"_export": export})


def _words(messages: Sequence[Message]) -> dict[str, Any]:
    listed = [{"role": message.role, "content": message.content} for message in messages]
    return {"text": content(messages), "messages": listed}
