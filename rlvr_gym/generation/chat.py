"""Conversations as token ids: a first prompt, and what stands between two sampled turns.

Models with a chat template are encoded by it. Models without one (base models) see the contents of the
messages one after the other, with an end-of-sequence token after each turn of the assistant. What stands in
the messages never becomes a control token, whoever wrote it: see `rlvr_gym.generation.control`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.files import JsonObject
from rlvr_gym.generation.calls.codec import ToolCodec
from rlvr_gym.generation.calls.tagged import INSTRUCTED
from rlvr_gym.generation.control import ControlTokens
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import Call, ToolCall, ToolSpec
from rlvr_gym.verifiers.answers import opened_thinking, without_thinking

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)

_OPENING_TOKENS = 32
"""Largest number of tokens in the opening of a thinking block; a token may be a single character."""
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Names that a template may repeat beside an answer: no others that a policy makes up."""
_QUESTION = Message(role="user", content="question")
_TURN = Message(role="assistant", content="placeholder-of-the-sampled-turn")


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
) -> tuple[int, ...]:
    """The ids of a conversation up to where the next turn of the assistant begins, `tools` shown by the template.

    Without a chat template the tokenizer adds what it adds to any text (a beginning-of-sequence token,
    where it has that habit); a template writes its special tokens itself. One that refuses a system message is shown
    the instructions on tools, if it holds such, in the first message of the user.
    """
    try:
        text = _render(tokenizer, messages, tools=tools)
    except ConfigError:
        folded = _instructed_by_the_user(messages)
        if folded is None:
            raise
        text = _render(tokenizer, folded, tools=tools)
    if tokenizer.chat_template is not None:
        return _ids(tokenizer, text)
    ids = _ids(tokenizer, text, special=True)
    if ids[-1:] == (tokenizer.eos_token_id,) != _ids(tokenizer, text)[-1:]:
        raise ConfigError(
            f"the tokenizer appends its end-of-sequence token {tokenizer.eos_token} to every prompt, which "
            "asks the model to go on after the end: give the tokenizer a chat template, or have it append none "
            "(add_eos_token=False)"
        )
    return ids


def encode_reply(
    tokenizer: PreTrainedTokenizerBase,
    sampled: Sequence[int],
    messages: Sequence[Message],
    end_ids: Collection[int],
    calls: Sequence[Call] = (),
) -> tuple[int, ...]:
    """The ids between a turn that was sampled as `sampled` and the next one, `messages` being the answer.

    They are what the template writes after an assistant's turn, one that made `calls`. Its first token closes that
    turn; where it is one of `end_ids` and was itself sampled, it is not repeated.
    """
    text = _render(tokenizer, (_QUESTION, _calling(calls), *messages))
    before, found, after = text.partition(_TURN.content)
    if not found:
        raise ConfigError("the chat template leaves out earlier turns of the assistant: it is single-turn")
    if calls:
        written, end = _first_end(tokenizer, after, end_ids)
        before, found, after = before + found + written, "", end
    upto, whole = _ids(tokenizer, before + found), _ids(tokenizer, text)
    reply = whole[len(upto) :] if whole[: len(upto)] == upto else _ids(tokenizer, after)
    closed = bool(sampled and reply) and sampled[-1] in end_ids and _closes(tokenizer, sampled[-1], reply[0])
    return reply[1:] if closed else reply


def _calling(calls: Sequence[Call]) -> Message:
    """A turn that calls what the first of `calls` does, its text among the arguments; one that says it without any.

    One call is enough for a template that writes the answers, and some take no more.
    """
    if not calls:
        return _TURN
    name = calls[0].name if _TOOL_NAME.fullmatch(calls[0].name) else "unknown"
    call = ToolCall(id=calls[0].id, name=name, arguments={"x": _TURN.content})
    return Message(role="assistant", content="", tool_calls=(call,))


def _first_end(tokenizer: PreTrainedTokenizerBase, text: str, end_ids: Collection[int]) -> tuple[str, str]:
    """The text before the first token that ends a turn, and the text from there on."""
    ends = [decode(tokenizer, [id]) for id in end_ids]
    places = [place for end in ends if (place := text.find(end)) >= 0]
    if not places:
        raise ConfigError("the chat template ends a turn that calls a tool with no end-of-sequence token")
    return text[: min(places)], text[min(places) :]


