"""Calls at the end of a turn: Llama 3's bare JSON, and Mistral's list behind `[TOOL_CALLS]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import final

from rlvr_gym.files import Json
from rlvr_gym.generation.calls.turn import (
    ParsedTurn,
    Unreadable,
    arguments_in,
    call_in,
    decode_at,
    said_before,
    sign,
    skip_space,
    spelled,
)
from rlvr_gym.tools.calls import Call, MalformedCall, ToolCall, ToolSpec

_A, _B, _C = sign(0), sign(1), sign(2)


@final
class Llama3:
    """`{"name": ..., "parameters": {...}}` and nothing else, or whatever stands behind `<|python_tag|>`.

    Several calls stand one after the other, or with `;` between them. A turn that is a JSON object without these keys
    calls nothing: it may be an answer.
    """

    markers = ("<|python_tag|>",)

    def parse(self, turn: str, tools: Sequence[ToolSpec]) -> ParsedTurn:
        """Take a turn apart, as `CallForm.parse` says."""
        # A turn that is an object is read as one: tags of thinking in its strings are part of them.
        whole = turn.lstrip().startswith("{") and _A not in turn
        thought, said, rest = ("", turn, "") if whole else said_before(turn, _A)
        reasoning, text = (spelled(piece.strip(), self.markers) for piece in (thought, said))
        if rest:
            return ParsedTurn(reasoning=reasoning, text=text, calls=tuple(self._calls(rest[1:], tools)))
        if not self._calls_something(text, tools):
            return ParsedTurn(reasoning=reasoning, text=text)
        return ParsedTurn(reasoning=reasoning, calls=tuple(self._calls(text, tools)))

    def _calls_something(self, text: str, tools: Sequence[ToolSpec]) -> bool:
        if not text.startswith("{"):
            return False
        try:
            value, _ = decode_at(text, 0)
        except Unreadable:
            return re.match(r'\{\s*"(?:name|type)"\s*:', text) is not None
        if not isinstance(value, dict) or "name" not in value:
            return False
        if {"parameters", "arguments"} & set(value):
            return True
        return any(value["name"] == tool.name for tool in tools)

    def _calls(self, body: str, tools: Sequence[ToolSpec]) -> list[Call]:
        calls, at = list[Call](), skip_space(body, 0)
        while at < len(body):
            try:
                value, end = decode_at(body, at)
            except Unreadable as error:
                fault = (
                    str(error) if body.startswith("{", at) else "a call is JSON, with 'name' and 'parameters'"
                )
                return [*calls, MalformedCall(text=spelled(body[at:].strip(), self.markers), fault=fault)]
            calls.append(call_in(spelled(value, self.markers), spelled(body[at:end], self.markers)))
            at = skip_space(body, end)
            at = skip_space(body, at + 1) if body.startswith((";", _A), at) else at
        return calls or [MalformedCall(text="", fault="nothing is called")]


@final
class Mistral:
    """`[TOOL_CALLS] [{"name": ..., "arguments": {...}}, ...]`, or for each call `[TOOL_CALLS]NAME[ARGS]{...}`."""

    markers = ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")

    def parse(self, turn: str, tools: Sequence[ToolSpec]) -> ParsedTurn:
        """Take a turn apart, as `CallForm.parse` says."""
        thought, said, rest = said_before(turn, _A)
        reasoning, text = (spelled(piece.strip(), self.markers) for piece in (thought, said))
        calls: list[Call] = []
        at = 0
        while rest.startswith(_A, at):
            body = skip_space(rest, at + 1)
            found, at = self._list(rest, body) if rest.startswith("[", body) else self._named(rest, body)
            calls += found
        if stray := rest[at:].strip():
            calls.append(MalformedCall(text=spelled(stray, self.markers), fault="it stands behind the calls"))
        return ParsedTurn(reasoning=reasoning, text=text, calls=tuple(calls))

    def _list(self, rest: str, at: int) -> tuple[list[Call], int]:
        """The calls of the list that begins at a place: those before the first that is no JSON, and that one."""
        calls: list[Call] = []
        at = skip_space(rest, at + 1)
        while not rest.startswith("]", at):
            try:
                value, end = decode_at(rest, at)
                calls.append(call_in(spelled(value, self.markers), spelled(rest[at:end], self.markers)))
                at = skip_space(rest, end)
                if rest.startswith(",", at):
                    at = skip_space(rest, at + 1)
                elif not rest.startswith("]", at):
                    raise Unreadable("the list of calls is never closed with ]")
            except Unreadable as error:
                return [*calls, self._malformed(rest, at, str(error))], self._end(rest, at)
        return calls or [MalformedCall(text="[]", fault="nothing is called")], skip_space(rest, at + 1)

    def _named(self, rest: str, at: int) -> tuple[list[Call], int]:
        """The call whose name begins at a place."""
        end = self._end(rest, at)
        head, marked, arguments = rest[at:end].partition(_B)
        name, _, id = (part.strip() for part in head.partition(_C))
        if not marked:
            # Some of these templates write name and arguments without a marker between them.
            name, brace, more = head.partition("{")
            name, arguments = name.strip(), brace + more
        if not name:
            return [self._malformed(rest, at, "a call begins with the name of a tool")], end
        try:
            value: Json = None
            if arguments.strip():
                value, behind = decode_at(arguments, 0)
                if arguments[behind:].strip():
                    raise Unreadable(f"more stands behind its arguments, at character {behind}")
            given = arguments_in(spelled(value, self.markers))
        except Unreadable as error:
            text = spelled(rest[at:end].strip(), self.markers)
            return [MalformedCall(id=id, name=name, text=text, fault=str(error))], end
        return [ToolCall(id=id, name=spelled(name, self.markers), arguments=given)], end

    def _malformed(self, rest: str, at: int, fault: str) -> MalformedCall:
        return MalformedCall(text=spelled(rest[at : self._end(rest, at)].strip(), self.markers), fault=fault)

    def _end(self, rest: str, at: int) -> int:
        """The place where the next calls begin, or the turn ends."""
        found = rest.find(_A, at)
        return len(rest) if found < 0 else found
