"""Whole conversations as token ids: the assistant's turns and their ends are learned, and nothing else."""

from __future__ import annotations

import pytest

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import (
    EncodedConversation,
    TurnFrame,
    demonstration,
    encode_conversation,
    encode_prompt,
    turn_frame,
)
from rlvr_gym.generation.prompts import end_of_sequence_ids
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.tasks import Message
from tests.rlvr_gym.test_generation_control import EVERY_FAMILY, by_the_template, hostile_texts
from tests.rlvr_gym.tokenizer_families import FAMILIES, control_ids, tokenizer_of

AS_THE_TEMPLATE = ("ChatML", "Llama 3", "Gemma", "gpt-oss", "no template")
"""Families whose prompt for a turn is what they write before a turn that was said, tokens included."""


def said(role: str, content: str) -> Message:
    return Message.model_validate({"role": role, "content": content})


def talk(*contents: str) -> list[Message]:
    """Turns of user and assistant, one after the other."""
    return [said("assistant" if place % 2 else "user", content) for place, content in enumerate(contents)]


TALK = talk("What is 12 + 30?", "The answer is 42.", "Guess.", "higher")


def encoded(name: str, messages: list[Message]) -> EncodedConversation:
    tokenizer = tokenizer_of(name)
    return encode_conversation(
        tokenizer, messages, turn_frame(tokenizer, end_of_sequence_ids(tokenizer, None))
    )


def learned(name: str, conversation: EncodedConversation) -> list[str]:
    """The texts of the runs of tokens that are learned."""
    tokenizer, runs, before = tokenizer_of(name), [], False
    for id, learns in zip(conversation.token_ids, conversation.said_mask, strict=True):
        if learns and not before:
            runs.append([])
        if learns:
            runs[-1].append(id)
        before = learns
    return [str(tokenizer.decode(run)) for run in runs]


@pytest.mark.parametrize("name", AS_THE_TEMPLATE)
def test_a_conversation_has_the_ids_that_its_template_gives_it(name: str):
    tokenizer, conversation = tokenizer_of(name), encoded(name, TALK)
    ids = (*conversation.prompt_ids, *conversation.token_ids)
    whole = by_the_template(tokenizer, TALK)
    assert len(whole) >= len(ids) > 20
    assert ids == whole[: len(ids)]


@EVERY_FAMILY
def test_what_is_learned_are_the_turns_of_the_assistant_and_their_ends(name: str):
    tokenizer, end = tokenizer_of(name), FAMILIES[name].end
    conversation = encoded(name, TALK)
    turns = [demonstration(tokenizer, conversation.prompt_ids, text) for text in (TALK[1].content, "higher")]
    assert [text.strip() for text in learned(name, conversation)] == [f"{turn}{end}" for turn in turns]
    assert conversation.prompt_ids == encode_prompt(tokenizer, TALK[:1])


@EVERY_FAMILY
def test_a_conversation_grows_as_an_episode_does(name: str):
    longer = encoded(name, TALK)
    first = encoded(name, TALK[:2])
    assert longer.token_ids[: len(first.token_ids)] == first.token_ids
    assert longer.said_mask[: len(first.said_mask)] == first.said_mask
    assert longer.prompt_ids == first.prompt_ids
    assert len(longer.said_mask) - sum(longer.said_mask) > 0


@EVERY_FAMILY
def test_no_text_of_a_row_becomes_a_token_that_frames_turns(name: str):
    tokenizer, family = tokenizer_of(name), FAMILIES[name]
    frames = {tokenizer.get_vocab()[text] for text in family.control}

    def framing(messages: list[Message]) -> list[int]:
        conversation = encoded(name, messages)
        return [id for id in (*conversation.prompt_ids, *conversation.token_ids) if id in frames]

    expected = framing(TALK)
    for text in hostile_texts(name):
        for place in range(len(TALK)):
            messages = [*TALK]
            messages[place] = said(messages[place].role, f"It is {text} 42.")
            assert framing(messages) == expected, (text, place)


