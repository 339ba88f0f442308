"""The answer contract: where in a completion the final answer stands, and how it is read from there."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import assert_never

from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.verdicts import Verdict


class Marker(StrEnum):
    """The sign or tag that marks a final answer."""

    BOXED = "boxed"
    r"""Inside `\boxed{...}` or `\fbox{...}`."""
    TAG = "tag"
    """Between `<answer>` and `</answer>`."""
    HASHES = "hashes"
    """After `####`, to the end of the line."""
    LINE = "line"
    """After `Answer:` or `Final answer:` at the start of a line, to its end; on the next line where that is empty."""
    WHOLE = "whole"
    """The whole completion is the answer."""


Span = tuple[int, int]
"""The beginning and the end of something in a text, in characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The final answer as it stands in the completion, stripped. Never empty.

    `parts` has one text, or those of several markers that are joined into one answer: a list. `spans` are where in
    the completion's text each of them begins and ends, its thinking counted.
    """

    parts: tuple[str, ...]
    spans: tuple[Span, ...] = field(default=(), compare=False)

    @property
    def text(self) -> str:
        """The answer in one piece."""
        return ", ".join(self.parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Malformed:
    """No final answer could be read, and why."""

    reason: str


@dataclass(frozen=True, init=False, slots=True)
class AnswerContract:
    r"""The place of the final answer.

    Text inside `<think>...</think>` (or `<thinking>`) is not part of the answer. Neither is the text after an unclosed
    `<think>` (also one that the prompt ended in: a completion begins with it), nor the text before a `</think>` that
    nothing opened. In the rest, the *last* marker decides, so that a correction is honoured and an earlier slip
    forgiven. Markers with nothing between them but punctuation, "and", "or" or "=" are one answer, a list. If the last
    marker is empty, or never closed, there is no answer, whatever came before it.

    Args:
        marker: the `Marker` of an answer, or its name.
        strict: ask for exactly one marker; more are malformed.
    """

    marker: Marker
    strict: bool

    def __init__(self, marker: Marker | str, strict: bool = False) -> None:
        try:
            object.__setattr__(self, "marker", Marker(marker))
        except ValueError:
            known = ", ".join(Marker)
            raise ConfigError(f"no answer marker '{marker}'; possible: {known}") from None
        object.__setattr__(self, "strict", strict)

    @staticmethod
    def of(contract: AnswerContract | str) -> AnswerContract:
        """`contract` itself, or the contract of the marker that it names."""
        return contract if isinstance(contract, AnswerContract) else AnswerContract(contract)

    def read(self, text: str) -> Answer | Malformed:
        """The final answer of a completion. Takes time linear in the length of `text`.

        Half characters (lone surrogates), which no verdict could hold, are read as question marks.
        """
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")
        pieces = visible_spans(text)
        text = _joined(text, pieces)
        marks = list(_marks(self.marker, text))
        if not marks:
            return Malformed(reason=f"no {_SIGNS[self.marker]} in the completion")
        if self.strict and len(marks) > 1:
            return Malformed(reason=f"{len(marks)} of {_SIGNS[self.marker]} where exactly one is asked for")
        joined = [marks[-1]]
        for mark in reversed(marks[:-1]):
            if not mark.closed or not _JOINT.fullmatch(text, mark.end, joined[-1].start):
                break
            joined.append(mark)
        if not all(mark.closed for mark in joined):
            return Malformed(reason=f"the last {_SIGNS[self.marker]} is never closed")
        contents = [mark.content(text) for mark in reversed(joined)]
        if not all(begin < end for begin, end in contents):
            return Malformed(reason=f"the last {_SIGNS[self.marker]} is empty")
        parts = tuple(text[begin:end] for begin, end in contents)
        return Answer(parts=parts, spans=_in_whole(contents, pieces))

    def read_one(self, text: str) -> str | Verdict:
        """The final answer where one is asked for; where there is none, or a list, the verdict that says so."""
        said = self.read(text)
        if isinstance(said, Malformed):
            return Verdict.malformed(said.reason)
        if len(said.parts) > 1:
            return Verdict.wrong(f"{len(said.parts)} answers where one is asked for", answer=said.text)
        return said.text

    def write(self, answer: str) -> str:
        """A completion in which `answer` is the final answer.

        Raises DataError for an answer that cannot stand in this marker (an unbalanced brace inside `\\boxed`,
        say), because `read` would not give it back.
        """
        match self.marker:
            case Marker.BOXED:
                text = f"\\boxed{{{answer}}}"
            case Marker.TAG:
                text = f"<answer>{answer}</answer>"
            case Marker.HASHES:
                text = f"#### {answer}"
            case Marker.LINE:
                text = f"Answer: {answer}"
            case Marker.WHOLE:
                text = answer
            case _:
                assert_never(self.marker)
        if self.read(text) != Answer(parts=(answer.strip(),)):
            raise DataError(f"{answer!r} cannot be written as the final answer in {_SIGNS[self.marker]}")
        return text


_SIGNS = {
    Marker.BOXED: "\\boxed{...}",
    Marker.TAG: "<answer>...</answer>",
    Marker.HASHES: "'#### ...' line",
    Marker.LINE: "'Answer: ...' line",
    Marker.WHOLE: "answer",
}

THINKING_TAG = re.compile(r"<\s*+(/?)\s*+think(?:ing)?(?:\s[^<>/]*+)?+>", re.ASCII | re.IGNORECASE)
"""A tag that opens or closes the thinking; its group holds the slash of one that closes."""


def without_thinking(text: str) -> str:
    """Return a completion without its thinking; a line break takes the place of each thinking block."""
    return _joined(text, visible_spans(text))


def _joined(text: str, pieces: Sequence[Span]) -> str:
    return "\n".join(text[start:end] for start, end in pieces)


def _in_whole(spans: Sequence[Span], pieces: Sequence[Span]) -> tuple[Span, ...]:
    """Map spans of the joined pieces, none of them empty, to the text that the pieces come from."""
    begins = list(accumulate((end - start + 1 for start, end in pieces), initial=0))

    def place(at: int) -> int:
        piece = bisect_right(begins, at) - 1
        return pieces[piece][0] + at - begins[piece]

    return tuple((place(begin), place(end - 1) + 1) for begin, end in spans)


def visible_spans(text: str) -> list[Span]:
    """Find the pieces of a completion's text that are outside of its thinking."""
    visible: list[Span] = []
    start, thinking = 0, False
    for tag in THINKING_TAG.finditer(text):
        closes = bool(tag[1])
        if closes and not thinking:
            visible.clear()
        elif not closes and not thinking:
            visible.append((start, tag.start()))
        thinking = not closes
        start = tag.end()
    if not thinking:
        visible.append((start, len(text)))
    return visible


