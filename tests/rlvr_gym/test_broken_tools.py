"""Turns and tools that go wrong: no run ends, a policy is told what it did, and what is ours is unscored."""

import json
import os
import time
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from rlvr_sandbox.errors import SandboxUnavailable

import rlvr_gym as rg
from rlvr_gym.generation.calls.lists import Llama3, Mistral
from rlvr_gym.generation.calls.openai import messages_of
from rlvr_gym.generation.calls.tagged import Tagged, plain_turn
from rlvr_gym.generation.calls.turn import signed
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import CallOutcome, MalformedCall, ToolCall
from rlvr_gym.tools.running import Answer, run


@rg.tool
def look(x: str) -> str:
    """Look."""
    return x


SPECS = (look.spec,)


@pytest.mark.parametrize("form", [Llama3(), Mistral(), Tagged()])
@pytest.mark.parametrize(
    "turn",
    [
        '{"name": ["x"]}',
        '{"name": {"first": "A"}, "age": 3}',
        '{"name": null}',
        '{"name": 1, "parameters": {}}',
        "[TOOL_CALLS] [[1], 2]",
        '<tool_call>{"name": ["x"], "arguments": []}</tool_call>',
        "{" * 3000,
        "[" * 3000,
    ],
)
def test_no_turn_of_a_policy_raises(form: Any, turn: str) -> None:
    form.parse(signed(turn, form.markers), SPECS)


def test_an_object_with_a_name_that_is_no_text_is_an_answer() -> None:
    turn = '{"name": {"first": "A"}, "age": 3}'
    parsed = Llama3().parse(turn, SPECS)
    assert (parsed.calls, parsed.text) == ((), turn)


def test_tags_of_thinking_in_an_argument_are_part_of_it() -> None:
    turn = '{"name": "look", "parameters": {"x": "a <think> b"}}'
    (call,) = Llama3().parse(turn, SPECS).calls
    assert isinstance(call, ToolCall)
    assert call.arguments == {"x": "a <think> b"}


def xml(body: str) -> str:
    return f"<tool_call><function=look>{body}</function></tool_call>"


def test_parameters_are_read_to_the_first_closing_tag() -> None:
    (call,) = plain_turn(xml("\n<parameter=x>\na\n</parameter>\n"), SPECS).calls
    assert isinstance(call, ToolCall)
    assert call.arguments == {"x": "a"}
    for body in ("<parameter=x>a", "a<parameter=x>a</parameter>", "<parameter=x>a</parameter>b"):
        (call,) = plain_turn(xml(body), SPECS).calls
        assert isinstance(call, MalformedCall)
        assert call.fault == "parameters are <parameter=NAME>VALUE</parameter>"
    (call,) = plain_turn(xml("<parameter=x>a</parameter><parameter=x>b</parameter>"), SPECS).calls
    assert isinstance(call, MalformedCall)
    assert call.fault == "a parameter stands twice"


@pytest.mark.parametrize("piece", ["<parameter=a>", " ", "\n", "<parameter=a>\n</function>"])
def test_a_turn_that_repeats_itself_is_read_in_no_time(piece: str) -> None:
    began = time.process_time()
    plain_turn(xml(piece * 30_000), SPECS)
    assert time.process_time() - began < 2


def answer(tool: Any, **arguments: Any) -> Answer:
    return run(tool, arguments, timeout_seconds=10)


@rg.tool
def power(base: int, exponent: int) -> int:
    """Raise."""
    return base**exponent


@rg.tool
def root(x: float, n: float) -> float:
    """Take a root."""
    return x ** (1 / n)


@rg.tool
def nested(depth: int) -> list[Any]:
    """Nest."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_what_the_arguments_make_of_a_result_is_told_and_leaves_nothing_unscored() -> None:
    for told in (
        answer(power, base=10, exponent=5000),
        answer(root, x=-8.0, n=3.0),
        answer(nested, depth=100_000),
    ):
        assert told.outcome is CallOutcome.FAILED
        assert told.text.startswith("error: the result")
    assert answer(root, x=-8.0, n=3.0).text == "error: the result is a complex"


class Opaque(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    x: object


@rg.tool
def opaque() -> Opaque:
    """Return what cannot be told."""
    return Opaque(x=object())


@rg.tool
def raw() -> bytes:
    """Return bytes."""
    return b"a"


@pytest.mark.parametrize("tool", [opaque, raw])
def test_a_type_that_never_is_text_is_a_fault_of_the_tool(tool: Any) -> None:
    with pytest.raises(rg.VerifierFault, match="neither text nor JSON"):
        answer(tool)


@rg.tool
def broken(how: str) -> str:
    """Break."""
    raise {
        "sandbox": SandboxUnavailable("no bwrap"),
        "config": rg.ConfigError("the database is down"),
        "memory": MemoryError(),
        "disk": OSError(28, os.strerror(28)),
        "file": FileNotFoundError(2, "no such file"),
        "value": ValueError("3 is too many"),
    }[how]


@pytest.mark.parametrize("how", ["sandbox", "config", "memory", "disk"])
def test_what_is_broken_on_our_side_is_no_answer(how: str) -> None:
    with pytest.raises(rg.VerifierFault, match=r"Unavailable|ConfigError|MemoryError|OSError"):
        answer(broken, how=how)


@pytest.mark.parametrize("how", ["file", "value"])
def test_other_errors_of_a_tool_are_answers(how: str) -> None:
    assert answer(broken, how=how).outcome is CallOutcome.FAILED


def test_a_state_that_cannot_be_made_leaves_its_episode_unscored() -> None:
    def state(task: rg.Task) -> str:
        raise ConnectionError("the database is down")

    tasks = rg.TaskSet.from_tasks([rg.Task(id="1", prompt="What?", reference="a")], name="one")
    env = rg.Environment(tasks, rg.verifiers.Exact("boxed"), tools=[look], state=state)
    group = rg.rollout(env, Says("a"), tasks.take(1), rg.SamplingParams(max_tokens=4), group_size=1, seed=0)[
        0
    ]
    assert group[0].verdict.outcome is rg.Outcome.UNSCORED
    assert "the database is down" in group[0].verdict.detail


class Says:
    """A generator that always says the same."""

    concurrency = 1

    def __init__(self, text: str) -> None:
        self._text = text

    def generate(self, prompts: Any, n: int, sampling: rg.SamplingParams) -> Any:
        for index in range(len(prompts)):
            said = rg.Completion(text=self._text, token_ids=(1,), logprobs=(0.0,), prompt_token_ids=(2,))
            yield index, [said] * n

    def encode_reply(self, completion: rg.Completion, messages: Any) -> tuple[int, ...]:
        return (3,)


def test_a_name_that_servers_refuse_is_not_sent_back() -> None:
    call = ToolCall(id="1", name="web search", arguments={})
    turn = Message(role="assistant", content="", tool_calls=(call,))
    written = json.dumps(messages_of([turn]))
    assert "unknown" in written
    assert "web search" not in written
