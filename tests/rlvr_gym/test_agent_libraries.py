"""Agents of a library that nobody here wrote."""

from __future__ import annotations

from typing import Any

from smolagents import CodeAgent, OpenAIModel, ToolCallingAgent, tool

import rlvr_gym as rg
from tests.rlvr_gym.agent_play import played, sampled, speak
from tests.rlvr_gym.tool_families import call_text


@tool
def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def model(base_url: str, key: str, **settings: Any) -> OpenAIModel:
    return OpenAIModel("policy", api_base=base_url, api_key=key, **settings)


def calling(task: rg.Task, base_url: str, key: str) -> str:
    agent = ToolCallingAgent(
        tools=[add], model=model(base_url, key, tool_choice="auto"), max_steps=3, verbosity_level=0
    )
    return str(agent.run(task.text))


def coding(task: rg.Task, base_url: str, key: str) -> str:
    agent = CodeAgent(tools=[add], model=model(base_url, key), max_steps=3, verbosity_level=0)
    return str(agent.run(task.text))


def test_an_agent_of_smolagents_calls_its_tools():
    def script(request: rg.GenerationRequest, sample: int) -> str:
        if any("42" in message.content for message in request.messages[1:]):
            return call_text("Hermes", "final_answer", {"answer": "42"})
        return call_text("Hermes", "add", {"a": 12, "b": 30})

    rollout = played(calling, generator=speak(script), max_tokens=4000)
    assert rollout.verdict.correct
    assert len(sampled(rollout)) == 2
    assert rollout.length == sum(map(len, sampled(rollout)))


def test_an_agent_of_smolagents_writes_code_and_its_stop_texts_are_kept():
    def script(request: rg.GenerationRequest, sample: int) -> str:
        told = "\n".join(message.content for message in request.messages[1:])
        code = "final_answer('42')" if "Execution logs" in told else "print(add(12, 30))"
        return f"Thought: compute.\n<code>\n{code}\n</code>\nObservation: made up"

    generator = speak(script)
    rollout = played(coding, generator=generator, max_tokens=4000)
    assert rollout.verdict.correct
    assert len(sampled(rollout)) == 2
    assert all(generator.prompts.text(run).endswith("</code>") for run in sampled(rollout))


def test_an_agent_that_runs_out_of_steps_has_its_last_word_judged():
    rollout = played(calling, generator=speak(lambda request, sample: "I do not know."), max_tokens=4000)
    assert rollout.verdict.outcome in (rg.Outcome.INCORRECT, rg.Outcome.MALFORMED)
    assert len(sampled(rollout)) >= 3


def test_tool_choice_required_is_refused_by_name():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        forced = ToolCallingAgent(tools=[add], model=model(base_url, key), max_steps=1, verbosity_level=0)
        return str(forced.run(task.text))

    rollout = played(agent, generator=speak(lambda request, sample: "It is 42."), max_tokens=4000)
    assert "tool_choice" in rollout.verdict.detail
    assert rollout.length == 0
