"""The environments of several turns, played by a model whose chat template knows tools."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rlvr_envs.turns.python_tool import HOW_TO

import rlvr_gym as rg
from tests.rlvr_envs.code_rows import CODE_JSONL, GSM8K
from tests.rlvr_gym.tool_families import Speaker, call_text, tool_tokenizer

RIGHT = "print(sum(map(int, input().split())))"
WRONG = "a, b = map(int, input().split())\nprint(a - b)"


def play(
    env: rg.Environment, task: rg.Task, *turns: str, family: str = "Qwen 3"
) -> tuple[rg.Rollout, Speaker]:
    def script(request: rg.GenerationRequest, sample: int) -> str:
        said = sum(message.role == "assistant" for message in request.messages)
        return turns[min(said, len(turns) - 1)]

    speaker = Speaker(family, script)
    sampling = rg.SamplingParams(max_tokens=600)
    ((rollout,),) = rg.rollout(env, speaker, [task], sampling, group_size=1, seed=0)
    return rollout, speaker


def call(name: str, **arguments: Any) -> str:
    return call_text("Qwen 3", name, arguments)


def told(rollout: rg.Rollout) -> list[str]:
    return [message.content for message in rollout.messages if message.role == "tool"]


def outcomes(rollout: rg.Rollout) -> list[str]:
    return [str(record.outcome) for record in rollout.calls or ()]


def test_a_number_is_guessed_by_calls_and_given_in_the_end():
    env = rg.make("guess", max_turns=4)
    task = rg.Task(id="secret", prompt="guess", reference=42)
    turns = [call("guess", number=n) for n in (50, 30, 42)]
    rollout, speaker = play(env, task, *turns, "\\boxed{42}")
    assert told(rollout) == [
        "The number is lower than 50.",
        "The number is higher than 30.",
        "The number is 42.",
    ]
    assert rollout.verdict.correct
    (asked,) = speaker.seen[0].messages
    assert "You have 3 guesses with the tool `guess`." in asked.content
    assert "42" not in asked.content


def test_guesses_are_bounded_however_many_are_in_a_turn():
    env = rg.make("guess", max_turns=3)
    task = rg.Task(id="secret", prompt="guess", reference=42)
    rollout, _ = play(env, task, "".join(call("guess", number=n) for n in range(40, 45)), "\\boxed{41}")
    assert outcomes(rollout) == ["answered", "answered", *["refused"] * 3]
    assert rollout.verdict.outcome is rg.Outcome.INCORRECT


def test_a_turn_that_guesses_in_the_old_way_is_final_for_a_model_with_tools():
    task = rg.Task(id="secret", prompt="guess", reference=42)
    rollout, _ = play(rg.make("guess"), task, "\\boxed{50}")
    assert len(rollout.messages) == 1
    assert rollout.verdict.outcome is rg.Outcome.INCORRECT


def test_a_model_without_tools_keeps_the_protocol_of_guesses():
    task = rg.Task(id="secret", prompt="guess", reference=42)
    rollout, speaker = play(rg.make("guess"), task, "\\boxed{50}", "\\boxed{42}", family="ChatML")
    assert rollout.messages[1] == rg.Message(
        role="user", content="The number is lower than 50. Guesses left: 6."
    )
    assert rollout.calls is None
    assert speaker.seen[0].messages == task.prompt
    assert rollout.verdict.correct


@pytest.mark.usefixtures("runs_programs")
def test_a_program_is_tried_by_calls_and_hidden_tests_decide(write_rows: Any):
    env = rg.make("repair", tasks="code-jsonl", data=write_rows(CODE_JSONL), max_turns=3)
    tries = [call("run_public_tests", program=program) for program in (WRONG, RIGHT)]
    rollout, _ = play(env, env.tasks[0], *tries, f"```python\n{RIGHT}\n```")
    wrong, right = told(rollout)
    assert wrong.startswith("It does not pass this test.\n\nInput: 1 2\nExpected: 3\nGot: -1\n")
    assert right == "It passes the public tests: 1."
    assert rollout.verdict.correct
    overfitted, _ = play(
        env, env.tasks[0], call("run_public_tests", program="print(3)"), "```python\nprint(3)\n```"
    )
    assert told(overfitted) == ["It passes the public tests: 1."]
    assert overfitted.verdict.detail == "1 of 2 tests pass; test 2: failed, wrong output"


@pytest.mark.usefixtures("runs_programs")
def test_python_is_a_function_call_and_keeps_its_names(write_rows: Any):
    env = rg.make("python-tool", data=write_rows(GSM8K), max_turns=4)
    turns = [call("python", code="x = 3"), call("python", code="print(x + 4)")]
    rollout, speaker = play(env, env.tasks[0], *turns, "It is \\boxed{7}.")
    assert told(rollout) == ["The code printed nothing.", "Output:\n7"]
    assert rollout.verdict.correct
    assert HOW_TO not in speaker.seen[0].messages[-1].content
    assert speaker.seen[0].messages[-1].content.endswith("put your final answer in \\boxed{}.")
    other, _ = play(env, env.tasks[0], call("python", code="print(x)"), "\\boxed{7}")
    assert "NameError: name 'x' is not defined" in told(other)[0]


@pytest.mark.usefixtures("runs_programs")
def test_lanes_have_sessions_of_their_own(write_rows: Any):
    env = rg.make("python-tool", data=write_rows(GSM8K), max_turns=4)

    def script(request: rg.GenerationRequest, sample: int) -> str:
        said = [message.content for message in request.messages if message.role == "assistant"]
        if not said:
            return call("python", code=f"x = {sample}")
        return call("python", code="print(x)") if len(said) == 1 else "\\boxed{7}"

    sampling = rg.SamplingParams(max_tokens=600)
    (group,) = rg.rollout(env, Speaker("Qwen 3", script), [env.tasks[0]], sampling, group_size=4, seed=0)
    assert [told(rollout)[1] for rollout in group] == [f"Output:\n{sample}" for sample in range(4)]


@pytest.mark.usefixtures("runs_programs")
def test_a_block_of_python_is_no_request_of_a_model_with_tools(write_rows: Any):
    env = rg.make("python-tool", data=write_rows(GSM8K), max_turns=4)
    rollout, _ = play(env, env.tasks[0], "```python\nprint(7)\n```\n\\boxed{7}")
    assert len(rollout.messages) == 1
    assert rollout.verdict.correct


def test_where_no_code_can_be_run_the_episode_is_unscored(write_rows: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RLVR_SANDBOX", "nonsense")
    env = rg.make("python-tool", data=write_rows(GSM8K), max_turns=4)
    rollout, _ = play(env, env.tasks[0], call("python", code="print(1)"), "\\boxed{7}")
    assert rollout.verdict.outcome is rg.Outcome.UNSCORED
    assert re.match("the tool 'python' is broken: no code can be run here", rollout.verdict.detail)


UNKNOWN_FORM = (
    "{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}{% for m in messages %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content }}{% for call in m.tool_calls or [] %}"
    "{{ '<|call|>' + call.function.name }}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_a_model_whose_calls_nobody_can_read_keeps_the_protocol_of_guesses():
    task = rg.Task(id="secret", prompt="guess", reference=42)
    tokenizer = tool_tokenizer("ChatML")
    tokenizer.chat_template = UNKNOWN_FORM
    speaker = Speaker("ChatML", lambda request, sample: "\\boxed{42}", tokenizer=tokenizer)
    sampling = rg.SamplingParams(max_tokens=100)
    ((rollout,),) = rg.rollout(rg.make("guess"), speaker, [task], sampling, group_size=1, seed=0)
    assert rollout.verdict.correct
    assert speaker.seen[0].messages == task.prompt


def test_an_environment_that_needs_calls_refuses_such_a_model():
    tokenizer = tool_tokenizer("ChatML")
    tokenizer.chat_template = UNKNOWN_FORM
    speaker = Speaker("ChatML", lambda request, sample: "7", tokenizer=tokenizer)
    task = rg.Task(id="t", prompt="Go.", reference="7")
    tasks = rg.TaskSet.from_tasks([task], name="n")
    env = rg.Environment(tasks, rg.FunctionVerifier(lambda *_: True), tools=[rg.tool(look)])
    with pytest.raises(rg.ConfigError, match="in a form that is not known here"):
        rg.rollout(env, speaker, [task], rg.SamplingParams(max_tokens=10), group_size=1, seed=0)
    assert speaker.seen == []


def look() -> str:
    """Look around."""
    return "a room"
