"""OpenAI's chat-completions interface as JSON: requests read, completions and refusals written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from rlvr_gym.errors import RlvrError
from rlvr_gym.files import Json, JsonObject
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.calls.turn import Unreadable, decode_at
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import MalformedCall, ToolCall, ToolSpec

TAKEN = ("max_completion_tokens", "max_tokens", "messages", "stop", "stream", "stream_options", "tools")
"""The parameters of a request that count."""
IGNORED = frozenset(
    {
        "metadata", "model", "parallel_tool_calls", "prompt_cache_key", "reasoning_effort", "safety_identifier", "seed",
        "service_tier", "store", "temperature", "timeout", "user", "verbosity",
    }
)  # fmt: skip
"""Parameters that are up to whoever trains or evaluates, or mean nothing here: a request may say anything."""
_NO_MEANING: dict[str, tuple[Json, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "min_p": (0,),
    "logit_bias": ({},),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "tool_choice": ("auto", "none"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "echo": (False,),
}
"""Parameters that change what is sampled or returned, and the values of each by which it changes nothing."""
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


class Refused(RlvrError):
    """A request that cannot be answered, in the words and with the status that its agent is told."""

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.code = status, code

    @property
    def body(self) -> JsonObject:
        """The refusal as the interface writes errors."""
        return {"error": {"message": str(self), "type": self.code, "param": None, "code": self.code}}


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatRequest:
    """A request: the conversation, the tools that are shown, and how the answer is wanted.

    `digests` has one for each length of the conversation, of its messages up to there and of the tools: two
    conversations with an equal one are the same up to there.
    """

    messages: tuple[Message, ...]
    digests: tuple[str, ...]
    tools: tuple[ToolSpec, ...] = ()
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    stream: bool = False
    usage_in_stream: bool = False
    retry: bool = False
    """The client says that it has made this request before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A turn as an agent is told it, and the tokens that it took."""

    content: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def message(self) -> JsonObject:
        """The turn as a message of the interface."""
        message: JsonObject = {"role": "assistant", "content": self.content}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for call in self.calls
            ]
        return message

    @property
    def usage(self) -> JsonObject:
        """The counts of tokens."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }


def read_request(body: bytes, *, retry: bool, sampling: SamplingParams) -> ChatRequest:
    """The request that a body holds. Raises Refused for one that cannot be answered, naming what is wrong."""
    try:
        given, _ = decode_at(body.decode(), 0)
    except (UnicodeDecodeError, Unreadable) as error:
        raise Refused(f"the body cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise Refused("the body is no JSON object")
    given = {name: value for name, value in given.items() if value is not None}
    _refuse_parameters(given, sampling)
    tools = _tools(given)
    rows = given.get("messages")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refused("'messages' is a list of one or more messages")
    options = given.get("stream_options")
    return ChatRequest(
        messages=_messages(rows),
        digests=digests_of(rows, tools),
        tools=tools,
        stop=_stop(given.get("stop", ())),
        max_tokens=_max_tokens(given),
        stream=given.get("stream") is True,
        usage_in_stream=isinstance(options, dict) and options.get("include_usage") is True,
        retry=retry,
    )


def _refuse_parameters(given: JsonObject, sampling: SamplingParams) -> None:
    """Raise Refused for a parameter by which the agent, and not the trainer, would say how is sampled."""
    told = "how is sampled is up to whoever trains or evaluates"
    harmless = {**_NO_MEANING, "top_p": (1, sampling.top_p), "top_k": (0, -1, sampling.top_k)}
    for name, value in given.items():
        if name in TAKEN or name in IGNORED:
            continue
        if name not in harmless:
            known = ", ".join(sorted({*TAKEN, *IGNORED, *harmless}))
            raise Refused(f"'{name}' is not taken here: {told}. Known are {known}")
        if value not in harmless[name]:
            allowed = " or ".join(json.dumps(one) for one in harmless[name])
            raise Refused(f"'{name}' is {json.dumps(value)[:200]}: {told}; give {allowed}, or leave it out")


def _tools(given: JsonObject) -> tuple[ToolSpec, ...]:
    rows = given.get("tools", [])
    if not isinstance(rows, list):
        raise Refused("'tools' is a list")
    return () if given.get("tool_choice") == "none" else tuple(map(_tool, rows))


def _tool(row: Json) -> ToolSpec:
    function = row.get("function") if isinstance(row, dict) and row.get("type") == "function" else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise Refused(
            "a tool is {'type': 'function', 'function': {'name': ..., 'description': ..., 'parameters': ...}}"
        )
    description = function.get("description") or ""
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(description, str) or not isinstance(parameters, dict):
        raise Refused(f"tool '{name}': the description is a text and the parameters are a JSON schema")
    return ToolSpec(name=name, description=description, parameters=parameters)


def _stop(value: Json) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text for text in texts):
        raise Refused("'stop' is a text or a list of texts, none of them empty")
    return tuple(texts)


