"""Calls as OpenAI's chat-completions interface hands them over, beside the text of a turn."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pydantic import BaseModel

from rlvr_gym.files import Json, JsonObject
from rlvr_gym.generation.calls.tagged import OPEN, plain_turn
from rlvr_gym.generation.calls.turn import Unreadable, arguments_in
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import Call, MalformedCall, ToolCall, ToolSpec

PROBE = ToolSpec(
    name="time_now", description="Tell the time.", parameters={"type": "object", "properties": {}}
)
"""A tool to ask a server with whether it takes any."""


class OpenAIFunction(BaseModel):
    """The function of a call; `arguments` is JSON as the policy wrote it, with some servers an object."""

    name: str | None = None
    arguments: str | dict[str, Json] | None = None


class OpenAICall(BaseModel):
    """A call in a reply."""

    id: str | None = None
    function: OpenAIFunction = OpenAIFunction()


def calls_of(
    given: Sequence[OpenAICall], content: str, tools: Sequence[ToolSpec]
) -> tuple[tuple[Call, ...], bool]:
    """The calls of a reply, and whether they stand in its content.

    A server that cannot read a call leaves the whole turn as text: then it is read here, as any other text.
    """
    if given:
        return tuple(_call(call, place) for place, call in enumerate(given)), False
    found = plain_turn(content, tools).calls if OPEN in content else ()
    return tuple(_numbered(call, place) for place, call in enumerate(found)), True


def messages_of(messages: Sequence[Message]) -> list[JsonObject]:
    """Messages as the interface takes them.

    An answer to a call that stands in the text of a turn is the user's: servers refuse one to a call that they did not
    hand over.
    """
    handed_over = {call.id for message in messages for call in message.tool_calls}
    written: list[JsonObject] = []
    for message in messages:
        known = message.tool_call_id in handed_over
        if message.tool_call_id is not None and not known:
            content = f"<tool_response>\n{message.content}\n</tool_response>"
            written.append({"role": "user", "content": content})
            continue
        row: JsonObject = {"role": message.role, "content": message.content}
        if message.tool_calls:
            row["tool_calls"] = [_written(call) for call in message.tool_calls]
        if known:
            row["tool_call_id"] = message.tool_call_id
        written.append(row)
    return written


_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The names of functions that OpenAI's interface takes."""


def _call(call: OpenAICall, place: int) -> Call:
    id, name, arguments = call.id or f"call{place:05d}", call.function.name or "", call.function.arguments
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    if not name.strip():
        return MalformedCall(id=id, text=text, fault="a call needs a name")
    try:
        return ToolCall(id=id, name=name, arguments=arguments_in(arguments))
    except Unreadable as error:
        return MalformedCall(id=id, name=name, text=text, fault=str(error))


def _numbered(call: Call, place: int) -> Call:
    return call.model_copy(update={"id": f"call{place:05d}"})


def _written(call: Call) -> JsonObject:
    # Servers refuse arguments that are no JSON, and names of other signs, as some policies write them.
    arguments = call.arguments if isinstance(call, ToolCall) else {"unreadable": call.text}
    function = {
        "name": call.name if _NAME.fullmatch(call.name) else "unknown",
        "arguments": json.dumps(arguments),
    }
    return {"id": call.id, "type": "function", "function": function}
