"""Find the answer of a verdict in the completion's text."""

from __future__ import annotations

import re

from rlvr_gym.verifiers.answers import Answer, AnswerContract, Marker, Span, visible_spans

_CONTRACTS = [AnswerContract(marker) for marker in Marker if marker is not Marker.WHOLE]
_LONG = 20
"""Characters: a text that is longer stands nowhere by chance."""


def answer_places(text: str, answer: str | None) -> tuple[Span, ...]:
    """Find where the recorded `answer` was read in `text`; empty if that cannot be told.

    A verdict records the answer, and every answer contract says where it reads: the place is that of each marker
    that gives this very answer. If none does (a program in a fence, a query), it is where the answer occurs word
    for word, once; for a long answer, its last occurrence.
    """
    if not answer or not answer.strip():
        return ()
    found = {span for contract in _CONTRACTS for span in _read(contract, text, answer)}
    return tuple(sorted(found)) or _word_for_word(text, answer.strip())


def _read(contract: AnswerContract, text: str, answer: str) -> tuple[Span, ...]:
    said = contract.read(text)
    return said.spans if isinstance(said, Answer) and said.text == answer.strip() else ()


def _word_for_word(text: str, answer: str) -> tuple[Span, ...]:
    pattern = re.compile(
        rf"(?<![\w.]){re.escape(answer)}(?!\w|\.\d)" if len(answer) <= _LONG else re.escape(answer)
    )
    spans = [
        match.span() for start, end in visible_spans(text) for match in pattern.finditer(text, start, end)
    ]
    return (spans[-1],) if len(spans) == 1 or (spans and len(answer) > _LONG) else ()


def in_javascript(text: str, spans: tuple[Span, ...]) -> list[list[int]]:
    """Spans as JavaScript counts them: a character beyond U+FFFF is two."""
    if text.isascii():
        return [list(span) for span in spans]
    return [[_units(text[:place]) for place in span] for span in spans]


def _units(text: str) -> int:
    return len(text) + sum(sign > "\uffff" for sign in text)