_INTERCHANGEABLE = (("<|eom_id|>", "<|eot_id|>"), ("<|call|>", "<|return|>", "<|end|>"))
"""Tokens of which one ends a turn as well as another: which one says who speaks next."""


def _closes(tokenizer: PreTrainedTokenizerBase, sampled: int, written: int) -> bool:
    """Return whether a turn that ended with the token `sampled` has been closed where the template writes `written`."""
    if sampled == written:
        return True
    texts = {decode(tokenizer, [sampled]), decode(tokenizer, [written])}
    return any(texts <= set(group) for group in _INTERCHANGEABLE)


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Decode token ids, special tokens included."""
    text = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text


def opening(tokenizer: PreTrainedTokenizerBase, prompt_ids: Sequence[int]) -> str:
    """The opening of a thinking (`<think>` and white space) that a prompt ends in; mostly there is none."""
    return opened_thinking(decode(tokenizer, prompt_ids[-_OPENING_TOKENS:]))


def demonstration(tokenizer: PreTrainedTokenizerBase, prompt_ids: Sequence[int], answer: str) -> str:
    """Write the completion that gives `answer` after this prompt, closing a thinking block that the prompt opened."""
    opened = opening(tokenizer, prompt_ids)
    thought = answer.lstrip().removeprefix(opened.strip())
    if not opened or without_thinking(opened + thought).strip():
        return thought if opened else answer
    return f"{opened.strip().replace('<', '</', 1)}\n{answer}"


def encode_demonstration(
    tokenizer: PreTrainedTokenizerBase, prompt_ids: Sequence[int], answer: str
) -> tuple[int, ...]:
    """The ids of `demonstration`: what frames turns (`<|im_end|>`) stays text, thinking and tools are tokens."""
    return ControlTokens.of(tokenizer).encode_turn(demonstration(tokenizer, prompt_ids, answer))


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedConversation:
    """A conversation as token ids, cut where the first turn of the assistant begins.

    `token_ids` are what follows, up to the end of the last such turn; `said_mask` is True for those that the assistant
    says: its turns and their ends. All others are the template's, or of other roles.
    """

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    said_mask: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnFrame:
    """The tokens around a turn of the assistant, beside the prompt for it.

    `header_ids` are what the template writes between its generation prompt and the turn, and `end_id` ends the turn.
    """

    header_ids: tuple[int, ...] = ()
    end_id: int


def encode_conversation(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], frame: TurnFrame
) -> EncodedConversation:
    """The ids of a whole conversation, turn after turn as if the assistant's had been sampled within `frame`.

    The header of a turn is not the assistant's, its end is. What follows the last turn is left out. Raises ConfigError
    where the template refuses the conversation, or where there is no turn of the assistant in it, or nothing before
    one.
    """
    opening_messages = tuple(takewhile(lambda message: message.role != "assistant", messages))
    said = [place for place, message in enumerate(messages) if message.role == "assistant"]
    if not said or not opening_messages:
        lacking = "has no turn of the assistant" if not said else "begins with a turn of the assistant"
        raise ConfigError(f"the conversation {lacking}, and what follows something else is learned")
    prompt_ids = encode_prompt(tokenizer, opening_messages)
    ids: list[int] = []
    mask: list[bool] = []
    for place, following in zip(said, (*said[1:], None), strict=True):
        ids, mask = [*ids, *frame.header_ids], [*mask, *([False] * len(frame.header_ids))]
        said_ids = encode_demonstration(tokenizer, (*prompt_ids, *ids), messages[place].content)
        turn = (*said_ids, frame.end_id)
        ids, mask = [*ids, *turn], [*mask, *([True] * len(turn))]
        if following is not None:
            reply = encode_reply(tokenizer, turn, messages[place + 1 : following], (frame.end_id,))
            ids, mask = [*ids, *reply], [*mask, *([False] * len(reply))]
    return EncodedConversation(prompt_ids=prompt_ids, token_ids=tuple(ids), said_mask=tuple(mask))


def turn_frame(tokenizer: PreTrainedTokenizerBase, end_ids: Collection[int]) -> TurnFrame:
    """The frame of a turn: its end is the token that the template writes there, where samplers stop at it.

    `end_ids` are those that they stop at; the tokenizer's end-of-sequence token is taken where the template writes
    none of them. Raises ConfigError where there is no such token.
    """
    return TurnFrame(header_ids=_header(tokenizer), end_id=_turn_end(tokenizer, end_ids))


def _header(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Control tokens between the generation prompt and a turn (a channel's name, say), with what stands among them.

    There are none where the template has no generation prompt, for sampling begins without them then. A thinking that
    a template writes there is the turn's own to open or to leave out.
    """
    try:
        before, asked, whole = (
            _render(tokenizer, (_QUESTION,), asks=False),
            _render(tokenizer, (_QUESTION,)),
            _render(tokenizer, (_QUESTION, _TURN)),
        )
    except ConfigError:  # a template that knows no earlier turns writes nothing before one
        return ()
    written, found, _ = whole.removeprefix(asked).partition(_TURN.content)
    if before == asked or not whole.startswith(asked) or not found or "think" in written:
        return ()
    ids = _ids(tokenizer, written)
    return ids if ControlTokens.of(tokenizer).among(ids) else ()


