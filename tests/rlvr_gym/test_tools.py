"""A typed function as a tool: its schema, its arguments, its time, its result."""

from __future__ import annotations

import asyncio
import enum
import json
import sys
import threading
import time
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

import rlvr_gym as rg
from rlvr_gym.tools.calls import CallOutcome
from rlvr_gym.tools.function import BadArguments
from rlvr_gym.tools.running import run


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: int
    y: int = 0


class Board:
    """The state of an episode."""

    def __init__(self) -> None:
        self.marks = 0


class Knot(BaseModel):
    inner: Knot | None = None


@rg.tool
def paint(
    board: rg.State[Board],
    colour: Colour,
    at: Point,
    width: Annotated[int, Field(ge=1)] = 1,
    name: int | str | None = None,
    mode: Literal["fill", "line"] = "fill",
) -> str:
    """Paint something,
    wherever you like.

    Args:
        board: never shown
        colour: the colour of it,
            in words
        at (Point): the place

    Returns:
        what became of it
    """
    return f"{colour} {at} {width} {name} {mode} {board.marks}"


def refused(tool: rg.Tool, arguments: dict[str, Any]) -> str:
    with pytest.raises(BadArguments) as found:
        tool.checked(arguments)
    return str(found.value)


def test_the_schema_comes_from_hints_and_docstring():
    assert paint.spec.schema == {
        "type": "function",
        "function": {
            "name": "paint",
            "description": "Paint something, wherever you like.",
            "parameters": {
                "type": "object",
                "properties": {
                    "colour": {
                        "enum": ["red", "blue"],
                        "type": "string",
                        "description": "the colour of it, in words",
                    },
                    "at": {
                        "type": "object",
                        "properties": {"x": {"type": "integer"}, "y": {"default": 0, "type": "integer"}},
                        "required": ["x"],
                        "description": "the place",
                    },
                    "width": {"default": 1, "minimum": 1, "type": "integer"},
                    "name": {
                        "anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}],
                        "default": None,
                    },
                    "mode": {"default": "fill", "enum": ["fill", "line"], "type": "string"},
                },
                "required": ["colour", "at"],
            },
        },
    }
    assert (paint.state_name, paint.state) == ("board", Board)


def test_the_function_can_still_be_called_as_ever():
    assert paint(Board(), Colour.RED, Point(x=1)).startswith("Colour.RED x=1 y=0 1 None fill 0")


def test_arguments_arrive_as_the_types_that_the_function_names():
    given = paint.checked({"colour": "red", "at": {"x": 1}, "name": "7"})
    assert given == {"colour": Colour.RED, "at": Point(x=1), "name": "7"}
    assert paint.checked({"colour": "blue", "at": {"x": 1}, "name": 7})["name"] == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"colour": "red"}, "'paint' needs the argument 'at'"),
        ({}, "'paint' needs the argument 'colour'; 'paint' needs the argument 'at'"),
        ({"colour": "red", "at": {"x": 1}, "size": 3}, "'paint' has no argument 'size'. 'paint' takes: colour, at,"),
        ({"colour": "red", "at": {"x": 1}, "board": 3}, "'paint' has no argument 'board'"),
        ({"colour": "green", "at": {"x": 1}}, "the argument 'colour' of 'paint': input should be 'red' or 'blue', not"),
        ({"colour": "red", "at": {"x": "1"}}, "argument 'at' of 'paint': input should be a valid integer, not \"1\""),
        ({"colour": "red", "at": {"x": 1}, "width": "3"}, "input should be a valid integer, not \"3\""),
        ({"colour": "red", "at": {"x": 1}, "width": True}, "input should be a valid integer, not true"),
        ({"colour": "red", "at": {"x": 1}, "width": 0}, "input should be greater than or equal to 1, not 0"),
        ({"colour": "red", "at": {"x": 1}, "name": 1.5}, "input should be a valid string, not 1.5"),
        ({"colour": "red", "at": {"x": 1}, "mode": None}, "input should be 'fill' or 'line', not null"),
        ({"colour": "red", "at": {"x": 1}, "name": float("inf")}, "the arguments of 'paint' are no JSON"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(arguments: dict[str, Any], said: str):
    assert said in refused(paint, arguments)


def test_a_tool_without_arguments_takes_none():
    @rg.tool
    def look() -> str:
        """Look around."""
        return "a room"

    assert look.spec.parameters == {"type": "object", "properties": {}}
    assert look.checked({}) == {}
    assert refused(look, {"at": 1}) == "'look' has no argument 'at'. 'look' takes: no arguments"


def test_arguments_may_have_names_that_python_uses_otherwise():
    @rg.tool
    def ask(schema: int, model_dump: int, _x: int, copy: str = "c") -> str:
        """Ask."""
        return f"{schema} {model_dump} {_x} {copy}"

    assert ask(**ask.checked({"schema": 1, "model_dump": 2, "_x": 3})) == "1 2 3 c"


def no_types(x) -> int:  # pyright: ignore[reportMissingParameterType]
    """Count."""
    return x


def any_number(*x: int) -> int:
    """Count."""
    return len(x)


def two_states(a: rg.State[Board], b: rg.State[Board]) -> int:
    """Count."""
    return 0


def no_docstring(x: int) -> int:
    return x


def other_docstring(x: int) -> int:
    """Count.

    Args:
        y: the number
    """
    return x


def odd_type(x: threading.Thread) -> int:
    """Count."""
    return 0


def knotted(x: Knot) -> int:
    """Count."""
    return 0


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_types, "the parameter 'x' has no type"),
        (any_number, "'x' cannot be given by name"),
        (two_states, "takes the state of the episode twice: a, b"),
        (no_docstring, "has no docstring"),
        (other_docstring, "describes 'y', which is no parameter"),
        (odd_type, "its types cannot be checked"),
        (knotted, "a type that holds itself"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused(function: Any, said: str):
    with pytest.raises(rg.ConfigError, match=said):
        rg.tool(function)


def test_settings_that_cannot_work_are_refused():
    for settings in ({"name": "a b"}, {"timeout_seconds": 0}, {"max_characters": 20}):
        with pytest.raises(rg.ConfigError, match=r"a tool's name has|must be positive"):
            rg.tool(**settings)(paint.function)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert rg.tool(name="draw")(paint.function).name == "draw"


def called(function: Any, *, seconds: float = 5.0, **settings: Any):
    function.__doc__ = "Do it."
    return run(rg.tool(**settings)(function), {}, timeout_seconds=seconds)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("a b", "a b"),
        (42, "42"),
        (None, "null"),
        ({"é": [1]}, '{"é": [1]}'),
        (Point(x=1), '{"x":1,"y":0}'),
        ("\ud800", "\ufffd"),
    ],
)
def test_a_result_is_text_or_json(result: object, text: str):
    def give() -> object:
        return result

    assert called(give).text == text


