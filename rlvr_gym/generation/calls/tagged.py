"""Calls between `<tool_call>` and `</tool_call>`: JSON with name and arguments (Hermes, Qwen), or Qwen Coder's XML."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import final

from rlvr_gym.files import Json, JsonObject
from rlvr_gym.generation.calls.turn import (
    ParsedTurn,
    Unreadable,
    call_in,
    decode_at,
    sign,
    signed,
    skip_space,
    spelled,
)
from rlvr_gym.tools.calls import Call, MalformedCall, ToolCall, ToolSpec
from rlvr_gym.verifiers.answers import THINKING_TAG

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_OPEN, _CLOSE = sign(0), sign(1)
_EVENT = re.compile(f"{THINKING_TAG.pattern}|{_OPEN}|{_CLOSE}", THINKING_TAG.flags)
_BORDER = re.compile(f"{_OPEN}|{_CLOSE}")
_FUNCTION = re.compile(r"<function=([^>\n]*)>")
_PARAMETER = re.compile(r"<parameter=([^>\n]*)>\n?")
_FUNCTION_END, _PARAMETER_END = "</function>", "</parameter>"


@final
class Tagged:
    """Each call between its own tags, as JSON or, where it begins so, as `<function=NAME><parameter=KEY>VALUE`."""

    markers = (OPEN, CLOSE)

    def parse(self, turn: str, tools: Sequence[ToolSpec]) -> ParsedTurn:
        """Take a turn apart, as `CallForm.parse` says.

        Tags of either kind inside of a call are part of it.
        """
        thought, said, calls = list[str](), list[str](), list[Call]()
        at, thinking = 0, False
        while found := _EVENT.search(turn, at):
            (thought if thinking else said).append(turn[at : found.start()])
            at = found.end()
            if found[0] == _OPEN and not thinking:
                call, at = self._call(turn, at, tools)
                calls.append(call)
            elif found[0] in (_OPEN, _CLOSE):
                (thought if thinking else said).append(found[0])
            elif found[1]:
                if not thinking:  # opened before the turn began: all of it was thought
                    thought, said, calls = [turn[: found.start()]], [], []
                thinking = False
            else:
                thinking = True
        (thought if thinking else said).append(turn[at:])
        text, reasoning = (spelled("".join(pieces).strip(), self.markers) for pieces in (said, thought))
        return ParsedTurn(reasoning=reasoning, text=text, calls=tuple(calls))

    def _call(self, turn: str, at: int, tools: Sequence[ToolSpec]) -> tuple[Call, int]:
        """The call whose opening tag ends at a place, and the place behind it."""
        if turn.startswith("<function=", skip_space(turn, at)):
            return self._function(turn, at, tools)
        fault = ""
        try:
            value, end = decode_at(turn, at)
            end = skip_space(turn, end)
            if turn.startswith(_CLOSE, end):
                written = spelled(turn[at:end].strip(), self.markers)
                return call_in(spelled(value, self.markers), written), end + 1
            fault = f"not one JSON object: more stands behind it, at character {end - at}"
        except Unreadable as error:
            fault = str(error)
        return self._malformed(turn, at, fault)

    def _malformed(self, turn: str, at: int, fault: str) -> tuple[Call, int]:
        """The call that cannot be read, and the place where whatever follows it begins."""
        border = _BORDER.search(turn, at)
        end = border.start() if border else len(turn)
        closed = border is not None and border[0] == _CLOSE
        text = spelled(turn[at:end].strip(), self.markers)
        told = fault if closed else f"it is never closed with {CLOSE}"
        return MalformedCall(text=text, fault=told), end + closed

    def _function(self, turn: str, at: int, tools: Sequence[ToolSpec]) -> tuple[Call, int]:
        border = _BORDER.search(turn, at)
        if border is None or border[0] != _CLOSE:
            return self._malformed(turn, at, "")
        body = spelled(turn[at : border.start()], self.markers).strip()
        found = _FUNCTION.match(body)
        if found is None or not body.endswith(_FUNCTION_END, found.end()):
            return self._malformed(turn, at, "it is not <function=NAME>...</function>")
        name = found[1].strip()
        given = _parameters(body[found.end() : -len(_FUNCTION_END)])
        names = [key for key, _ in given or ()]
        if given is None or len(set(names)) < len(names):
            fault = "parameters are <parameter=NAME>VALUE</parameter>"
            fault = fault if given is None else "a parameter stands twice"
            return MalformedCall(name=name, text=body, fault=fault), border.end()
        schema = next((tool.parameters for tool in tools if tool.name == name), {})
        types: JsonObject = schema.get("properties", {})
        arguments = {key: _typed(value, types.get(key, {})) for key, value in given}
        return ToolCall(name=name, arguments=arguments), border.end()


def _parameters(body: str) -> list[tuple[str, str]] | None:
    """The parameters, each up to the first tag that closes one; None where anything else stands among them."""
    given: list[tuple[str, str]] = []
    at = skip_space(body, 0)
    while at < len(body):
        found = _PARAMETER.match(body, at)
        end = body.find(_PARAMETER_END, found.end()) if found else -1
        if found is None or end < 0:
            return None
        given.append((found[1].strip(), body[found.end() : end].removesuffix("\n")))
        at = skip_space(body, end + len(_PARAMETER_END))
    return given


def _typed(value: str, schema: JsonObject) -> Json:
    """The value that a text stands for: of the schema's types the first that it is, else the text itself."""
    types = _types(schema)
    try:
        read, end = decode_at(value, 0)
    except Unreadable:
        return value
    if value[end:].strip() or isinstance(read, str):
        return value
    is_it = {
        "integer": isinstance(read, int) and not isinstance(read, bool),
        "number": isinstance(read, int | float) and not isinstance(read, bool),
        "boolean": isinstance(read, bool),
        "null": read is None,
        "array": isinstance(read, list),
        "object": isinstance(read, dict),
    }
    return read if any(is_it.get(kind, False) for kind in types) else value


def _types(schema: JsonObject) -> list[str]:
    declared = schema.get("type", [])
    types = [declared] if isinstance(declared, str) else list(declared)
    types += [str(kind) for kind in map(_kind_of, schema.get("enum", ())) if "type" not in schema]
    return types + [kind for choice in schema.get("anyOf", ()) for kind in _types(choice)]


def _kind_of(value: Json) -> str:
    kinds = {"bool": "boolean", "int": "integer", "float": "number", "NoneType": "null"}
    return kinds.get(type(value).__name__, "string")


def plain_turn(text: str, tools: Sequence[ToolSpec]) -> ParsedTurn:
    """Take a turn apart of which only the text is known."""
    return Tagged().parse(signed(text, Tagged.markers), tools)


INSTRUCTED = "You may call these tools. Each is described by a line of JSON:\n"
"""The beginning of `instructions`."""


def instructions(tools: Sequence[ToolSpec]) -> str:
    """Tell a policy whose chat template knows no tools which there are, and how to call one."""
    listed = "\n".join(json.dumps(tool.schema["function"], ensure_ascii=False) for tool in tools)
    return (
        f"{INSTRUCTED}"
        f"{listed}\n"
        f"To call one, write its name and arguments as JSON between tags, one pair of tags for each call, and end your "
        f'turn:\n{OPEN}{{"name": "NAME", "arguments": {{"ARGUMENT": VALUE}}}}{CLOSE}\n'
        "You will be told the results. A turn without a call is final."
    )
