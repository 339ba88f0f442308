"""The action and the observation of an environment of texts."""

from __future__ import annotations

from openenv.core.env_server.types import Action, Observation  # pyright: ignore[reportMissingImports]
from pydantic import Field


class Say(Action):
    """A whole turn of the policy."""

    text: str = Field(description="all that the policy says in its turn")


class Said(Observation):
    """The environment's words.

    `reward` is what the last turn earned: at the end of an episode the score comes to it. It is None where nothing was
    earned by that turn alone, and in an episode that could not be judged: `outcome` is then `unscored`, and `detail`
    says why. Such an episode is to be left out, and is no zero.
    """

    text: str = Field(default="", description="the prompt or the answer to the last turn; empty at the end")
    messages: list[dict[str, str]] = Field(default_factory=list, description="the same as chat messages")
    task: str = Field(default="", description="the id of the task")
    outcome: str | None = Field(default=None, description="the verdict's outcome, once the episode is over")
    detail: str = Field(default="", description="the reason for the verdict")
