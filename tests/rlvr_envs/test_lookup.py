"""The lookup environment: what a turn is told, what its tasks give away, and its controls."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import Any

import pytest
from rlvr_envs.search.lookup import permuted

import rlvr_gym as rg
from tests.rlvr_gym.tool_families import Speaker, call_text

TASK = rg.Task(
    id="k17-secret",
    prompt="k17>",
    reference="=x9",
    metadata={"asked": "k17", "notes": {"k17": "k42", "k42": "x9", "k50": "x3"}},
)


def begun(task: rg.Task = TASK, **options: Any) -> rg.Environment:
    env = rg.make("lookup", style="symbols", hops=2, **options)
    env.reset(options={"task": task})
    return env


def test_notes_are_followed_one_after_the_other():
    env = begun()
    assert env.step("?k17")[0] == "k17:k42>"
    assert env.step("?k42")[0] == "k42:x9>"
    _, reward, terminated, _, info = env.step("=x9")
    assert (reward, terminated, info["turn"]) == (1.0, True, 3)


def test_a_note_that_there_is_not_is_told_as_a_question_mark():
    assert begun().step("?k99")[0] == "k99:?>"


@pytest.mark.parametrize(
    "text", ["k17", "?17", "?k1", "?k170", "?k17 ?k42", "?x9", "<think>?k17</think>", "?k１７"]
)
def test_any_other_turn_is_final(text: str):
    _, reward, terminated, _, _ = begun().step(text)
    assert (reward, terminated) == (0.0, True)


def test_looking_up_after_thinking_is_looking_up():
    assert begun().step("<think>k17 first</think>?k17\n")[0] == "k17:k42>"


@pytest.mark.parametrize(
    "text", ["x9", "=x9 =x8", "=x9, =x8", "= x9", "=9", "=k42", "=x8", "The value is =x9", "=X9"]
)
def test_what_is_not_exactly_the_value_earns_nothing(text: str):
    env = begun()
    env.step("?k17")
    assert env.step(text)[1] == 0.0


def test_a_last_turn_that_looks_up_is_judged_as_it_stands():
    env = begun(max_turns=3)
    env.step("?k17")
    env.step("?k42")
    _, reward, terminated, truncated, _ = env.step("?k17")
    assert (reward, terminated, truncated) == (0.0, False, True)


def test_blank_notes_say_nothing_and_permuted_ones_the_successor():
    blank = begun(results="blank")
    assert blank.step("?k17")[0] == "k17:?>"
    assert blank.step("=x9")[1] == 1.0
    changed = begun(results="permuted")
    assert changed.step("?k17")[0] == "k17:k42>"
    assert changed.step("?k42")[0] == "k42:x0>"
    assert changed.step("?k50")[0] == "k50:x4>"
    assert changed.step("=x0")[1] == 0.0
    assert sorted(permuted(f"x{value}", 10) for value in range(10)) == [f"x{value}" for value in range(10)]


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_following_the_notes_finds_the_answer_of_every_task(hops: int):
    env = rg.make("lookup", style="symbols", hops=hops)
    for task in itertools.islice(env.tasks, 100):
        env.reset(options={"task": task})
        key = str(task.metadata["asked"])
        for _ in range(hops):
            said = env.step(f"?{key}")[0]
            key = said.removeprefix(f"{key}:").removesuffix(">")
        assert env.step(f"={key}")[1] == 1.0


def test_without_notes_the_answer_is_one_in_ten_whatever_is_asked():
    tasks = list(itertools.islice(rg.make("lookup", style="symbols").tasks, 2000))
    values = Counter(str(task.reference) for task in tasks)
    assert len(values) == 10
    assert max(values.values()) < 0.13 * len(tasks)
    by_digit = Counter((task.text[1], task.reference) for task in tasks)
    assert max(by_digit.values()) < 0.3 * len(tasks) / 9


def test_neither_prompt_nor_id_tells_the_value():
    for style in ("symbols", "words"):
        for task in itertools.islice(rg.make("lookup", style=style, hops=2).tasks, 50):
            notes = task.metadata["notes"]
            assert isinstance(notes, dict)
            assert len(notes) == 32
            assert str(task.reference) not in task.text.replace("as =x4", "")
            assert re.fullmatch(r"k\d\d-[0-9a-f]{16}", task.id)


def test_a_model_with_tools_looks_up_by_calls():
    turns = [call_text("Qwen 3", "look_up", {"key": key}) for key in ("k17", "k42")] + ["=x9"]

    def script(request: rg.GenerationRequest, sample: int) -> str:
        return turns[sum(message.role == "assistant" for message in request.messages)]

    speaker = Speaker("Qwen 3", script)
    env = rg.make("lookup", hops=2)
    ((rollout,),) = rg.rollout(env, speaker, [TASK], rg.SamplingParams(max_tokens=200), group_size=1, seed=0)
    assert [message.content for message in rollout.messages if message.role == "tool"] == [
        "k17:k42",
        "k42:x9",
    ]
    assert rollout.verdict.correct
    assert "with the tool `look_up`" in speaker.seen[0].messages[0].content


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"hops": 0}, "hops must be from 1 to 8"),
        ({"hops": 4, "notes": 3}, "notes must be from 4 to 90"),
        ({"values": 11}, "values must be from 2 to 10"),
        ({"hops": 4}, "max_turns must be from 5 to 20, not 4"),
        ({"results": "hidden"}, "results must be one of told, blank, permuted, not 'hidden'"),
        ({"style": "prose"}, "style must be 'words' or 'symbols'"),
    ],
)
def test_options_that_cannot_work_say_what_would(options: dict[str, Any], fault: str):
    with pytest.raises(rg.ConfigError, match=fault):
        rg.make("lookup", **options)