def _max_tokens(given: JsonObject) -> int | None:
    values = [given[name] for name in ("max_tokens", "max_completion_tokens") if name in given]
    if any(not isinstance(value, int) or isinstance(value, bool) or value < 1 for value in values):
        raise Refused("'max_tokens' is a whole number of at least 1")
    return min(values, default=None)


def _messages(rows: Sequence[JsonObject]) -> tuple[Message, ...]:
    names: dict[str, str] = {}
    messages = []
    for place, row in enumerate(rows):
        try:
            messages.append(_message(row, names))
        except (ValidationError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise Refused(
                f"message {place} cannot be read: {' '.join(str(error).split())[:300]}; possible are texts of the "
                f"roles {', '.join(_ROLES)}, and calls of functions"
            ) from error
    return tuple(messages)


def _message(row: JsonObject, names: dict[str, str]) -> Message:
    """A message; `names` has the names of the functions that were called so far, by the call's id."""
    role, content = row.get("role"), row.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        raise ValueError(f"the role is {role!r}")
    if content is None and role == "assistant":
        content = ""
    fields: JsonObject = {"role": _ROLES[role], "content": content}
    if role == "tool":
        id = str(row.get("tool_call_id") or "")
        fields |= {"tool_call_id": id, "name": names.get(id)}
    if role == "assistant" and row.get("tool_calls"):
        fields["tool_calls"] = calls = [_call(call) for call in row["tool_calls"]]
        names |= {call.id: call.name for call in calls}
    return Message.model_validate(fields)


def _call(row: JsonObject) -> ToolCall | MalformedCall:
    try:
        return ToolCall.model_validate(row)
    except (ValidationError, ValueError):
        function = row["function"]
        return MalformedCall(
            id=str(row.get("id") or ""),
            name=str(function.get("name") or ""),
            text=str(function.get("arguments")),
            fault="the arguments are no JSON object",
        )


def digests_of(rows: Sequence[JsonObject], tools: Sequence[ToolSpec]) -> tuple[str, ...]:
    """One digest for each number of messages, from one on, of these messages and of the tools."""
    digest = hashlib.sha256(json.dumps([tool.schema for tool in tools], sort_keys=True).encode()).hexdigest()
    found = []
    for row in rows:
        digest = following(digest, row)
        found.append(digest)
    return tuple(found)


def following(digest: str, row: Mapping[str, Json]) -> str:
    """The digest of a conversation with one more message. What clients drop from a message is no part of it."""
    content = row.get("content") or ""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if isinstance(part, dict) and "text" in part)
    calls = [
        [call.get("id"), call["function"].get("name"), _normal(call["function"].get("arguments"))]
        for call in row.get("tool_calls") or []
    ]
    said = [_ROLES[row["role"]], content, calls, row.get("tool_call_id")]
    return hashlib.sha256(f"{digest}{json.dumps(said, sort_keys=True)}".encode()).hexdigest()


def _normal(arguments: Json) -> Json:
    """Arguments of a call, whichever way their JSON was written."""
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A request's answer: what was said, under the name of the model that it asked for."""

    id: str
    said: Said
    created: int = 0
    model: str = field(default="policy")

    @property
    def body(self) -> JsonObject:
        """The answer in one piece."""
        choice = {
            "index": 0,
            "message": self.said.message,
            "finish_reason": self.said.finish_reason,
            "logprobs": None,
        }
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.said.usage}

    def chunks(self, *, usage: bool) -> Iterator[JsonObject]:
        """The answer in pieces, as a stream has them."""
        message = self.said.message
        deltas: list[JsonObject] = [{"role": "assistant", "content": ""}]
        if "reasoning_content" in message:
            deltas.append({"reasoning_content": message["reasoning_content"]})
        deltas += [{"content": piece} for piece in _pieces(self.said.content)]
        deltas += [
            {"tool_calls": [{"index": place, **call}]}
            for place, call in enumerate(message.get("tool_calls", ()))
        ]
        head = self._head("chat.completion.chunk")
        for delta in deltas:
            yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {
            **head,
            "choices": [{"index": 0, "delta": {}, "finish_reason": self.said.finish_reason}],
        }
        if usage:
            yield {**head, "choices": [], "usage": self.said.usage}

    def _head(self, kind: str) -> JsonObject:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


_PIECE = 64
"""Characters of a piece of a stream."""


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
