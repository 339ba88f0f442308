"""A verifiable problem (`Task`) and the chat messages that ask it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from rlvr_gym.tools.calls import MalformedCall, ToolCall, written


class Message(BaseModel):
    """One chat message.

    `tool_calls` are the calls of a turn of the assistant that do not stand in its `content`, as servers hand them
    over; a turn whose tokens are known has them where it was sampled, in the content. The answer to a call is a message
    of the role `tool`, with the `name` of the tool and the call's id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall | MalformedCall, ...] = ()
    name: str | None = None
    tool_call_id: str | None = None

    if TYPE_CHECKING:  # what the validators below accept

        def __init__(
            self,
            *,
            role: Literal["system", "user", "assistant", "tool"],
            content: str,
            tool_calls: tuple[ToolCall | MalformedCall, ...] = (),
            name: str | None = None,
            tool_call_id: str | None = None,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _fields_that_hold_nothing_are_left_out(cls, value: object) -> object:
        # Columns of messages have the fields of all of them: those that one lacks are null.
        if not isinstance(value, dict):
            return value
        fields = {k: v for k, v in value.items() if v is not None}
        if len(fields) > 2:
            _refuse_fields_of_other_roles(fields)
        return fields

    @model_serializer(mode="wrap")
    def _without_absent_fields(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only messages around calls have more than role and content: what is stored of others does not speak of it."""
        stored: dict[str, Any] = fields(self)
        return {key: value for key, value in stored.items() if key in ("role", "content") or value}

    @property
    def text(self) -> str:
        """The content, and the calls that do not stand in it, as plain text to read."""
        return "\n".join([*([self.content] if self.content else []), *map(written, self.tool_calls)])

    @field_validator("content", mode="before")
    @classmethod
    def _parts_are_joined(cls, value: object) -> object:
        """The text of a list of parts, as chats with pictures have them; parts of any other kind are refused."""
        if not isinstance(value, list):
            return value
        texts = [
            part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str)
        ]
        return "".join(texts) if len(texts) == len(value) else value


def _refuse_fields_of_other_roles(message: dict[str, Any]) -> None:
    role = message.get("role")
    if "tool_calls" in message and role != "assistant":
        raise ValueError(f"tool_calls: a message of the role '{role}' calls no tools")
    if ("name" in message or "tool_call_id" in message) and role != "tool":
        raise ValueError(f"name and tool_call_id: a message of the role '{role}' answers no call")


class Task(BaseModel):
    """One verifiable problem.

    `prompt` is what the policy is shown: chat messages, or a string, which becomes one user message.
    `reference` is what the verifier needs (the gold answer, usually) and is never shown to the policy.
    `id` is the upstream dataset's where it has one; left out, it is a hash of prompt and reference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    prompt: tuple[Message, ...] = Field(min_length=1)
    reference: JsonValue = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    if TYPE_CHECKING:  # what the validator below accepts

        def __init__(
            self,
            *,
            prompt: str | Sequence[Message | dict[str, str]],
            reference: Any = None,
            id: str = "",
            metadata: Mapping[str, Any] = ...,
        ) -> None: ...

    @field_validator("prompt", mode="before")
    @classmethod
    def _text_is_a_user_message(cls, value: object) -> object:
        return ({"role": "user", "content": value},) if isinstance(value, str) else value

    def model_post_init(self, context: object) -> None:
        """Give a task without an id one made of its content."""
        if not self.id:
            object.__setattr__(self, "id", self.content_hash[:16])

    @property
    def content_hash(self) -> str:
        """SHA-256 over prompt and reference, in hexadecimal."""
        content = [[m.role, m.content] for m in self.prompt], self.reference
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def text(self) -> str:
        """The prompt as plain text: the contents of its messages, a blank line between them."""
        return "\n\n".join(message.content for message in self.prompt)