def opened_thinking(prompt: str) -> str:
    """The tag that opens the thinking, and white space after it, where a prompt ends in them; else nothing."""
    *_, tag = (None, *THINKING_TAG.finditer(prompt))
    return prompt[tag.start() :] if tag and not tag[1] and not prompt[tag.end() :].strip() else ""


@dataclass(frozen=True, slots=True)
class _Mark:
    """One marker: where it stands, where what is in it stands, and whether it ends."""

    start: int
    end: int
    inside: Span
    closed: bool = True

    def content(self, text: str) -> Span:
        """The inside of the box, without surrounding space."""
        begin, end = self.inside
        inside = text[begin:end]
        begin += len(inside) - len(inside.lstrip())
        return begin, begin + len(inside.strip())


def _marks(marker: Marker, text: str) -> Iterator[_Mark]:
    match marker:
        case Marker.BOXED:
            yield from _boxes(text)
        case Marker.TAG:
            yield from _tags(text)
        case Marker.HASHES:
            yield from _lines(_HASHES, text)
        case Marker.LINE:
            yield from _lines(_ANSWER_LINE, text)
        case Marker.WHOLE:
            yield _Mark(0, len(text), (0, len(text)))
        case _:
            assert_never(marker)


_BOX_OR_BRACE = re.compile(
    r"\\(?:boxed|fbox)(?![A-Za-z])\s*+(\{?)|\\(?!\\(?:boxed|fbox)(?![A-Za-z])).|[{}]", re.DOTALL
)


def _boxes(text: str) -> Iterator[_Mark]:
    """The outermost boxes, in order. One pass with a stack, so that unclosed ones cost nothing extra."""
    first = min((at for at in (text.find("\\boxed"), text.find("\\fbox")) if at >= 0), default=len(text))
    found: list[_Mark] = []
    braces: list[tuple[int, int] | None] = []
    for token in _BOX_OR_BRACE.finditer(text, first):
        sign = token[0]
        if sign == "{":
            braces.append(None)
        elif sign == "}":
            if braces and (box := braces.pop()):
                start, inside = box
                while found and found[-1].start > start:
                    found.pop()
                found.append(_Mark(start, token.end(), (inside, token.start())))
        elif token[1]:
            braces.append((token.start(), token.end()))
        elif token[1] is not None:
            found.append(_Mark(token.start(), token.end(), (token.end(), token.end()), closed=False))
    found += [_Mark(box[0], len(text), (box[1], len(text)), closed=False) for box in braces if box]
    yield from sorted(found, key=lambda mark: mark.start)


_TAG = re.compile(r"<(/?)answer\s*+>", re.ASCII | re.IGNORECASE)


def _tags(text: str) -> Iterator[_Mark]:
    opened: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        if not tag[1]:
            if opened:
                yield _Mark(*opened.span(), (opened.end(), opened.end()), closed=False)
            opened = tag
        elif opened:
            yield _Mark(opened.start(), tag.end(), (opened.end(), tag.start()))
            opened = None
        else:
            yield _Mark(*tag.span(), (tag.end(), tag.end()), closed=False)
    if opened:
        yield _Mark(opened.start(), len(text), (opened.end(), len(text)), closed=False)


_HASHES = re.compile(r"(?<!#)####(?!#)[ \t*_]*+(.*)")
_ANSWER_LINE = re.compile(
    r"^[ \t>#*_-]*+(?:the )?(?:final )?answer(?: is)?[ \t*_]*+[:：][ \t*_]*+(?:\r?\n\s*+)?+(.*)",
    re.ASCII | re.IGNORECASE | re.MULTILINE,
)


def _lines(pattern: re.Pattern[str], text: str) -> Iterator[_Mark]:
    """Markers that run to the end of their line; closing emphasis (`**`) is not part of the answer."""
    for line in pattern.finditer(text):
        begin, _ = line.span(1)
        yield _Mark(*line.span(), (begin, begin + len(line[1].rstrip().rstrip("*_"))))


_JOINT = re.compile(
    r"""(?: [^\w\\] | _
          | \\(?![A-Za-z])
          | \\(?:q?quad|newline|par|hspace\*?\{[^{}]*\}|vee|wedge|cup|to|pm|mp|text(?:bf|rm)?|mathrm|mbox)(?![a-z])
          | \\l?(?:and|or)(?![a-z])
          | (?:and|or)(?![a-z])(?:\s++(?:else|also|maybe|perhaps|possibly)(?![a-z]))?+
          | (?<![^\s(])(?:[0-9]{1,2}|[a-z])[.)](?!\w)
      )*+""",
    re.VERBOSE | re.IGNORECASE,
)
"""Text that may join several markers into one answer: no words but "and" and "or", at most list labels."""
