"""Stop strings: texts after which a turn ends, whichever tokens spell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self, final

from transformers import PreTrainedTokenizerBase

from rlvr_gym.generation.chat import decode
from rlvr_gym.verdicts import WeightsSpan

_TOKENS_WITHOUT_TEXT = 4
"""Tokens of no text that may stand among those that spell a stop string."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StopStrings:
    """Texts of which the first to be complete ends a turn; the token that completes it is the turn's last.

    `begun` are ids of the same turn that were sampled before: a text may begin in them.
    """

    tokenizer: PreTrainedTokenizerBase
    texts: tuple[str, ...]
    begun: tuple[int, ...] = ()
    _may_end: dict[int, bool] = field(default_factory=dict, compare=False)

    def after(self, begun: tuple[int, ...]) -> Self:
        """The same texts in a turn that has begun with these ids."""
        return replace(self, begun=begun) if begun else self

    def end(self, ids: Sequence[int]) -> bool:
        """Return whether the last of `ids` completes one of the texts."""
        if not ids or not self._ends_one(ids[-1]):
            return False
        most = max(len(text.encode()) for text in self.texts) + _TOKENS_WITHOUT_TEXT
        tail = (
            [*self.begun[len(self.begun) - max(0, most - len(ids)) :], *ids[-most:]]
            if self.begun
            else ids[-most:]
        )
        said = decode(self.tokenizer, tail)
        return any(text in said for text in self.texts)

    def length(self, ids: Sequence[int]) -> int | None:
        """Number of ids up to the first that completes one of the texts; None where none does."""
        return next((count for count in range(1, len(ids) + 1) if self.end(ids[:count])), None)

    def _ends_one(self, id: int) -> bool:
        """Return whether a token has the last character of any of the texts, or a part of a character."""
        if id not in self._may_end:
            said = decode(self.tokenizer, [id])
            self._may_end[id] = "\ufffd" in said or any(text[-1] in said for text in self.texts)
        return self._may_end[id]


def first_tokens(spans: Sequence[WeightsSpan], count: int) -> tuple[WeightsSpan, ...]:
    """The spans of the first `count` tokens."""
    kept = list[WeightsSpan]()
    for span in spans:
        if count > 0:
            kept.append(replace(span, tokens=min(span.tokens, count)))
        count -= span.tokens
    return tuple(kept)
