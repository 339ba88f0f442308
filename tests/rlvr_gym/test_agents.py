from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import openai
import pytest

import rlvr_gym as rg
from rlvr_gym.generation.tiny import tiny_model
from tests.rlvr_gym.agent_play import TASK, ask, client, echo, env_of, played, sampled, speak, user
from tests.rlvr_gym.tool_families import answer_text, call_text
from tests.rlvr_gym.tool_play import EVERY_FAMILY

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


def test_the_text_that_an_agent_returns_is_judged():
    async def agent(task: rg.Task, base_url: str, key: str) -> str:
        async with openai.AsyncOpenAI(base_url=base_url, api_key=key) as asked:
            said = await asked.chat.completions.create(
                model="any", messages=[{"role": "user", "content": "say 42"}]
            )
        return (said.choices[0].message.content or "").removeprefix("say ")

    rollout = played(agent)
    assert rollout.verdict.correct
    assert rollout.text == "42"
    assert rollout.finish_reason is rg.FinishReason.STOP
    assert [message.content for message in rollout.messages] == ["say 42", "say 42", "42"]


def test_an_agent_sees_no_reference():
    seen: list[rg.Task] = []

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        seen.append(task)
        return "42"

    rollout = played(agent)
    assert [(task.id, task.prompt, task.reference) for task in seen] == [("t", TASK.prompt, None)]
    assert rollout.verdict.correct
    assert rollout.task.reference == "42"


@EVERY_FAMILY
def test_a_conversation_goes_on_from_the_very_tokens(family: str):
    def script(request: rg.GenerationRequest, sample: int) -> str:
        return answer_text(family, f"{len(request.messages)}  spaced <|im_end|> ")

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        messages: list[Any] = [user("one")]
        for turn in ("two", "three", "four"):
            messages += [{"role": "assistant", "content": ask(base_url, key, *messages)}, user(turn)]
        return ask(base_url, key, *messages)

    generator = speak(script, family)
    rollout = played(agent, generator=generator)
    assert not rollout.further
    assert len(sampled(rollout)) == 4
    prompts = [request.token_ids for request in generator.seen]
    whole = (*rollout.prompt_ids, *rollout.token_ids)
    assert all(prompt == whole[: len(prompt or ())] for prompt in prompts)
    assert len(rollout.logprobs) == len(rollout.action_mask) == len(rollout.token_ids)


@EVERY_FAMILY
def test_an_agent_calls_tools_of_its_own(family: str):
    def script(request: rg.GenerationRequest, sample: int) -> str:
        if any("42" in message.content for message in request.messages):
            return answer_text(family, "It is 42.")
        return call_text(family, "add", {"a": 12, "b": 30})

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        with client(base_url, key) as asked:
            messages: list[Any] = [user("What is 12 and 30 together?")]
            for _ in range(3):
                reply = asked.chat.completions.create(model="any", messages=messages, tools=[ADD])  # pyright: ignore
                message = reply.choices[0].message
                messages.append(message)
                if not message.tool_calls:
                    return message.content or ""
                for call in message.tool_calls:
                    assert call.type == "function"
                    assert call.function.name == "add"
                    assert reply.choices[0].finish_reason == "tool_calls"
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": "42"})
        return "nothing"

    rollout = played(agent, generator=speak(script, family), max_tokens=2000)
    assert rollout.text == "It is 42."
    assert not rollout.further
    assert len(sampled(rollout)) == 2


