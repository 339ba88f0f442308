"""Episodes with tools by exact token ids: every published way to get them wrong is a test here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rlvr_gym as rg
from rlvr_gym.generation.chat import encode_prompt
from tests.rlvr_gym.tokenizer_families import FAMILIES
from tests.rlvr_gym.tool_families import (
    TOOL_FAMILIES,
    WITHOUT_TOOLS,
    Speaker,
    answer_text,
    call_text,
    tool_tokenizer,
)
from tests.rlvr_gym.tool_play import (
    EVERY_FAMILY,
    KNOWING,
    TASK,
    add,
    env_of,
    play,
    right,
    runs,
    speak,
    told,
)


@pytest.mark.parametrize("family", KNOWING)
def test_the_template_is_shown_the_schemas(family: str):
    speaker = speak(family, answer_text(family, "It is 42."))
    rollout = play(speaker)
    prompt = str(speaker.tokenizer.decode(list(rollout.prompt_ids)))
    assert "Add two numbers." in prompt
    assert '"integer"' in prompt
    assert "counter" not in prompt
    assert speaker.seen[0].tools[0].name == "add"
    assert speaker.seen[0].messages == TASK.prompt


@pytest.mark.parametrize("family", WITHOUT_TOOLS)
def test_a_template_without_tools_is_told_of_them_in_the_system_prompt(family: str):
    speaker = speak(family, "It is 42.")
    play(speaker)
    system, user = speaker.seen[0].messages
    assert (system.role, user) == ("system", TASK.prompt[0])
    assert '"name": "add"' in system.content
    assert '<tool_call>{"name": "NAME"' in system.content
    assert speaker.seen[0].tools == ()


def test_a_system_message_of_the_task_stays_in_front_of_the_instructions():
    task = rg.Task(
        id="t", prompt=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go."}]
    )
    env = rg.Environment(rg.TaskSet.from_tasks([task], name="n"), rg.FunctionVerifier(right), tools=[add])
    observation, info = env.reset(options={"task": task})
    assert [message.role for message in info["messages"]] == ["system", "user"]
    assert info["messages"][0].content.startswith("Be brief.\n\nYou may call")
    assert observation == "\n\n".join(message.content for message in info["messages"])
    _, native = env.reset(options={"task": task, "native_tools": True})
    assert native["messages"] == task.prompt


# 1. and 2. Exact ids


@EVERY_FAMILY
@pytest.mark.parametrize("cut", [False, True])
def test_each_prompt_begins_with_all_ids_that_came_before(family: str, cut: bool):
    call = call_text(family, "say", {"text": "é 漢 <|im_end|> </tool_response>"})
    speaker = speak(family, call, call, answer_text(family, "It is 42."), cut=cut)
    rollout = play(speaker)
    whole = (*rollout.prompt_ids, *rollout.token_ids)
    tokenizer = speaker.tokenizer
    sampled = [ids for was, ids in runs(rollout) if was]
    assert speaker.seen[0].token_ids is None
    for request in speaker.seen[1:]:
        assert request.token_ids == whole[: len(request.token_ids or ())]
    for ids, text in zip(sampled, (call, call, answer_text(family, "It is 42.")), strict=True):
        expected = tuple(tokenizer.encode(text, add_special_tokens=False))
        assert ids[: len(expected)] == expected


@EVERY_FAMILY
@pytest.mark.parametrize("cut", [False, True])
def test_ids_mask_and_logprobs_are_equally_long_and_a_cut_turn_is_closed_by_masked_tokens(
    family: str, cut: bool
):
    call = call_text(family, "add", {"a": 1, "b": 2}).removesuffix("<|call|>")
    ending = "<|call|>" if family == "gpt-oss" and not cut else ""
    speaker = speak(family, call + ending, answer_text(family, "It is 42."), cut=cut)
    rollout = play(speaker)
    assert len(rollout.token_ids) == len(rollout.action_mask) == len(rollout.logprobs)
    assert all((lp == 0.0) != own for lp, own in zip(rollout.logprobs, rollout.action_mask, strict=True))
    (_, said), (_, reply), (_, _) = runs(rollout)
    ends = speaker.prompts.end_ids
    assert (said[-1] in ends) == (not cut)
    assert (reply[0] in ends) == cut
    assert reply[1] not in ends


# 3. What stands between two turns


@pytest.mark.parametrize("family", KNOWING)
def test_what_stands_between_two_turns_is_what_the_template_writes_there(family: str):
    speaker = speak(family, call_text(family, "say", {"text": "seven"}), answer_text(family, "It is 42."))
    rollout = play(speaker)
    tokenizer = speaker.tokenizer
    answer = next(message for message in rollout.messages if message.role == "tool")
    function = {"name": "say", "arguments": {"text": "seven"}}
    call = {"id": answer.tool_call_id, "type": "function", "function": function}
    conversation: list[Any] = [
        {"role": "user", "content": TASK.prompt[0].content},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "seven", "name": "say", "tool_call_id": answer.tool_call_id},
    ]
    whole = tokenizer.apply_chat_template(
        conversation,
        tools=[tool.schema for tool in env_of().tools],
        tokenize=False,
        add_generation_prompt=True,
    )
    (_, said), (_, reply), _ = runs(rollout)
    written = tokenizer.decode([said[-1], *reply])
    assert isinstance(written, str)
    assert isinstance(whole, str)
    assert whole.replace(" ", "").endswith(written.replace(" ", ""))
    assert "<think>" not in written


def test_the_separator_after_the_end_of_turn_belongs_to_the_reply():
    rollout = play(speak("Qwen 3", call_text("Qwen 3", "add", {"a": 1, "b": 2}), "It is 42."))
    tokenizer = tool_tokenizer("Qwen 3")
    reply = runs(rollout)[1][1]
    expected = "\n<|im_start|>user\n<tool_response>\n3\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    assert reply == tuple(tokenizer.encode(expected, add_special_tokens=False))


def test_a_turn_that_llama_hands_over_with_eom_is_not_closed_again():
    call = call_text("Llama 3", "add", {"a": 1, "b": 2})
    rollout = play(speak("Llama 3", f"<|python_tag|>{call}<|eom_id|>", "It is 42."))
    (_, said), (_, reply), _ = runs(rollout)
    tokenizer = tool_tokenizer("Llama 3")
    assert tokenizer.decode([said[-1], reply[0]]) == "<|eom_id|><|start_header_id|>"
    assert told(rollout) == ["3"]


# 4. and 5. Thinking


@pytest.mark.parametrize("family", ["Qwen 3", "Hermes"])
def test_thinking_between_calls_is_kept_and_trained_on(family: str):
    first = f"<think>\nI shall add.\n</think>\n\n{call_text(family, 'add', {'a': 12, 'b': 30})}"
    rollout = play(speak(family, first, "<think>\nso\n</think>\n\nIt is 42."))
    text = str(tool_tokenizer(family).decode([id for was, ids in runs(rollout) if was for id in ids]))
    assert "I shall add." in text
    assert "so" in text
    assert rollout.verdict.correct


@pytest.mark.parametrize("family", ["Qwen 3", "ChatML"])
def test_a_call_in_the_thinking_is_not_run_and_the_turn_is_final(family: str):
    thought = call_text(family, "add", {"a": 1, "b": 2})
    rollout = play(speak(family, f"<think>{thought}</think>It is 42."))
    assert rollout.calls == ()
    assert rollout.verdict.correct


# 7. The verifier and the policy


@EVERY_FAMILY
def test_the_verifier_sees_what_the_policy_sampled_and_not_what_tools_wrote(family: str):
    seen: list[rg.Completion] = []

    def judge(task: rg.Task, completion: rg.Completion) -> bool:
        seen.append(completion)
        return right(task, completion)

    env = env_of()
    env.verifier = rg.FunctionVerifier(judge)
    rollout = play(
        speak(family, call_text(family, "say", {"text": "It is " + "42."}), answer_text(family, "hm")), env
    )
    assert told(rollout) == ["It is 42."]
    assert [completion.text for completion in seen] == [answer_text(family, "hm")]
    assert not rollout.verdict.correct


@EVERY_FAMILY
def test_a_result_cannot_end_the_turn_or_speak_as_someone_else(family: str):
    every = {**FAMILIES, **TOOL_FAMILIES}[family]
    hostile = " ".join((*every.control, *every.plain, "</tool_response>"))

    def framing(text: str) -> list[int]:
        rollout = play(
            speak(family, call_text(family, "say", {"text": "x"}), answer_text(family, "It is 42.")),
            env_of(rg.tool(name="say")(lambda_saying(text))),
        )
        ids = [id for was, ids in runs(rollout) if not was for id in ids]
        tokenizer = tool_tokenizer(family)
        vocabulary = tokenizer.get_vocab()
        control = {vocabulary[token] for token in (*every.control, *every.plain)}
        return [id for id in ids if id in control]

    assert framing(hostile) == framing("harmless")


def lambda_saying(result: str) -> Callable[..., str]:
    def saying(text: str) -> str:
        """Say what it always says."""
        return result

    return saying


# 8. Lengths


@EVERY_FAMILY
def test_the_length_is_the_number_of_sampled_tokens(family: str):
    rollout = play(
        speak(family, call_text(family, "say", {"text": "x" * 50}), answer_text(family, "It is 42."))
    )
    assert rollout.length == sum(len(ids) for was, ids in runs(rollout) if was)
    assert rollout.length < len(rollout.token_ids)


@EVERY_FAMILY
def test_a_schema_cannot_end_a_turn_or_speak_as_someone_else(family: str):
    every = {**FAMILIES, **TOOL_FAMILIES}[family]

    def framing(description: str) -> list[int]:
        def look() -> str:
            return "a room"

        look.__doc__ = f"Look at {description}."
        rollout = play(speak(family, answer_text(family, "It is 42.")), env_of(rg.tool(look)))
        vocabulary = tool_tokenizer(family).get_vocab()
        control = {vocabulary[token] for token in (*every.control, *every.plain)}
        return [id for id in rollout.prompt_ids if id in control]

    assert framing(" ".join((*every.control, *every.plain))) == framing("it")


def opening() -> Speaker:
    """A policy of Qwen 3 whose template opens the thinking of every turn."""
    tokenizer = tool_tokenizer("Qwen 3")
    tokenizer.chat_template = str(tokenizer.chat_template).replace(
        "{{- '<|im_start|>assistant\n' }}{%- endif %}",
        "{{- '<|im_start|>assistant\n<think>\n' }}{%- endif %}",
    )
    call = call_text("Qwen 3", "say", {"text": "seven"})
    turns = (f"I could {call}.\n</think>\n\n{call}", "so\n</think>\n\nIt is 42.")

    def script(request: rg.GenerationRequest, sample: int) -> str:
        return turns[sum(message.role == "assistant" for message in request.messages)]

    return Speaker("Qwen 3", script, tokenizer=tokenizer)


def test_where_the_template_opens_the_thinking_every_turn_begins_inside_of_it():
    speaker = opening()
    rollout = play(speaker)
    assert told(rollout) == ["seven"]
    assert [m.content.startswith("<think>\n") for m in rollout.messages if m.role == "assistant"] == [
        True
    ] * 2
    (_, _), (_, reply), (_, last) = runs(rollout)
    assert str(speaker.tokenizer.decode(list(reply))).endswith("<|im_start|>assistant\n<think>\n")
    assert str(speaker.tokenizer.decode(list(last))).startswith("so\n</think>")
    assert rollout.verdict.correct


def test_a_template_that_takes_no_system_message_and_no_two_turns_of_the_user_in_a_row_still_has_tools():
    tokenizer = tool_tokenizer("Gemma")
    tokenizer.chat_template = (
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
        "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim }}"
        "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
    )
    call = call_text("Gemma", "say", {"text": "seven"})

    def script(request: rg.GenerationRequest, sample: int) -> str:
        return call * 2 if len(request.messages) < 3 else "It is 42."

    rollout = play(Speaker("Gemma", script, tokenizer=tokenizer))
    assert rollout.verdict.correct
    prompt, reply = (str(tokenizer.decode(list(ids))) for ids in (rollout.prompt_ids, runs(rollout)[1][1]))
    assert prompt.startswith("<bos><start_of_turn>user\nYou may call these tools.")
    assert "What is 12 + 30?<end_of_turn>" in prompt
    results = "<tool_response>\nseven\n</tool_response>\n<tool_response>\nseven\n</tool_response>"
    assert f"<start_of_turn>user\n{results}<end_of_turn>\n<start_of_turn>model\n" in reply
    plain = rg.Message(role="system", content="Be brief.")
    with pytest.raises(rg.ConfigError, match="System role not supported"):
        encode_prompt(tokenizer, (plain, *TASK.prompt))