def test_a_result_that_is_neither_is_the_authors_fault():
    def give() -> object:
        return object()

    with pytest.raises(rg.VerifierFault, match="returned a object, which is neither text nor JSON"):
        called(give)


def test_what_a_tool_raises_is_the_answer():
    def fail() -> None:
        raise ValueError("no such thing")

    def leave() -> None:
        sys.exit(3)

    def recurse() -> None:
        recurse()

    answer = called(fail)
    assert (answer.text, answer.outcome) == ("error: ValueError: no such thing", CallOutcome.FAILED)
    assert called(leave).text == "error: SystemExit: 3"
    assert called(recurse).text.startswith("error: RecursionError: ")


def test_a_fault_of_ours_is_no_answer():
    def fail() -> None:
        raise rg.VerifierFault("the database is down")

    with pytest.raises(rg.VerifierFault, match="the database is down"):
        called(fail)


def test_a_tool_that_takes_too_long_is_given_up_on():
    gone_on = threading.Event()

    def sleep() -> None:
        gone_on.wait(20)

    began = time.monotonic()
    answer = called(sleep, seconds=0.1)
    assert time.monotonic() - began < 5
    assert answer.text == "error: 'sleep' took longer than 0.1 s and was given up on"
    assert answer.outcome is CallOutcome.TIMEOUT
    gone_on.set()


def test_an_async_tool_is_awaited_and_cancelled_when_it_takes_too_long():
    cancelled = threading.Event()

    async def quick() -> int:
        await asyncio.sleep(0.001)
        return 7

    async def slow() -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def late() -> None:
        raise TimeoutError("its own")

    assert called(quick).text == "7"
    assert called(slow, seconds=0.1).outcome is CallOutcome.TIMEOUT
    assert cancelled.wait(5)
    assert called(late).text == "error: TimeoutError: its own"


@pytest.mark.parametrize("length", [99, 100])
def test_a_result_that_fits_is_kept(length: int):
    def give() -> str:
        return "x" * length

    assert called(give, max_characters=100).text == "x" * length


@pytest.mark.parametrize("length", [101, 5000])
def test_a_longer_result_is_cut_to_the_limit_and_says_so(length: int):
    def give() -> str:
        return "x" * length

    text = called(give, max_characters=100).text
    assert len(text) <= 100
    shown = text.count("x")
    assert shown > 50
    assert text.endswith(f"[cut: the first {shown} of {length} characters]")


def test_a_long_error_is_cut_too():
    def fail() -> None:
        raise ValueError("x" * 5000)

    assert len(called(fail, max_characters=100).text) <= 100


def test_a_message_without_calls_is_stored_as_ever():
    message = rg.Message(role="user", content="a")
    assert message.model_dump() == {"role": "user", "content": "a"}
    assert json.loads(message.model_dump_json()) == {"role": "user", "content": "a"}


def test_a_message_with_calls_survives_storage():
    call = rg.ToolCall(id="c1", name="add", arguments={"a": 1})
    message = rg.Message(role="assistant", content="", tool_calls=(call,))
    answer = rg.Message(role="tool", content="3", name="add", tool_call_id="c1")
    for one in (message, answer):
        assert rg.Message.model_validate_json(one.model_dump_json()) == one
        assert rg.Message.model_validate(one.model_dump()) == one
    assert '"name": "add"' in message.text


def test_a_call_in_openais_form_is_read():
    function = {"name": "add", "arguments": '{"a": 1}'}
    call = rg.ToolCall.model_validate({"id": "c1", "type": "function", "function": function})
    assert call == rg.ToolCall(id="c1", name="add", arguments={"a": 1})


def test_only_the_assistant_calls_and_only_tools_answer():
    with pytest.raises(ValueError, match="calls no tools"):
        rg.Message(role="user", content="", tool_calls=(rg.ToolCall(name="add"),))
    with pytest.raises(ValueError, match="answers no call"):
        rg.Message(role="user", content="", tool_call_id="c1")
