"""Calls of gpt-oss: messages of a turn, each with a channel, and a recipient where it is a call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import final

from rlvr_gym.files import Json
from rlvr_gym.generation.calls.turn import ParsedTurn, Unreadable, arguments_in, decode_at, sign, spelled
from rlvr_gym.tools.calls import Call, MalformedCall, ToolCall, ToolSpec

_START, _CHANNEL, _MESSAGE, _CONSTRAIN, _CALL, _END, _RETURN = map(sign, range(7))
_RECIPIENT = re.compile(r"\bto=([^\s\U000f0f00-\U000f0f0f]+)")
_FINISH = re.compile(f"[{_CALL}{_END}{_RETURN}]")


@final
class Harmony:
    """`<|channel|>commentary to=functions.NAME<|message|>{...}<|call|>`.

    A message with a recipient is a call, in whichever channel it stands. Of the others those on the analysis channel
    are the thinking.
    """

    markers = (
        *("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|call|>"),
        *("<|end|>", "<|return|>"),
    )

    def parse(self, turn: str, tools: Sequence[ToolSpec]) -> ParsedTurn:
        """Take a turn apart, as `CallForm.parse` says."""
        thought, said, calls = list[str](), list[str](), list[Call]()
        for message in turn.split(_START):
            head, begun, body = message.partition(_MESSAGE)
            body = _FINISH.split(body)[0]
            if not begun:
                body, head = ("", head) if _CHANNEL in head else (_FINISH.split(head)[0], "")
            if recipient := _RECIPIENT.search(head):
                calls.append(self._call(recipient[1], body, begun=bool(begun)))
                continue
            (thought if "analysis" in head else said).append(spelled(body, self.markers))
        return ParsedTurn(
            reasoning="\n".join(thought).strip(), text="\n".join(said).strip(), calls=tuple(calls)
        )

    def _call(self, recipient: str, body: str, *, begun: bool) -> Call:
        name = recipient.removeprefix("functions.")
        text = spelled(body.strip(), self.markers)
        if not begun:
            return MalformedCall(name=name, text=text, fault="it has no <|message|> with its arguments")
        try:
            value: Json = None
            if body.strip():
                value, end = decode_at(body, 0)
                if body[end:].strip():
                    raise Unreadable(f"more stands behind its arguments, at character {end}")
            return ToolCall(name=name, arguments=arguments_in(spelled(value, self.markers)))
        except Unreadable as error:
            return MalformedCall(name=name, text=text, fault=str(error))