def _turn_end(tokenizer: PreTrainedTokenizerBase, end_ids: Collection[int]) -> int:
    try:
        closing = encode_reply(tokenizer, (), (), ())
    except ConfigError:  # a template that knows no earlier turns ends none
        closing = ()
    end = closing[0] if closing and closing[0] in end_ids else tokenizer.eos_token_id
    if not isinstance(end, int):
        raise ConfigError(
            "the tokenizer names no end-of-sequence token (eos_token), so no turn could ever end"
        )
    return end


def _render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    asks: bool = True,
    tools: Sequence[ToolSpec] = (),
) -> str:
    """The text of a conversation, up to where the assistant's next turn begins if it `asks` for one."""
    control = ControlTokens.of(tokenizer)
    if any(message.tool_call_id is not None for message in messages) and ToolCodec.of(tokenizer) is None:
        messages = _results_as_said(messages)
    contents = control.mark([message.content for message in messages])
    conversation = [
        {"role": message.role, "content": content, **_around_calls(message, control)}
        for message, content in zip(messages, contents, strict=True)
    ]
    template = PLAIN_TEMPLATE if tokenizer.chat_template is None else None
    schemas: list[Any] = [control.mark_all(tool.schema) for tool in tools]
    try:
        text = tokenizer.apply_chat_template(
            conversation,
            tools=schemas or None,
            chat_template=template,
            tokenize=False,
            add_generation_prompt=asks,
        )
    except (TemplateError, TypeError) as error:
        roles = ", ".join(message.role for message in messages)
        raise ConfigError(
            f"the model's chat template refuses a conversation of the roles {roles}: {error}"
        ) from error
    assert isinstance(text, str)
    return text


def _instructed_by_the_user(messages: Sequence[Message]) -> list[Message] | None:
    """The messages with instructions on tools in the user's first; None where no system message gives any."""
    match [message.role for message in messages[:2]]:
        case ["system", "user"] if INSTRUCTED in messages[0].content:
            content = f"{messages[0].content}\n\n{messages[1].content}"
            return [Message(role="user", content=content), *messages[2:]]
        case _:
            return None


def _around_calls(message: Message, control: ControlTokens) -> JsonObject:
    """The fields that only messages around calls have, as templates know them."""
    fields: JsonObject = {}
    if message.tool_calls:
        fields["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": control.mark_all(
                    {"name": call.name, "arguments": call.arguments if isinstance(call, ToolCall) else {}}
                ),
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        fields |= {
            "name": control.mark_all(message.name or ""),
            "tool_call_id": control.mark_all(message.tool_call_id),
        }
    return fields


def _results_as_said(messages: Sequence[Message]) -> list[Message]:
    """The messages with answers to calls as the user's, for a template that knows no tools; those in a row as one."""
    shown: list[Message] = []
    before = None
    for message in messages:
        if message.tool_call_id is None:
            shown.append(message)
        else:
            result = f"<tool_response>\n{message.content}\n</tool_response>"
            if before is not None and before.tool_call_id is not None:
                result = f"{shown.pop().content}\n{result}"
            shown.append(Message(role="user", content=result))
        before = message
    return shown


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool = False) -> tuple[int, ...]:
    return ControlTokens.of(tokenizer).encode(text, special=special)
