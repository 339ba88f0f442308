"""A turn of the policy taken apart, and what all forms of calls have in common: signs, thinking, and JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rlvr_gym.files import Json, JsonObject
from rlvr_gym.tools.calls import Call, MalformedCall, ToolCall, ToolSpec
from rlvr_gym.verifiers.answers import THINKING_TAG

_FIRST_SIGN = 0xF0F00
_SIGNS = re.compile(f"[{chr(_FIRST_SIGN)}-{chr(_FIRST_SIGN + 15)}]")


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedTurn:
    """A turn of the policy: its thinking, what it says, and its calls in order, those that cannot be read among them.

    What is thought is neither said nor a call, whatever it looks like: models rehearse calls in their thinking. The
    rule is the same wherever a turn is read.
    """

    reasoning: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()


class CallForm(Protocol):
    """The form in which a family of models writes calls.

    In the text that `parse` takes, each of `markers` stands as its sign: a character of its own, which nothing else in
    the text can make.
    """

    @property
    def markers(self) -> tuple[str, ...]:
        """The texts around calls that models mostly have tokens for."""
        ...

    def parse(self, turn: str, tools: Sequence[ToolSpec]) -> ParsedTurn:
        """Take a turn apart that could call `tools`. Calls have no ids yet where the policy gave them none."""
        ...


def sign(place: int) -> str:
    """The sign of the marker at a place of `markers`."""
    return chr(_FIRST_SIGN + place)


def without_signs(text: str) -> str:
    """Text of which no character can be taken for a sign."""
    return _SIGNS.sub("\ufffd", text)


def signed(text: str, markers: Sequence[str]) -> str:
    """Text in which the markers, spelled out, have become signs."""
    text = without_signs(text)
    for place, marker in enumerate(markers):
        text = text.replace(marker, sign(place))
    return text


def spelled(value: Json, markers: Sequence[str]) -> Json:
    """Text, or a JSON value with its texts, in which signs have become the markers again."""
    if isinstance(value, str):
        return _SIGNS.sub(lambda found: markers[ord(found[0]) - _FIRST_SIGN], value)
    if isinstance(value, list):
        return [spelled(part, markers) for part in value]
    if isinstance(value, dict):
        return {spelled(key, markers): spelled(part, markers) for key, part in value.items()}
    return value


def said_before(turn: str, opening: str) -> tuple[str, str, str]:
    """The thinking, the text, and the rest of a turn from the first `opening` that stands outside of its thinking."""
    thought, said, at, thinking = [""], [""], 0, False
    for found in re.finditer(f"{THINKING_TAG.pattern}|{re.escape(opening)}", turn, THINKING_TAG.flags):
        piece = turn[at : found.start()]
        (thought if thinking else said).append(piece)
        if found[0] == opening:
            if not thinking:
                return "".join(thought), "".join(said), turn[found.start() :]
            thought.append(opening)
        elif found[1]:
            if not thinking:  # opened before the turn began
                thought, said = [*thought, *said], [""]
            thinking = False
        else:
            thinking = True
        at = found.end()
    (thought if thinking else said).append(turn[at:])
    return "".join(thought), "".join(said), ""


class Unreadable(Exception):
    """A text is no JSON object that says what it means; the message says why."""


def _constant(name: str) -> Json:
    raise Unreadable(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise Unreadable(f"the key '{next(key for key in keys if keys.count(key) > 1)}' stands twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_DEEPEST = 32
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"\s*")


def skip_space(text: str, at: int) -> int:
    """The place of the next character that is no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def decode_at(text: str, at: int) -> tuple[Json, int]:
    """The JSON value at a place, and the place behind it. Raises Unreadable.

    Lone surrogates, which JSON can write and Unicode cannot, become U+FFFD.
    """
    try:
        value, end = _DECODER.raw_decode(text, skip_space(text, at))
        return _sound(value, 0), end
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg} at character {error.pos - at}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON that can be read: {error}") from error


def _sound(value: Json, depth: int) -> Json:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise Unreadable("a number is too large")
    if not isinstance(value, list | dict):
        return value
    if depth == _DEEPEST:
        raise Unreadable(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, list):
        return [_sound(part, depth + 1) for part in value]
    return {_sound(key, depth): _sound(part, depth + 1) for key, part in value.items()}


def arguments_in(value: Json) -> JsonObject:
    """The arguments of a call: an object, or one as text; nothing at all is no arguments. Raises Unreadable."""
    if isinstance(value, str):
        if not value.strip():
            return {}
        text = value
        value, end = decode_at(text, 0)
        if text[end:].strip():
            raise Unreadable(f"more stands behind the arguments, at character {end}")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"the arguments are {_kind(value)}, not an object")
    return value


def call_in(value: Json, text: str) -> Call:
    """The call that a JSON value is; `text` is what was written."""
    if not isinstance(value, dict):
        return MalformedCall(
            text=text, fault=f"a call is an object with 'name' and 'arguments', not {_kind(value)}"
        )
    name, id = value.get("name"), value.get("id")
    id = id if isinstance(id, str) else ""
    if not isinstance(name, str) or not name.strip():
        return MalformedCall(id=id, text=text, fault="a call needs a 'name' and 'arguments'")
    if others := set(value) - {"name", "arguments", "parameters", "id", "type"}:
        fault = f"a call has 'name' and 'arguments', and not '{min(others)[:60]}' beside them"
        return MalformedCall(id=id, name=name, text=text, fault=fault)
    if "arguments" in value and "parameters" in value:
        return MalformedCall(id=id, name=name, text=text, fault="'arguments' and 'parameters' are one thing")
    try:
        arguments = arguments_in(value.get("arguments", value.get("parameters")))
    except Unreadable as error:
        return MalformedCall(id=id, name=name, text=text, fault=str(error))
    return ToolCall(id=id, name=name.strip(), arguments=arguments)


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case _:
            return "an array" if isinstance(value, list) else "an object"
