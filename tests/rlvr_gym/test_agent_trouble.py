"""Agents, clients and samplers that go wrong: theirs is judged, ours is unscored, and nothing is taken twice."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from transformers import GenerationConfig

import rlvr_gym as rg
from rlvr_gym.generation.prompts import TokenPrompts
from rlvr_gym.tools.calls import ToolSpec
from tests.rlvr_gym.agent_play import Body, ask, client, echo, played, post, sampled, speak, user

pytestmark = pytest.mark.long


class Slow:
    """A generator that takes its time over a prompt that says so."""

    concurrency = 1

    def __init__(self, seconds: float) -> None:
        self.inner, self.seconds = speak(echo), seconds
        self.prompts = self.inner.prompts
        self.encode_reply = self.inner.encode_reply

    def generate(
        self, prompts: Sequence[rg.GenerationRequest], n: int, sampling: rg.SamplingParams
    ) -> Iterator[tuple[int, list[rg.Completion]]]:
        if any("slowly" in prompt.messages[-1].content for prompt in prompts):
            time.sleep(self.seconds)
        yield from self.inner.generate(prompts, n, sampling)


def open_request(base_url: str, key: str, body: Body, **headers: str) -> http.client.HTTPConnection:
    """A connection that has asked, and has not looked at the answer."""
    url = urlsplit(base_url)
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    given = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): v for name, v in headers.items()}}
    connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), given)
    return connection


def test_an_agent_that_raises_has_given_no_answer():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        ask(base_url, key, user("anything"))
        raise KeyError("answer")

    rollout = played(agent)
    assert rollout.verdict.outcome is rg.Outcome.MALFORMED
    assert rollout.verdict.detail == "the agent raised KeyError: 'answer'"
    assert len(sampled(rollout)) == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_agent_that_tries_to_end_the_process_ends_itself_alone(error: BaseException):
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        raise error

    assert played(agent).verdict.outcome is rg.Outcome.MALFORMED


@pytest.mark.parametrize("returned", [None, 42, ["42"], b"42"])
def test_what_is_no_text_is_no_answer(returned: Any):
    rollout = played(lambda task, base_url, key: returned)
    assert rollout.verdict.outcome is rg.Outcome.MALFORMED
    assert "not a text" in rollout.verdict.detail


@pytest.mark.parametrize(
    "error", [rg.VerifierFault("the search engine is down"), MemoryError(), OSError(errno.EMFILE, "too many")]
)
def test_what_is_not_the_agents_fault_is_unscored(error: BaseException):
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        raise error

    assert played(agent).verdict.outcome is rg.Outcome.UNSCORED


def test_an_agent_without_a_call_has_its_task_as_the_prompt_and_no_tokens():
    generator = speak(echo)
    rollout = played(lambda task, base_url, key: "42", generator=generator)
    assert rollout.verdict.correct
    assert rollout.prompt_ids == generator.prompts.encode_prompt(rollout.task.prompt)
    assert (rollout.token_ids, rollout.length) == ((), 0)


def blocks(task: rg.Task, base_url: str, key: str) -> str:
    ask(base_url, key, user("anything"))
    time.sleep(30)
    return "42"


async def waits(task: rg.Task, base_url: str, key: str) -> str:
    await asyncio.to_thread(ask, base_url, key, user("anything"))
    await asyncio.sleep(30)
    return "42"


async def blocks_its_loop(task: rg.Task, base_url: str, key: str) -> str:
    return blocks(task, base_url, key)


@pytest.mark.parametrize("agent", [blocks, waits, blocks_its_loop])
def test_an_agent_that_hangs_has_timed_out(agent: Any):
    began = time.monotonic()
    rollout = played(agent, seconds=3.0)
    assert rollout.verdict.outcome is rg.Outcome.TIMEOUT
    assert len(sampled(rollout)) == 1
    assert time.monotonic() - began < 15


def test_an_agent_that_hangs_holds_up_no_other():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        if task.id == "hangs":
            time.sleep(20)
        return ask(base_url, key, user("42"))

    tasks = [rg.Task(id=name, prompt="?", reference="42") for name in ("hangs", "a", "b")]
    env = rg.AgentEnvironment(
        rg.TaskSet.from_tasks(tasks, name="three"),
        rg.FunctionVerifier(lambda task, said: said.text == task.reference),
        agent,
        seconds=3.0,
    )
    groups = rg.rollout(env, speak(echo), tasks, rg.SamplingParams(max_tokens=50), group_size=1, seed=0)
    assert [str(group[0].verdict.outcome) for group in groups] == ["timeout", "correct", "correct"]


def test_time_spent_waiting_for_the_sampler_is_not_the_agents():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        return ask(base_url, key, user("slowly")).replace("slowly", "42")

    rollout = played(agent, generator=Slow(4.5), seconds=3.0)
    assert rollout.verdict.correct


def test_a_late_call_is_told_that_the_session_is_over():
    told: list[int] = []
    asked = threading.Event()
    address: list[str] = []

    def late() -> None:
        asked.wait(20)
        told.append(post(address[0], address[1], {"messages": [user("late")]}).status_code)

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        address[:] = [base_url, key]
        threading.Thread(target=late, daemon=True).start()
        return "42"

    class Judging(rg.Verifier):
        def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
            asked.set()  # the agent is over by now, and its episode is not
            deadline = time.monotonic() + 20
            while not told and time.monotonic() < deadline:
                time.sleep(0.01)
            return rg.Verdict.right()

    env = rg.AgentEnvironment(rg.TaskSet.from_tasks([rg.Task(prompt="?")], name="one"), Judging(), agent)
    generator = speak(echo)
    ((rollout,),) = rg.rollout(
        env, generator, env.tasks.take(1), rg.SamplingParams(max_tokens=50), group_size=1, seed=0
    )
    assert told == [409]
    assert rollout.verdict.correct
    assert generator.seen == []


def test_a_call_that_nobody_waits_for_is_sampled_to_its_end():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        connection = open_request(base_url, key, {"messages": [user("slowly")]})
        time.sleep(0.3)
        connection.close()
        return "42"

    rollout = played(agent, generator=Slow(1.0))
    assert rollout.verdict.correct
    assert len(sampled(rollout)) == 1


def test_a_client_that_retries_gets_the_same_turn_and_it_is_learned_once():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        body = {"messages": [user("slowly"), user("42")]}
        open_request(base_url, key, body).close()
        time.sleep(0.2)
        again = post(base_url, key, body, x_stainless_retry_count="1")
        return again.json()["choices"][0]["message"]["content"]

    rollout = played(agent, generator=Slow(1.0))
    assert rollout.verdict.correct
    assert len(sampled(rollout)) == 1


def test_the_openai_package_retries_after_its_own_timeout_and_is_understood():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        with client(base_url, key, timeout=0.8, max_retries=4) as asked:
            said = asked.chat.completions.create(
                model="any",
                messages=[{"role": "user", "content": "slowly"}, {"role": "user", "content": "slowly 42"}],
            )
        return (said.choices[0].message.content or "").removeprefix("slowly ")

    rollout = played(agent, generator=Slow(2.0))
    assert rollout.verdict.correct
    assert len(sampled(rollout)) == 1


def test_a_retry_without_a_word_of_it_is_recognised_where_the_first_was_lost():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        body = {"messages": [user("slowly 42")]}
        connection = open_request(base_url, key, body)
        time.sleep(0.2)
        connection.close()
        time.sleep(0.2)
        return post(base_url, key, body).json()["choices"][0]["message"]["content"].removeprefix("slowly ")

    rollout = played(agent, generator=Slow(1.0))
    assert rollout.verdict.correct
    assert len(sampled(rollout)) == 1


def test_an_answer_that_came_too_late_for_the_agents_client_is_our_fault():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        with client(base_url, key, timeout=1.2, max_retries=0) as asked:
            try:
                asked.chat.completions.create(model="any", messages=[{"role": "user", "content": "slowly"}])
            except openai.APITimeoutError:
                return "I do not know"
        return "42"

    rollout = played(agent, generator=Slow(3.0))
    assert rollout.verdict.outcome is rg.Outcome.UNSCORED
    assert "gave up on a completion" in rollout.verdict.detail


def test_a_stream_that_the_agent_drops_is_learned_whole():
    said = "word " * 300

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        with client(base_url, key) as asked:
            stream = asked.chat.completions.create(
                model="any", messages=[{"role": "user", "content": said}], stream=True
            )
            next(iter(stream))
            stream.close()
        return "42"

    generator = speak(echo)
    rollout = played(agent, generator=generator, max_tokens=4000)
    assert rollout.verdict.correct
    (run,) = sampled(rollout)
    assert generator.prompts.text(run) == said


def test_a_retry_that_may_be_of_several_turns_leaves_the_episode_unscored():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        body = {"messages": [user("42")]}
        for _ in range(2):
            post(base_url, key, body)
        return post(base_url, key, body, x_stainless_retry_count="1").json()["choices"][0]["message"][
            "content"
        ]

    rollout = played(agent)
    assert rollout.verdict.outcome is rg.Outcome.UNSCORED
    assert "one of several" in rollout.verdict.detail


def test_an_agent_that_never_stops_asking_is_stopped():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        while True:
            ask(base_url, key, user("more"))

    rollout = played(agent, max_calls=3)
    assert rollout.verdict.outcome is rg.Outcome.MALFORMED
    assert "RateLimitError" in rollout.verdict.detail
    assert len(sampled(rollout)) == 3


def test_a_conversation_that_fills_the_context_is_refused_as_servers_refuse_it():
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        try:
            ask(base_url, key, user("word " * 500))
        except openai.BadRequestError as error:
            return str(error.code)
        return "answered"

    rollout = played(agent, generator=speak(echo, context=200))
    assert rollout.text == "context_length_exceeded"
    assert rollout.verdict.outcome is rg.Outcome.INCORRECT
    assert rollout.length == 0


def test_a_sampler_that_fails_leaves_the_episode_unscored():
    class Failing(Slow):
        def generate(self, prompts: Any, n: int, sampling: rg.SamplingParams) -> Any:
            for place, _ in enumerate(prompts):
                yield (
                    place,
                    [rg.Completion(text="", finish_reason=rg.FinishReason.ERROR, fault="the GPU is gone")],
                )

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        try:
            return ask(base_url, key, user("42"))
        except openai.InternalServerError:
            return "42"

    rollout = played(agent, generator=Failing(0.0))
    assert rollout.verdict == rg.Verdict.unscored("the GPU is gone")
    assert rollout.finish_reason is rg.FinishReason.ERROR


def test_tokens_without_log_probabilities_leave_the_episode_unscored():
    class Silent(Slow):
        def generate(self, prompts: Any, n: int, sampling: rg.SamplingParams) -> Any:
            for place, prompt in enumerate(prompts):
                yield place, [rg.Completion(text="42", token_ids=(5,), prompt_token_ids=prompt.token_ids)]

    rollout = played(lambda task, base_url, key: ask(base_url, key, user("42")), generator=Silent(0.0))
    assert rollout.verdict.outcome is rg.Outcome.UNSCORED
    assert "log-probabilities" in rollout.verdict.detail


def test_an_error_of_the_sampler_ends_the_run():
    class Broken(Slow):
        def generate(self, prompts: Any, n: int, sampling: rg.SamplingParams) -> Any:
            raise rg.TrainingError("NaN")

    with pytest.raises(rg.TrainingError, match="NaN"):
        played(lambda task, base_url, key: ask(base_url, key, user("42")), generator=Broken(0.0))


def test_leaving_in_the_middle_ends_the_server_and_the_agents():
    from rlvr_gym.play import Seat, play
    from tests.rlvr_gym.agent_play import TASK, env_of

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        return ask(base_url, key, user("42"))

    seats = [Seat(task=TASK, sample=sample) for sample in range(6)]
    playing = play(env_of(agent, at_once=2), speak(echo), seats, rg.SamplingParams(max_tokens=50), seed=0)
    assert len(next(playing)) >= 1
    playing.close()
    names = [thread.name for thread in threading.enumerate()]
    assert "rlvr-agent-server" not in names


class Stumbling(TokenPrompts):
    """Token prompts that stumble over a word, in what is asked or in what was said."""

    def encode_prompt(
        self, messages: Sequence[rg.Message], tools: Sequence[ToolSpec] = ()
    ) -> tuple[int, ...]:
        if any("stumble" in message.content for message in messages):
            raise RuntimeError("over the prompt")
        return super().encode_prompt(messages, tools)

    def text(self, ids: Sequence[int]) -> str:
        found = super().text(ids)
        if "fall" in found:
            raise RuntimeError("over the turn")
        return found


class Clumsy(Slow):
    """A generator with such."""

    def __init__(self) -> None:
        super().__init__(0.0)
        inner = self.inner
        self.prompts = Stumbling(inner.tokenizer, GenerationConfig(), None)


@pytest.mark.parametrize(("word", "over"), [("stumble", "the prompt"), ("a fall", "the turn")])
def test_where_we_stumble_over_an_episode_it_is_unscored_and_the_agent_is_told(word: str, over: str):
    statuses: list[int] = []

    def agent(task: rg.Task, base_url: str, key: str) -> str:
        statuses.append(post(base_url, key, {"messages": [user(word)], "stop": "ll"}).status_code)
        return "42"

    rollout = played(agent, generator=Clumsy())
    assert statuses == [500]
    assert rollout.verdict == rg.Verdict.unscored(f"the chat server failed: RuntimeError: over {over}")


@pytest.mark.parametrize(("asked", "reason"), [(3, "stop"), (None, "length")])
def test_an_agent_that_wanted_no_more_than_it_got_was_not_cut_off(asked: int | None, reason: str):
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        more = {} if asked is None else {"max_tokens": asked}
        answer = post(base_url, key, {"messages": [user("x" * 50)], **more}).json()
        assert answer["choices"][0]["finish_reason"] == "length"
        return "42"

    rollout = played(agent, max_tokens=10)
    assert str(rollout.finish_reason) == reason
    assert rollout.length == (asked or 10)
