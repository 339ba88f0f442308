"""Conversations as token ids: what is sampled and what is written must join as the template would have it."""

from __future__ import annotations

import pytest
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import encode_prompt, encode_reply
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.tasks import Message

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ '<bos>' }}{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '<|header|>\n\n' + message['content'] | trim + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|header|>\n\n' }}{% endif %}"
)
PROSE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)

QUESTION = (Message(role="user", content="Guess."),)
REPLY = (Message(role="user", content="Higher!"),)


def tokenizer_with(template: str | None) -> PreTrainedTokenizerFast:
    tokenizer = character_tokenizer()
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>", "<|im_end|>", "<|header|>"], "eos_token": "<|im_end|>"}
    )
    tokenizer.chat_template = template
    return tokenizer


def ids(tokenizer: PreTrainedTokenizerFast, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))


@pytest.mark.parametrize("template", [CHATML, LLAMA3])
def test_a_conversation_of_sampled_turns_has_the_ids_of_the_template(template: str):
    tokenizer = tokenizer_with(template)
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    conversation, joined = list(QUESTION), list(encode_prompt(tokenizer, QUESTION))
    for guess in ("50", "75", "62"):
        sampled = (*ids(tokenizer, guess), end)
        joined += [*sampled, *encode_reply(tokenizer, sampled, REPLY, {end})]
        conversation += [Message(role="assistant", content=guess), *REPLY]
        assert tuple(joined) == encode_prompt(tokenizer, conversation)


@pytest.mark.parametrize("template", [CHATML, LLAMA3, PROSE])
def test_a_turn_that_was_cut_off_is_closed_before_the_reply(template: str):
    tokenizer = tokenizer_with(template)
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    sampled = ids(tokenizer, "50")
    joined = (
        *encode_prompt(tokenizer, QUESTION),
        *sampled,
        *encode_reply(tokenizer, sampled, REPLY, {end}),
    )
    conversation = (*QUESTION, Message(role="assistant", content="50"), *REPLY)
    assert joined == encode_prompt(tokenizer, conversation)


def test_the_newline_after_the_end_of_turn_belongs_to_the_reply():
    tokenizer = tokenizer_with(CHATML)
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    reply = "\n<|im_start|>user\nHigher!<|im_end|>\n<|im_start|>assistant\n"
    assert encode_reply(tokenizer, (5, end), REPLY, {end}) == ids(tokenizer, reply)
    assert encode_reply(tokenizer, (5,), REPLY, {end}) == ids(tokenizer, "<|im_end|>" + reply)
    assert encode_reply(tokenizer, (), REPLY, {end}) == ids(tokenizer, "<|im_end|>" + reply)


def test_a_turn_ended_by_another_end_token_is_closed_as_the_template_does():
    tokenizer = tokenizer_with(CHATML)
    end, other = tokenizer.eos_token_id, tokenizer.bos_token_id
    assert isinstance(end, int)
    assert isinstance(other, int)
    assert encode_reply(tokenizer, (5, other), REPLY, {end, other})[0] == end


def test_an_ordinary_token_that_a_reply_happens_to_begin_with_is_kept():
    tokenizer = tokenizer_with("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    sampled = ids(tokenizer, "5\n")
    reply = (Message(role="user", content="\nHigher!"),)
    assert encode_reply(tokenizer, sampled, reply, {2}) == ids(tokenizer, "\nHigher!")


def test_a_reply_of_several_messages_is_encoded_whole():
    tokenizer = tokenizer_with(CHATML)
    messages = (Message(role="tool", content="4"), Message(role="user", content="So?"))
    expected = (
        "<|im_end|>\n<|im_start|>tool\n4<|im_end|>\n<|im_start|>user\nSo?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert encode_reply(tokenizer, (5,), messages, set()) == ids(tokenizer, expected)


def test_without_a_chat_template_contents_follow_one_another():
    tokenizer = tokenizer_with(None)
    messages = (Message(role="system", content="Add. "), Message(role="user", content="1+1="))
    assert encode_prompt(tokenizer, messages) == ids(tokenizer, "Add. 1+1=")
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    assert encode_reply(tokenizer, (25, end), REPLY, {end}) == ids(tokenizer, "Higher!")
    assert encode_reply(tokenizer, (25,), REPLY, {end}) == ids(tokenizer, "<|im_end|>Higher!")


def test_what_a_template_refuses_is_an_error_that_names_the_roles():
    tokenizer = tokenizer_with(
        "{% for message in messages %}{% if message['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}{% endfor %}"
    )
    with pytest.raises(ConfigError, match="refuses a conversation of the roles system, user: System role"):
        encode_prompt(tokenizer, (Message(role="system", content="Be brief."), *QUESTION))


def test_a_template_that_shows_only_the_last_message_cannot_carry_several_turns():
    tokenizer = tokenizer_with("{{ messages[-1]['content'] }}")
    with pytest.raises(ConfigError, match="single-turn"):
        encode_reply(tokenizer, (5,), REPLY, {2})


def test_a_tokenizer_that_appends_its_end_token_to_a_prompt_is_refused():
    tokenizer = tokenizer_with(None)
    end = tokenizer.eos_token_id
    ends = processors.TemplateProcessing(single="$A <|im_end|>", special_tokens=[("<|im_end|>", end)])
    tokenizer.backend_tokenizer.post_processor = ends
    with pytest.raises(ConfigError, match=r"appends its end-of-sequence token <\|im_end\|> to every prompt"):
        encode_prompt(tokenizer, QUESTION)
    tokenizer.chat_template = CHATML
    assert encode_prompt(tokenizer, QUESTION)[-1] != end


def test_a_conversation_that_ends_with_the_policys_turn_may_end_in_the_end_token():
    tokenizer = tokenizer_with(None)
    said = (*QUESTION, Message(role="assistant", content="50"))
    assert encode_prompt(tokenizer, said)[-1] == tokenizer.eos_token_id
