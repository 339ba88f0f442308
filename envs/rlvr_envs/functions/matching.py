"""Calls compared with possible answers, as BFCL's checker compares them; nothing is run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlvr_gym.tools import ToolCall

Fault = str | None
Answer = Mapping[str, Mapping[str, Sequence[Any]]]
"""A function's name, and for each argument its possible values; "" among them: it may be left out."""

TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_DOES_NOT_COUNT = re.compile(r"[ ,./\-_*^]")


def find_fault(calls: Sequence[ToolCall], answers: Sequence[Answer], functions: Mapping[str, Any]) -> Fault:
    """Return what is wrong with calls that must match the answers one to one, in any order."""
    if len(calls) != len(answers):
        return f"{len(calls)} calls, not {len(answers)}"
    faults = [[_call_fault(call, answer, functions) for answer in answers] for call in calls]
    chosen: dict[int, int] = {}  # answer -> call
    for call in range(len(calls)):
        if not _assigned(call, faults, chosen, set()):
            return next(fault for fault in reversed(faults[call]) if fault is not None)
    return None


def _assigned(call: int, faults: Sequence[Sequence[Fault]], chosen: dict[int, int], tried: set[int]) -> bool:
    """Find an answer for a call; one that another call has is its own if that call finds another."""
    for answer, fault in enumerate(faults[call]):
        if fault is None and answer not in tried:
            tried.add(answer)
            if answer not in chosen or _assigned(chosen[answer], faults, chosen, tried):
                chosen[answer] = call
                return True
    return False


def _call_fault(call: ToolCall, answer: Answer, functions: Mapping[str, Any]) -> Fault:
    ((name, possible),) = answer.items()
    if call.name != name:
        return f"calls '{call.name[:60]}', not '{name}'"
    properties, required = functions[name]["properties"], functions[name].get("required", ())
    missing = [key for key in required if key not in call.arguments]
    missing += [key for key, values in possible.items() if key not in call.arguments and "" not in values]
    if missing:
        return f"without the argument '{missing[0]}'"
    for key, value in call.arguments.items():
        if key not in properties or key not in possible:
            return f"the argument '{key[:60]}' is not expected"
        if not _fits(value, possible[key], properties[key]):
            return f"'{key}' is {str(value)[:60]!r}"
    return None


def _fits(value: Any, possible: Sequence[Any], schema: Mapping[str, Any]) -> bool:
    """Return whether a value is of its type and one of those possible.

    Of another type it may be where the first possible value is, too: the name of a variable stands for a number.
    """
    kind = TYPES[schema["type"]]
    if kind is float and type(value) is int:
        value = float(value)
    stated = next((type(one) for one in possible if one != ""), None)
    if type(value) is not kind:
        return type(value) is stated and any(_same(value, one) for one in possible)
    if stated not in (None, kind) and not (kind is float and stated is int):
        return any(_same(value, one) for one in possible)
    if kind is str:
        return any(isinstance(one, str) and _plain(one) == _plain(value) for one in possible)
    if kind is dict:
        return any(_same_fields(value, one) for one in possible if isinstance(one, dict))
    if kind is list:
        inner = TYPES.get((schema.get("items") or {}).get("type", ""))
        return any(_same_list(value, one, inner) for one in possible if isinstance(one, list))
    return any(_same(value, one) for one in possible)


def _same_list(value: list[Any], wanted: list[Any], inner: type | None) -> bool:
    if len(value) != len(wanted):
        return False
    if inner is dict:
        return all(
            isinstance(one, dict) and isinstance(other, dict) and _same_fields(one, other)
            for one, other in zip(value, wanted, strict=True)
        )
    return all(_same(_standard(one), _standard(other)) for one, other in zip(value, wanted, strict=True))


def _same_fields(value: dict[str, Any], possible: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether each field is one of those possible for it, and none is missing that has to be there."""
    if not all(key in value or "" in values for key, values in possible.items()):
        return False
    return all(
        key in possible and any(_same(_standard(one), _standard(other)) for other in possible[key])
        for key, one in value.items()
    )


def _standard(value: Any) -> Any:
    return _plain(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    """Text without case, and without blanks and signs that dates and names are written with or without."""
    return _DOES_NOT_COUNT.sub("", text).lower().replace("'", '"')


def _same(value: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; `true` is not `1`."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    return (type(value) is type(other) and value == other) or (_numbers(value, other) and value == other)


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def first_possible(answer: Answer, functions: Mapping[str, Any]) -> ToolCall:
    """The call that an answer names first."""
    ((name, possible),) = answer.items()
    properties, required = functions[name]["properties"], functions[name].get("required", ())
    arguments: dict[str, Any] = {}
    for key, values in possible.items():
        stated = [value for value in values if value != ""]
        if key in properties and (stated or key in required):
            arguments[key] = _first(stated[0] if stated else "", properties[key])
    return ToolCall(name=name, arguments=arguments)


def _first(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value in which the fields of objects, which are lists of possible ones, are the first of each."""
    if isinstance(value, dict) and schema.get("type") == "dict":
        stated = {key: [one for one in values if one != ""] for key, values in value.items()}
        return {key: values[0] for key, values in stated.items() if values}
    if isinstance(value, list) and (schema.get("items") or {}).get("type") == "dict":
        return [_first(one, {"type": "dict"}) for one in value]
    return value
