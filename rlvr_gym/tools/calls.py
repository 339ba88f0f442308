"""Calls as a policy makes them, tools as it is shown them, and the record of what became of a call."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from rlvr_gym.files import JsonObject


class ToolCall(BaseModel):
    """A call that could be read: the tool's name and its arguments, which nobody has checked yet.

    `id` is what the answer refers to. OpenAI's form (`function`, arguments as a JSON string) is read as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_openai(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("function"), dict):
            return value
        function: dict[str, Any] = value["function"]
        arguments = function.get("arguments") or {}
        return {
            "id": value.get("id") or "",
            "name": function.get("name"),
            "arguments": json.loads(arguments) if isinstance(arguments, str) else arguments,
        }


class MalformedCall(BaseModel):
    """A call that could not be read: its text, and what is wrong with it. `name` is empty where none was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    name: str = ""
    text: str
    fault: str


Call = ToolCall | MalformedCall


def written(call: Call) -> str:
    """A call as plain text, for those who read a conversation."""
    if isinstance(call, MalformedCall):
        return f"<tool_call>\n{call.text}\n</tool_call>"
    said = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    return f"<tool_call>\n{said}\n</tool_call>"


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolSpec:
    """A tool as a policy is shown it. `parameters` is the JSON schema of an object, its arguments by name."""

    name: str
    description: str
    parameters: JsonObject = field(hash=False)

    @property
    def schema(self) -> JsonObject:
        """The tool as chat templates and OpenAI's interface take it."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


class CallOutcome(StrEnum):
    """The fate of a call."""

    ANSWERED = "answered"
    MALFORMED = "malformed"
    """It could not be read, names no tool that there is, or its arguments are not those of the tool."""
    FAILED = "failed"
    """The tool raised an error, which was the answer."""
    TIMEOUT = "timeout"
    """The tool was given up on, which was the answer."""
    REFUSED = "refused"
    """A limit of the episode had been reached: nothing was run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRecord:
    """One call of an episode. `turn` counts the policy's turns from 1; `name` is empty where none was read."""

    turn: int
    name: str
    outcome: CallOutcome
    seconds: float = field(default=0.0, compare=False)