def test_a_stream_says_the_same_as_an_answer_in_one_piece():
    said = "x" * 200 + " é " + "y" * 50

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        whole = ask(base_url, key, user(said))
        with client(base_url, key) as asked:
            stream = asked.chat.completions.create(
                model="any",
                messages=[{"role": "user", "content": said}],
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = list(stream)
        assert sum(chunk.usage is not None for chunk in chunks) == 1
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert len(pieces) > 4
        return str("".join(pieces) == whole == said)

    assert played(agent, max_tokens=2000).text == "True"


def test_thinking_is_handed_over_apart_and_kept_in_what_is_learned():
    def script(request: rg.GenerationRequest, sample: int) -> str:
        return "<think>12 + 30</think>\n\n42"

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        with client(base_url, key) as asked:
            messages: list[Any] = [user("one")]
            message = asked.chat.completions.create(model="any", messages=messages).choices[0].message
            assert message.model_extra == {"reasoning_content": "12 + 30"}
            messages += [{"role": "assistant", "content": message.content}, user("two")]
        return ask(base_url, key, *messages)

    rollout = played(agent, script)
    assert rollout.verdict.correct
    assert not rollout.further
    assert len(sampled(rollout)) == 2


def test_what_does_not_go_on_is_a_sequence_of_its_own_and_every_token_stands_once():
    def script(request: rg.GenerationRequest, sample: int) -> str:
        return f"turn {len(generator.seen)}"

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        messages = [user("long story")]
        for turn in ("two", "three"):
            messages += [{"role": "assistant", "content": ask(base_url, key, *messages)}, user(turn)]
        ask(base_url, key, user(f"summary of {messages[1]['content']}"))  # a context that was cut
        ask(base_url, key, *messages[:2], user("another second turn"))  # a branch at the first turn
        ask(base_url, key, *messages)
        return "42"

    generator = speak(script)
    rollout = played(agent, generator=generator)
    assert len(rollout.further) == 2
    assert len(sampled(rollout)) == len(generator.seen) == 5
    assert rollout.length == sum(map(len, sampled(rollout)))
    for sequence in rollout.sequences:
        assert sequence.action_mask[0]
        assert sequence.action_mask[-1]
        assert len(sequence.action_mask) == len(sequence.token_ids) == len(sequence.logprobs)
    branch = rollout.further[1]
    first = rollout.token_ids[: rollout.action_mask.index(False)]
    assert branch.prompt_ids[: len(rollout.prompt_ids) + len(first)] == (*rollout.prompt_ids, *first)


def test_parallel_calls_draw_the_same_whatever_order_they_arrive_in():
    model, tokenizer = tiny_model(seed=0, alphabet="0123456789 ?")

    def agent_with(delays: dict[str, float]) -> Any:
        async def agent(task: rg.Task, base_url: str, key: str) -> str:
            async with openai.AsyncOpenAI(base_url=base_url, api_key=key) as asked:

                async def sub_agent(number: str) -> str:
                    await asyncio.sleep(delays[number])
                    said = await asked.chat.completions.create(model="any", messages=[user(number)])  # pyright: ignore
                    return said.choices[0].message.content or ""

                return " ".join(await asyncio.gather(*map(sub_agent, "123")))

        return agent

    def drawn(delays: dict[str, float]) -> tuple[object, ...]:
        generator = rg.TransformersGenerator(model, tokenizer)
        groups = rg.rollout(
            env_of(agent_with(delays)),
            generator,
            [TASK],
            rg.SamplingParams(max_tokens=6),
            group_size=2,
            seed=3,
        )
        return tuple((one.text, {s.prompt_ids: s.token_ids for s in one.sequences}) for one in groups[0])

    forth = drawn({"1": 0.0, "2": 0.05, "3": 0.1})
    assert forth == drawn({"1": 0.1, "2": 0.05, "3": 0.0})
    assert forth[0] != forth[1]


def test_the_same_prompt_again_is_another_draw():
    model, tokenizer = tiny_model(seed=0, alphabet="0123456789 ?")

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        return "|".join(ask(base_url, key, user("1")) for _ in range(4))

    rollout = played(agent, generator=rg.TransformersGenerator(model, tokenizer), max_tokens=12)
    assert len(set(rollout.text.split("|"))) > 2
    assert len(rollout.sequences) == 4


def test_a_stop_text_ends_the_turn_with_the_token_that_completes_it():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        messages = [user("one STOP two")]
        messages += [{"role": "assistant", "content": ask(base_url, key, *messages, stop=["STOP"])}]
        ask(base_url, key, *messages, user("further"))
        return messages[1]["content"]

    generator = speak(echo)
    rollout = played(agent, generator=generator)
    assert rollout.text == "one "
    assert not rollout.further
    first = rollout.token_ids[: rollout.action_mask.index(False)]
    assert generator.prompts.text(first) == "one STOP"


def test_agents_are_evaluated():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        return ask(base_url, key, *[message.model_dump() for message in task.prompt])

    tasks = [rg.Task(id=str(n), prompt=f"say {n}", reference=f"say {n}") for n in range(5)]
    result = rg.evaluate(
        env_of(agent, tasks=tasks), speak(echo), n=3, sampling=rg.SamplingParams(max_tokens=50)
    )
    assert result.pass_at_k[1].value == 1.0
    assert len(result.samples) == 15


def test_a_generator_that_is_asked_in_words_can_be_evaluated_with():
    class InWords:
        concurrency = 4

        def generate(self, prompts: Any, n: int, sampling: rg.SamplingParams) -> Any:
            for place, prompt in enumerate(prompts):
                assert prompt.token_ids is None
                yield place, [rg.Completion(text=prompt.messages[-1].content)] * n

        def encode_reply(self, completion: Any, messages: Any) -> tuple[int, ...]:
            raise AssertionError

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        return ask(base_url, key, user("42"))

    rollout = played(agent, generator=InWords())
    assert rollout.verdict.correct
    assert rollout.token_ids == ()


def test_an_agents_environment_is_stepped_by_hand_as_one_turn():
    env = env_of(lambda task, base_url, key: "never run")
    prompt, _ = env.reset(options={"task": 0})
    assert prompt == "What is 12 + 30?"
    _, reward, terminated, truncated, _ = env.step("42")
    assert (reward, terminated, truncated) == (1.0, True, False)


def test_many_agents_run_side_by_side_and_no_more_than_may():
    running, most, lock = [0], [0], threading.Lock()

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        said = ask(base_url, key, user("42"))
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        return said

    groups = rg.rollout(
        env_of(agent, at_once=3), speak(echo), [TASK], rg.SamplingParams(max_tokens=50), group_size=8, seed=0
    )
    assert [one.sample for one in groups[0]] == list(range(8))
    assert all(one.verdict.correct for one in groups[0])
    assert 1 < most[0] <= 3


@pytest.mark.parametrize(
    "settings", [{"seconds": 0}, {"seconds": float("inf")}, {"max_calls": 0}, {"at_once": 0}]
)
def test_limits_that_cannot_be_are_refused(settings: dict[str, Any]):
    with pytest.raises(rg.ConfigError, match="at least 1"):
        env_of(lambda task, base_url, key: "", **settings)


def test_an_agent_that_is_no_function_is_refused():
    with pytest.raises(rg.ConfigError, match="an agent is a function"):
        env_of("agent.py")
