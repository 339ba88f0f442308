"""Tools behind a chat-completions server: fields of the interface, and the calls that a server cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import rlvr_gym as rg
from rlvr_gym.generation.calls.openai import messages_of
from rlvr_gym.generation.endpoint import EndpointGenerator
from tests.rlvr_gym.endpoint_server import Body, EndpointServer

TASK = rg.Task(id="t", prompt="What is 12 + 30?", reference="It is 42.")


@rg.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def env_of(**settings: Any) -> rg.Environment:
    tasks = rg.TaskSet.from_tasks([TASK], name="sums")
    return rg.Environment(
        tasks, rg.FunctionVerifier(lambda task, said: said.text == task.reference), tools=[add], **settings
    )


def calling(*calls: tuple[str, str], content: str | None = None) -> dict[str, Any]:
    """The fields of a reply with calls: names and arguments."""
    made = [
        {"id": f"srv_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(calls)
    ]
    return {"content": content, "finish_reason": "tool_calls", "message_fields": {"tool_calls": made}}


def play(
    *turns: str | dict[str, Any], env: rg.Environment | None = None, say: Callable[[Body], Any] | None = None
) -> tuple[rg.Rollout, list[Body]]:
    def script(body: Body) -> str | dict[str, Any]:
        said = sum(message["role"] == "assistant" for message in body["messages"])
        return turns[min(said, len(turns) - 1)]

    with EndpointServer(say or script) as server:
        generator = EndpointGenerator(server.url, "m", backoff_seconds=0.001, tries=2, timeout_seconds=10)
        try:
            ((rollout,),) = rg.rollout(
                env or env_of(), generator, [TASK], rg.SamplingParams(max_tokens=50), group_size=1, seed=0
            )
        finally:
            generator.close()
        return rollout, server.bodies[1:]


def told(rollout: rg.Rollout) -> list[str]:
    return [message.content for message in rollout.messages if message.role == "tool"]


def test_calls_that_a_server_hands_over_are_run_and_answered_under_their_ids():
    rollout, (first, second) = play(
        calling(("add", '{"a": 12, "b": 30}'), ("add", '{"a": 1, "b": 1}')), "It is 42."
    )
    assert first["tools"] == [add.spec.schema]
    assert second["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "srv_0",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a": 12, "b": 30}'},
                },
                {
                    "id": "srv_1",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a": 1, "b": 1}'},
                },
            ],
        },
        {"role": "tool", "content": "42", "tool_call_id": "srv_0"},
        {"role": "tool", "content": "2", "tool_call_id": "srv_1"},
    ]
    assert rollout.verdict.correct
    assert '"name": "add"' in rollout.messages[0].text
    assert [str(call.outcome) for call in rollout.calls or ()] == ["answered"] * 2


@pytest.mark.parametrize("arguments", ['{"a": 12', "[1]", '{"a": 12, "b": 30}}'])
def test_arguments_that_are_no_json_are_answered_and_sent_back_as_json(arguments: str):
    rollout, (_, second) = play(calling(("add", arguments)), "It is 42.")
    assert told(rollout)[0].startswith("error: the call cannot be read")
    (call,) = second["messages"][1]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"unreadable": arguments}
    assert rollout.verdict.correct


@pytest.mark.parametrize("arguments", ["", "{}", "null"])
def test_a_call_without_arguments_is_one(arguments: str):
    rollout, _ = play(calling(("add", arguments)), "It is 42.")
    assert told(rollout)[0].startswith("error: 'add' needs the argument 'a'")


def test_a_call_that_the_server_left_in_the_text_is_read_here_and_answered_as_the_users():
    good = '<tool_call>\n{"name": "add", "arguments": {"a": 12, "b": 30}}\n</tool_call>'
    rollout, (_, second) = play(f"{good}<tool_call>{{</tool_call>", "It is 42.")
    assert [str(call.outcome) for call in rollout.calls or ()] == ["answered", "malformed"]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user", "user"]
    assert second["messages"][2]["content"] == "<tool_response>\n42\n</tool_response>"
    assert "tool_calls" not in second["messages"][1]


def test_a_server_that_takes_no_tools_is_told_of_them_in_the_system_prompt():
    def say(body: Body) -> str | dict[str, Any]:
        if "tools" in body:
            return {"status": 400, "message": '"auto" tool choice requires --enable-auto-tool-choice'}
        if len(body["messages"]) > 2:
            return "It is 42."
        return '<tool_call>{"name": "add", "arguments": {"a": 12, "b": 30}}</tool_call>'

    rollout, (first, _) = play(say=say)
    assert first["messages"][0]["role"] == "system"
    assert "You may call these tools." in first["messages"][0]["content"]
    assert told(rollout) == ["42"]
    assert rollout.verdict.correct


def test_a_server_that_does_not_say_is_an_error():
    def say(body: Body) -> dict[str, Any]:
        return {"status": 503, "message": "overloaded"}

    with pytest.raises(rg.ConfigError, match=r"whether tools can be shown to 'm' is not known: .*overloaded"):
        play(say=say)


def test_limits_of_the_episode_bound_each_request():
    limits = rg.EpisodeLimits(sampled_tokens=12)
    call = calling(("add", '{"a": 1, "b": 1}')) | {"usage": {"prompt_tokens": 5, "completion_tokens": 8}}
    rollout, bodies = play(call, call, "It is 42.", env=env_of(limits=limits))
    assert [body["max_tokens"] for body in bodies] == [12, 4]
    assert (rollout.truncated, rollout.text) == (True, "")


def test_a_conversation_without_calls_is_sent_as_ever():
    messages = (rg.Message(role="user", content="a"), rg.Message(role="tool", content="b"))
    assert messages_of(messages) == [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]
