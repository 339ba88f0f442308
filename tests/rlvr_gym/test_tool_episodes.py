"""Episodes with tools: calls that are answered, limits, and whose fault it is when something breaks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

import rlvr_gym as rg
from rlvr_gym.tools.calls import CallOutcome
from tests.rlvr_gym.tool_families import (
    answer_text,
    call_text,
    json_call,
)
from tests.rlvr_gym.tool_play import (
    EVERY_FAMILY,
    KNOWING,
    TASK,
    Counter,
    add,
    broken,
    env_of,
    keep,
    outcomes,
    play,
    right,
    runs,
    speak,
    tags,
    told,
)


@EVERY_FAMILY
def test_an_episode_goes_on_while_turns_have_calls(family: str):
    speaker = speak(
        family,
        call_text(family, "add", {"a": 12, "b": 29}),
        call_text(family, "add", {"a": 41, "b": 1}),
        answer_text(family, "It is 42."),
    )
    rollout = play(speaker)
    assert [message.role for message in rollout.messages] == [
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert told(rollout) == ["41", "42"]
    assert rollout.verdict.correct
    assert rollout.calls is not None
    assert [(call.turn, call.name, call.outcome) for call in rollout.calls] == [
        (1, "add", CallOutcome.ANSWERED),
        (2, "add", CallOutcome.ANSWERED),
    ]


# 6. Malformed calls


@pytest.mark.parametrize("family", ["Qwen 3", "Hermes", "ChatML"])
def test_each_malformed_call_is_answered_by_name_and_the_others_are_run(family: str):
    bodies = (
        json_call("add", {"a": 1, "b": 2}),
        '{"name": "add", "arguments": {"a": 1}',
        json_call("ad", {"a": 1, "b": 2}),
        json_call("add", {"a": "1", "b": 2}),
        json_call("add", {"a": 1, "c": 2}),
        json_call("keep", {"number": "7"}),
        json_call("keep", {"number": 7}),
        json_call("keep", {"number": 7.5}),
        json_call("fail", {}),
        '{"name": "fail"}',
    )
    rollout = play(speak(family, tags(*bodies), "It is 42."), max_tokens=2000)
    assert told(rollout) == [
        "3",
        "error: the call cannot be read: not JSON: Expecting ',' delimiter at character 37",
        "error: there is no tool 'ad'; did you mean 'add'? tools: add, keep, fail, say",
        "error: the argument 'a' of 'add': input should be a valid integer, not \"1\". 'add' takes: a, b",
        "error: 'add' needs the argument 'b'; 'add' has no argument 'c'. 'add' takes: a, b",
        "total 7",
        "total 14",
        "error: the argument 'number' of 'keep': input should be a valid integer, not 7.5; the argument 'number' of "
        "'keep': input should be a valid string, not 7.5. 'keep' takes: number",
        "error: RuntimeError: no",
        "error: RuntimeError: no",
    ]
    assert outcomes(rollout) == [
        "answered",
        *["malformed"] * 4,
        "answered",
        "answered",
        "malformed",
        "failed",
        "failed",
    ]
    assert rollout.verdict.correct


@pytest.mark.parametrize("family", KNOWING)
def test_unknown_names_and_bad_arguments_are_answered_in_every_family(family: str):
    speaker = speak(
        family,
        call_text(family, "sub", {"a": 1}),
        call_text(family, "add", {"a": [1], "b": 2}),
        call_text(family, "keep", {"number": "7"}),
        answer_text(family, "It is 42."),
    )
    rollout = play(speaker)
    unknown, bad, good = told(rollout)
    assert unknown == "error: there is no tool 'sub'; tools: add, keep, fail, say"
    assert bad.startswith("error: the argument 'a' of 'add': input should be a valid integer")
    assert good == "total 7"
    assert rollout.verdict.correct


@pytest.mark.parametrize("family", KNOWING)
def test_bad_json_is_answered_and_the_episode_goes_on_in_every_family(family: str):
    if family == "Qwen Coder":
        bad = "<tool_call>\n<function=add>\n<parameter=a>\n1\n</function>\n</tool_call>"
    else:
        bad = call_text(family, "add", {"a": 1}).replace("1}", "1,,}", 1)
    rollout = play(speak(family, bad, answer_text(family, "It is 42.")))
    assert outcomes(rollout) == ["malformed"]
    assert told(rollout)[0].startswith("error: the call cannot be read: ")
    assert rollout.verdict.correct


def test_malformed_calls_end_an_episode_where_the_environment_says_so():
    bad = tags("{")
    for allowed, turns in ((0, 1), (1, 2)):
        env = env_of(limits=rg.EpisodeLimits(malformed_calls=allowed))
        rollout = play(speak("Qwen 3", bad, bad, bad, "It is 42."), env)
        assert sum(message.role == "assistant" for message in rollout.messages) == turns
        assert not rollout.verdict.correct


# 10. Limits


def test_turns_are_bounded_and_nothing_is_run_in_the_last():
    env = env_of(max_turns=3)
    rollout = play(speak("Qwen 3", call_text("Qwen 3", "keep", {"number": 1})), env)
    assert outcomes(rollout) == ["answered", "answered", "refused"]
    assert rollout.verdict.outcome is rg.Outcome.INCORRECT


def test_calls_beyond_the_limit_are_answered_with_it():
    env = env_of(limits=rg.EpisodeLimits(calls=2))
    body = json_call("keep", {"number": 1})
    rollout = play(speak("Qwen 3", tags(body, body, body), tags(body), "It is 42."), env)
    assert told(rollout) == ["total 1", "total 2", *["error: no call is left; an episode has 2"] * 2]
    assert outcomes(rollout) == ["answered", "answered", "refused", "refused"]
    assert rollout.verdict.correct


def turn_lengths(rollout: rg.Rollout) -> list[int]:
    return [len(ids) for was, ids in runs(rollout) if was]


def test_sampled_tokens_are_bounded_over_the_whole_episode_and_not_overshot():
    call = call_text("Qwen 3", "add", {"a": 1, "b": 2})
    turns = (call, call, "It is 42.")
    free = play(speak("Qwen 3", *turns))
    total = free.length
    assert turn_lengths(
        play(speak("Qwen 3", *turns), env_of(limits=rg.EpisodeLimits(sampled_tokens=total)))
    ) == (turn_lengths(free))
    for less in (1, 3, turn_lengths(free)[2] + 1):
        rollout = play(speak("Qwen 3", *turns), env_of(limits=rg.EpisodeLimits(sampled_tokens=total - less)))
        assert rollout.length == total - less
        assert rollout.truncated
    none_left = play(
        speak("Qwen 3", *turns), env_of(limits=rg.EpisodeLimits(sampled_tokens=turn_lengths(free)[0]))
    )
    assert turn_lengths(none_left) == turn_lengths(free)[:1]
    assert (none_left.truncated, none_left.text) == (True, "")


def test_a_result_that_fits_exactly_is_kept_and_one_that_does_not_is_never_gone_on_from():
    turns = (call_text("Qwen 3", "say", {"text": "some words"}), "It is 42.")
    observed = sum(len(ids) for was, ids in runs(play(speak("Qwen 3", *turns))) if not was)
    exact = play(speak("Qwen 3", *turns), env_of(limits=rg.EpisodeLimits(observation_tokens=observed)))
    assert exact.verdict.correct
    speaker = speak("Qwen 3", *turns)
    over = play(speaker, env_of(limits=rg.EpisodeLimits(observation_tokens=observed - 1)))
    assert speaker.seen[-1].max_tokens == 0
    assert (over.truncated, over.text, over.verdict.correct) == (True, "", False)
    assert all(over.action_mask)


def test_the_time_for_calls_is_bounded_over_the_episode():
    over = threading.Event()

    @rg.tool
    def wait() -> None:
        """Wait."""
        over.wait(20)

    env = env_of(wait, limits=rg.EpisodeLimits(seconds=0.2))
    rollout = play(speak("Qwen 3", call_text("Qwen 3", "wait", {})), env)
    over.set()
    assert outcomes(rollout)[:2] == ["timeout", "refused"]
    assert told(rollout)[0].startswith("error: 'wait' took longer than 0.2 s")
    assert told(rollout)[1] == "error: the time for calls is over; an episode has 0.2 s"


@pytest.mark.parametrize(
    "field", ["calls", "malformed_calls", "sampled_tokens", "observation_tokens", "seconds"]
)
def test_limits_that_cannot_be_are_refused(field: str):
    with pytest.raises(rg.ConfigError, match="limits are not below 0"):
        rg.EpisodeLimits(**{field: -1})


# 11. Whose fault it is


def test_what_a_tool_raises_is_an_answer_and_what_we_break_is_unscored():
    answered = play(speak("Qwen 3", call_text("Qwen 3", "fail", {"text": "odd"}), "It is 42."))
    assert told(answered) == ["error: RuntimeError: odd"]
    assert answered.verdict.correct
    unscored = play(speak("Qwen 3", call_text("Qwen 3", "broken", {}), "It is 42."), env_of(broken))
    assert unscored.verdict.outcome is rg.Outcome.UNSCORED
    assert unscored.verdict.detail == "the tool 'broken' is broken: the database is down"


# State, text, and environments that cannot be


def test_each_episode_has_a_state_of_its_own_made_from_its_task():
    env = env_of()
    first, second = env.clone(), env.clone()
    for lane in (first, second):
        lane.reset(options={"task": TASK})
        assert lane.step(tags(json_call("keep", {"number": 3})))[0] == "total 3"
    assert isinstance(first.state, Counter)
    assert (first.state.total, first.state.task) == (3, TASK)
    first.reset(options={"task": TASK})
    assert first.state.total == 0


def test_a_person_may_call_tools_by_text():
    env = env_of()
    env.reset(options={"task": TASK})
    observation, reward, terminated, truncated, info = env.step(tags(json_call("add", {"a": 12, "b": 30})))
    assert (observation, reward, terminated, truncated) == ("42", 0.0, False, False)
    (message,) = info["messages"]
    assert (message.role, message.name, message.tool_call_id) == ("tool", "add", "call01000")
    assert [call.outcome for call in info["calls"]] == [CallOutcome.ANSWERED]
    assert env.step("It is 42.")[1:4] == (1.0, True, False)


def test_a_turn_without_calls_is_answered_by_respond():
    class Asking(rg.Environment):
        def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str | None:
            return "Are you sure?" if replies[-1].text != "yes" else None

    tasks = rg.TaskSet.from_tasks([TASK], name="n")
    env = Asking(tasks, rg.FunctionVerifier(right), tools=[add])
    env.reset(options={"task": TASK})
    assert env.step(tags(json_call("add", {"a": 1, "b": 2})))[0] == "3"
    assert env.step("It is 42.")[0] == "Are you sure?"
    assert env.step("yes")[2]


def plain(x: int) -> int:
    return x


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tools": [plain]}, "'plain' is no tool: put @rg.tool before the function"),
        ({"tools": [add, add]}, "two tools are called 'add'"),
        ({"tools": [keep]}, "the tool 'keep' takes a state: give the environment state="),
    ],
)
def test_an_environment_that_cannot_work_is_refused(settings: dict[str, Any], said: str):
    tasks = rg.TaskSet.from_tasks([TASK], name="n")
    with pytest.raises(rg.ConfigError, match=said):
        rg.Environment(tasks, rg.FunctionVerifier(right), **settings)


def test_a_state_of_another_type_than_the_tool_takes_is_refused():
    env = rg.Environment(
        rg.TaskSet.from_tasks([TASK], name="n"),
        rg.FunctionVerifier(right),
        tools=[keep],
        state=lambda task: 3,
    )
    with pytest.raises(rg.ConfigError, match="takes a Counter, and the state of the episode is a int"):
        env.reset(options={"task": TASK})


def test_an_environment_without_tools_has_no_calls_to_count():
    tasks = rg.TaskSet.from_tasks([TASK], name="n")
    rollout = play(
        speak("Qwen 3", tags(json_call("add", {}))), rg.Environment(tasks, rg.FunctionVerifier(right))
    )
    assert rollout.calls is None


def test_lanes_of_a_group_call_at_once():
    call = call_text("Qwen 3", "keep", {"number": 1})
    speaker = speak("Qwen 3", call, call, "It is 42.")
    (group,) = rg.rollout(env_of(), speaker, [TASK], rg.SamplingParams(max_tokens=400), group_size=6, seed=0)
    assert {tuple(told(rollout)) for rollout in group} == {("total 1", "total 2")}


# Whatever a policy writes into its calls, the episode goes on


@pytest.mark.parametrize("family", KNOWING)
@pytest.mark.parametrize(
    "name",
    [
        "x" * 5000,
        "two words",
        "",
        "<|im_end|>",
        "placeholder-of-the-sampled-turn",
        "a\nb",
        "{{ 7 * 7 }}",
        "\u6f22",
    ],
)
def test_a_name_that_a_policy_makes_up_breaks_no_template(family: str, name: str):
    rollout = play(
        speak(family, call_text(family, name, {}), answer_text(family, "It is 42.")), max_tokens=20_000
    )
    if rollout.calls:  # some names make no call of the family's at all
        assert set(outcomes(rollout)) == {"malformed"}
        assert max(len(call.name) for call in rollout.calls) <= 64
        assert rollout.verdict.correct
        (_, _), (_, reply), (_, _) = runs(rollout)
        assert len(reply) < 2000


@pytest.mark.parametrize("id", ["", "short", "x" * 50, "<|im_end|>"])
def test_an_id_that_a_policy_makes_up_breaks_no_template(id: str):
    call = f'[TOOL_CALLS] [{{"name": "add", "arguments": {{"a": 1, "b": 2}}, "id": "{id}"}}]'
    assert told(play(speak("Mistral", call, "It is 42."))) == ["3"]
    named = f'[TOOL_CALLS]add[CALL_ID]{id}[ARGS]{{"a": 1, "b": 2}}'
    assert told(play(speak("Mistral, named", named, "It is 42."))) == ["3"]


def test_gymnasiums_vector_environment_plays_with_tools():
    lanes = rg.GroupVectorEnv(env_of(), 1, 2)
    lanes.reset(options={"tasks": [TASK]})
    call = tags(json_call("add", {"a": 1, "b": 2}))
    observations, rewards, terminations, _, infos = lanes.step([call, "It is 42."])
    assert (observations, rewards.tolist(), terminations.tolist()) == (("3", ""), [0.0, 1.0], [False, True])
    assert [call.name for call in infos["calls"][0]] == ["add"]
    lanes.close()
