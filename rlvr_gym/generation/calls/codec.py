"""The form in which a model is shown tools and writes calls, as its tokenizer and chat template tell it."""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from rlvr_gym.generation.base import UnknownCalls
from rlvr_gym.generation.calls.harmony import Harmony
from rlvr_gym.generation.calls.lists import Llama3, Mistral
from rlvr_gym.generation.calls.tagged import Tagged
from rlvr_gym.generation.calls.turn import CallForm, ParsedTurn, sign, signed, without_signs
from rlvr_gym.tools.calls import Call, ToolSpec

_PROBE = ToolSpec(
    name="probe_of_tools",
    description="A probe.",
    parameters={
        "type": "object",
        "properties": {"x": {"type": "string", "description": "A text."}},
        "required": ["x"],
    },
)
_ID = re.compile(r"[A-Za-z0-9]{9}")
_QUESTION = {"role": "user", "content": "question"}
_CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "callprobe",
            "type": "function",
            "function": {"name": _PROBE.name, "arguments": {"x": "argument-of-the-probe"}},
        }
    ],
}


@final
class ToolCodec:
    """Calls in the ids that a tokenizer's policy samples."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, form: CallForm) -> None:
        self.form = form
        self._tokenizer: Any = weakref.proxy(tokenizer)
        added: dict[str, int] = {token.content: id for id, token in tokenizer.added_tokens_decoder.items()}
        self._signs = {
            added[marker]: sign(place) for place, marker in enumerate(form.markers) if marker in added
        }

    @staticmethod
    def of(tokenizer: PreTrainedTokenizerBase) -> ToolCodec | None:
        """The codec of a tokenizer whose chat template knows tools; None where it knows none.

        Raises UnknownCalls where it writes calls in a form that is not known here.
        """
        state = (str(tokenizer.chat_template), len(tokenizer))
        found = _known.get(tokenizer)
        if found is None or found[0] != state:
            form = _form_of(tokenizer)
            found = _known[tokenizer] = (state, None if form is None else ToolCodec(tokenizer, form))
        return found[1]

    def parse(
        self, ids: Sequence[int], tools: Sequence[ToolSpec], *, opened: str = "", first: int = 0
    ) -> ParsedTurn:
        """Take a sampled turn apart.

        Where a marker of calls is a token, that token alone is one: its name spelled out is text. `opened` is the
        thinking that the prompt opened; calls without an id are numbered from `first`.
        """
        turn = self.form.parse(without_signs(opened) + self._signed(ids), tools)
        numbered = [_with_id(call, first + place) for place, call in enumerate(turn.calls)]
        return replace(turn, calls=tuple(numbered))

    def _signed(self, ids: Sequence[int]) -> str:
        pieces, plain = list[str](), list[int]()
        for id in (*ids, None):
            if id is not None and id not in self._signs:
                plain.append(id)
                continue
            if plain:
                pieces.append(self._text(plain))
                plain = []
            if id is not None:
                pieces.append(self._signs[id])
        return "".join(pieces)

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return self._spelled_out(text)

    def _spelled_out(self, text: str) -> str:
        """Make signs of the markers that have no token of their own."""
        text = without_signs(text)
        for place, marker in enumerate(self.form.markers):
            if sign(place) not in self._signs.values():
                text = text.replace(marker, sign(place))
        return text


_known: weakref.WeakKeyDictionary[PreTrainedTokenizerBase, tuple[object, ToolCodec | None]] = (
    weakref.WeakKeyDictionary()
)


def _with_id(call: Call, number: int) -> Call:
    # Nine letters and digits: Mistral's templates take no others, whatever the policy wrote.
    return call if _ID.fullmatch(call.id) else call.model_copy(update={"id": f"call{number % 100_000:05d}"})


def _form_of(tokenizer: PreTrainedTokenizerBase) -> CallForm | None:
    """The form of calls in a tokenizer's template, None where the template shows no tools."""
    if tokenizer.chat_template is None or _PROBE.name not in _rendered(tokenizer, (_QUESTION,)):
        return None
    text = _rendered(tokenizer, (_QUESTION, _CALL), asks=False)
    form = _recognised(text.rpartition(_QUESTION["content"])[2])
    if form is None:
        raise UnknownCalls(
            "the chat template writes calls of tools in a form that is not known here; known are those of Qwen and "
            "Hermes (<tool_call>), Llama 3 (JSON), Mistral ([TOOL_CALLS]) and gpt-oss (to=functions.NAME). A template "
            "that shows no tools is told of them in the system prompt"
        )
    return form


def _recognised(turn: str) -> CallForm | None:
    """The form in which a template wrote the call of the probe, the text after the question being `turn`."""
    if "to=functions." in turn:
        return Harmony()
    if "[TOOL_CALLS]" in turn:
        return Mistral()
    # The form itself must find the call again: others write something else between the same tags.
    for form, begins in ((Tagged(), "<tool_call>"), (Llama3(), "{")):
        start = turn.find(begins)
        for end in range(len(turn), start, -1) if start >= 0 else ():
            if turn[end - 1] not in ">}":
                continue
            calls = form.parse(signed(turn[start:end], form.markers), (_PROBE,)).calls
            if [call.name for call in calls] == [_PROBE.name] and getattr(
                calls[0], "arguments", {}
            ).keys() == {"x"}:
                return form
    return None


def _rendered(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, Any]], *, asks: bool = True
) -> str:
    """The text of a conversation with the probe to call; nothing where the template refuses it."""
    try:
        text = tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tools=[_PROBE.schema],
            tokenize=False,
            add_generation_prompt=asks,
        )
    except (TemplateError, TypeError, KeyError, ValueError):
        return ""
    assert isinstance(text, str)
    return text
