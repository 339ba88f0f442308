"""The client of an environment of texts."""

from __future__ import annotations

from typing import Any

from openenv.core import EnvClient  # pyright: ignore[reportMissingImports]
from openenv.core.client_types import StepResult  # pyright: ignore[reportMissingImports]
from openenv.core.env_server.types import State  # pyright: ignore[reportMissingImports]

from .models import Said, Say


class TextEnv(EnvClient[Say, Said, State]):
    """Plays episodes on a server: `reset(index=3)`, or `reset(seed=7)`, and `step(Say(text="..."))` until `done`."""

    def _step_payload(self, action: Say) -> dict[str, Any]:
        return {"text": action.text}

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[Said]:
        reward, done = payload.get("reward"), payload.get("done", False)
        said = Said(**{**payload.get("observation", {}), "reward": reward, "done": done})
        return StepResult(observation=said, reward=reward, done=done, metadata=payload.get("metadata"))

    def _parse_state(self, payload: dict[str, Any]) -> State:
        return State(**payload)
