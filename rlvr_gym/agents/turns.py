"""A sampled turn as an agent is told it, and a conversation as the policy is shown it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, final

from rlvr_gym.agents.wire import ChatRequest, Said
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import Generator, HasTokenPrompts, TakesTools, UnknownCalls
from rlvr_gym.generation.calls.tagged import instructions, plain_turn
from rlvr_gym.generation.calls.turn import ParsedTurn, said_before
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import Call, MalformedCall, ToolCall, ToolSpec, written
from rlvr_gym.verdicts import Completion, FinishReason, WeightsSpan

if TYPE_CHECKING:
    from rlvr_gym.generation.prompts import TokenPrompts

_NOTHING = "\U0010fffe"
"""Stands in no text: what is looked for where thinking is all that there is to find."""


@final
class Translator:
    """Turns and conversations of one generator's model."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.tokens: TokenPrompts | None = (
            generator.prompts if isinstance(generator, HasTokenPrompts) else None
        )
        """The model's tokens; None where it is asked in words."""
        try:
            self.native = isinstance(generator, TakesTools) and generator.takes_tools()
        except UnknownCalls:
            self.native = False

    def shown(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
        """The beginning of a conversation as the chat template takes it.

        One that knows no tools is told of them in the system message, of calls as the text that they are, and of their
        results as the user's words.
        """
        if self.native:
            return tuple(messages)
        told = _told(messages, tools) if tools else tuple(messages)
        return self.said_on(told)

    def said_on(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Messages in the middle of a conversation, in the same way."""
        return tuple(messages) if self.native else tuple(_in_words(messages))

    def prompt_ids(self, request: ChatRequest) -> tuple[int, ...] | None:
        """The ids of a conversation that goes on from none; None where the model is asked in words.

        Raises ConfigError where the chat template refuses it.
        """
        if self.tokens is None:
            return None
        return self.tokens.encode_prompt(
            self.shown(request.messages, request.tools), request.tools if self.native else ()
        )

    def reply_ids(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a turn and the next. Raises ConfigError where the chat template refuses the messages."""
        if not self.native:
            completion = replace(completion, calls=None)
        return self._generator.encode_reply(completion, self.said_on(messages))

    def cut(self, completion: Completion, stop: Sequence[str], tools: Sequence[ToolSpec]) -> Completion:
        """The turn as it would have been had sampling stopped with the token that completes one of `stop`.

        What was sampled after that token is dropped: it was drawn after the fact, and nobody has seen it.
        """
        if not any(text in completion.text for text in stop):
            return completion
        if self.tokens is None or not completion.token_ids:
            return replace(completion, finish_reason=FinishReason.STOP)
        prompts, ids = self.tokens, completion.token_ids

        def stopped(count: int) -> bool:
            said = prompts.text(ids[:count])
            return any(text in said for text in stop)

        count = bisect_left(range(1, len(ids) + 1), True, key=stopped) + 1
        if count > len(ids):  # it stood in the opening of a thinking, which was not sampled
            return completion
        kept = prompts.completion(
            completion.prompt_token_ids,
            ids[:count],
            completion.logprobs[:count],
            _first(completion.sampled_under, count),
            tools if self.native else (),
        )
        return replace(kept, finish_reason=FinishReason.STOP)

    def said(self, completion: Completion, tools: Sequence[ToolSpec], stop: Sequence[str]) -> Said:
        """The turn as an agent is told it: what is thought apart from what is said, and calls apart from both.

        A call that cannot be read stays in the text.
        """
        parsed = self._parsed(completion, tools)
        places = [place for one in stop if (place := parsed.text.find(one)) >= 0]
        content = parsed.text[: min(places)] if places else parsed.text
        readable = tuple(call for call in parsed.calls if isinstance(call, ToolCall))
        unreadable = [written(call) for call in parsed.calls if isinstance(call, MalformedCall)]
        content = "\n".join(part for part in (content, *unreadable) if part)
        cut_off = completion.finish_reason is FinishReason.LENGTH
        usage = completion.usage
        return Said(
            content=content,
            reasoning=parsed.reasoning,
            calls=readable,
            finish_reason="length" if cut_off else "tool_calls" if readable else "stop",
            prompt_tokens=(usage.prompt_tokens or 0) if usage else len(completion.prompt_token_ids),
            completion_tokens=(usage.completion_tokens or 0) if usage else len(completion.token_ids),
        )

    def _parsed(self, completion: Completion, tools: Sequence[ToolSpec]) -> ParsedTurn:
        """The turn taken apart. Calls count where tools were shown; else they are text like any other."""
        if completion.calls is not None and not completion.calls_in_text:
            apart = _thinking_apart(completion.text)
            return replace(apart, calls=completion.calls)
        first = len(completion.prompt_token_ids)
        parsed = self._by_tokens(completion, tools, first) or plain_turn(completion.text, tools)
        if parsed.calls and tools:
            calls = (_named(call, first + place) for place, call in enumerate(parsed.calls))
            return replace(parsed, calls=tuple(calls))
        if parsed.calls or parsed.text == completion.text.strip():
            return _thinking_apart(completion.text)
        return parsed

    def _by_tokens(self, completion: Completion, tools: Sequence[ToolSpec], first: int) -> ParsedTurn | None:
        """The turn as the form of calls that the chat template writes has it; None where it writes none."""
        if self.tokens is None or not self.native:
            return None
        from rlvr_gym.generation.calls.codec import ToolCodec

        codec = ToolCodec.of(self.tokens.tokenizer)
        assert codec is not None
        ids = completion.token_ids
        opened = completion.text.removesuffix(self.tokens.text(ids))
        said = ids[:-1] if ids and ids[-1] in self.tokens.end_ids else ids
        return codec.parse(said, tools, opened=opened, first=first)


def _thinking_apart(text: str) -> ParsedTurn:
    thought, said, _ = said_before(text, _NOTHING)
    return ParsedTurn(reasoning=thought.strip(), text=said.strip() if thought else said)


def _named(call: Call, number: int) -> Call:
    """The call with an id that its answer can refer to."""
    return call if call.id else call.model_copy(update={"id": f"call{number % 100_000:05d}"})


def _told(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
    about = instructions(tools)
    if messages and messages[0].role == "system":
        return (Message(role="system", content=f"{messages[0].content}\n\n{about}"), *messages[1:])
    return (Message(role="system", content=about), *messages)


def _in_words(messages: Sequence[Message]) -> list[Message]:
    """Messages without calls and results of their own: those are text, results in a row one message of the user."""
    shown: list[Message] = []
    before: Message | None = None
    for message in messages:
        if message.role == "tool":
            result = f"<tool_response>\n{message.content}\n</tool_response>"
            if before is not None and before.role == "tool":
                result = f"{shown.pop().content}\n{result}"
            shown.append(Message(role="user", content=result))
        elif message.tool_calls:
            shown.append(Message(role="assistant", content=message.text))
        else:
            shown.append(message)
        before = message
    return shown


def _first(spans: Sequence[WeightsSpan], tokens: int) -> tuple[WeightsSpan, ...]:
    """The weights of the first tokens."""
    kept: list[WeightsSpan] = []
    for span in spans:
        here = min(span.tokens, tokens)
        if here:
            kept.append(WeightsSpan(version=span.version, tokens=here))
        tokens -= here
    return tuple(kept)


def refusal_of(error: ConfigError) -> str:
    """The reason why a conversation cannot be shown to the model, for whoever sent it."""
    return f"the model cannot be shown this conversation: {error}"