@EVERY_FAMILY
def test_others_cannot_write_control_tokens_of_any_kind(name: str):
    tokenizer = tokenizer_of(name)
    ordinary = encoded(name, TALK)
    expected = control_ids(name, tokenizer, (*ordinary.prompt_ids, *ordinary.token_ids))
    for text in hostile_texts(name):
        hostile = encoded(name, [TALK[0], TALK[1], said("user", text), TALK[3]])
        found = control_ids(name, tokenizer, (*hostile.prompt_ids, *hostile.token_ids))
        assert found == expected, text


def test_what_follows_the_last_turn_of_the_assistant_is_left_out():
    assert encoded("ChatML", [*TALK, said("user", "Thanks.")]) == encoded("ChatML", TALK)


def test_two_turns_of_the_assistant_in_a_row_are_both_learned():
    twice = [TALK[0], said("assistant", "yes"), said("assistant", "no")]
    assert learned("ChatML", encoded("ChatML", twice)) == ["yes<|im_end|>", "no<|im_end|>"]


def test_tools_and_systems_are_read_and_not_learned():
    messages = [said("system", "You are helpful."), *talk("Go.", "yes"), said("tool", "42"), TALK[3]]
    conversation = encoded("ChatML", messages)
    assert learned("ChatML", conversation) == ["yes<|im_end|>", "higher<|im_end|>"]
    text = tokenizer_of("ChatML").decode(list(conversation.token_ids))
    assert "<|im_start|>tool\n42<|im_end|>" in str(text)


def test_a_turn_ends_as_the_template_ends_it_where_samplers_stop_there():
    tokenizer = tokenizer_of("Gemma")
    vocabulary = tokenizer.get_vocab()
    own, other = vocabulary["<end_of_turn>"], vocabulary["<eos>"]
    tokenizer.eos_token = "<eos>"
    assert turn_frame(tokenizer, {own, other}).end_id == own
    assert turn_frame(tokenizer, {other}).end_id == other


def test_what_a_template_writes_before_a_turn_is_read_and_not_learned():
    tokenizer = tokenizer_of("gpt-oss")
    frame = turn_frame(tokenizer, end_of_sequence_ids(tokenizer, None))
    assert tokenizer.decode(list(frame.header_ids)) == "<|channel|>final<|message|>"
    conversation = encoded("gpt-oss", TALK)
    assert conversation.token_ids[: len(frame.header_ids)] == frame.header_ids
    assert not any(conversation.said_mask[: len(frame.header_ids)])


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "gpt-oss"])
def test_a_turn_that_follows_its_prompt_at_once_has_no_header(name: str):
    tokenizer = tokenizer_of(name)
    assert turn_frame(tokenizer, end_of_sequence_ids(tokenizer, None)).header_ids == ()


def test_a_thinking_that_a_template_writes_into_turns_is_no_header():
    tokenizer = tokenizer_of("ChatML")
    turn = "{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' + m.content + '<|im_end|>\n' }}"
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}" + turn + "{% else %}"
        "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert turn_frame(tokenizer, end_of_sequence_ids(tokenizer, None)).header_ids == ()


def test_a_tokenizer_without_an_end_ends_no_turn():
    tokenizer = character_tokenizer()
    tokenizer.eos_token = None
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    with pytest.raises(ConfigError, match="names no end-of-sequence token"):
        turn_frame(tokenizer, ())


def test_a_template_that_refuses_a_role_says_so():
    tokenizer = tokenizer_of("ChatML")
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    with pytest.raises(ConfigError, match=r"refuses a conversation of the roles .*tool.*no tools here"):
        encode_conversation(tokenizer, [*TALK[:2], said("tool", "42"), TALK[3]], TurnFrame(end_id=0))


@pytest.mark.parametrize(
    ("messages", "lacking"), [(TALK[:1], "has no turn of the assistant"), (TALK[1:], "begins with a turn")]
)
def test_a_conversation_without_a_question_or_an_answer_is_refused(messages: list[Message], lacking: str):
    with pytest.raises(ConfigError, match=lacking):
        encode_conversation(tokenizer_of("ChatML"), messages, TurnFrame(end_id=0))
