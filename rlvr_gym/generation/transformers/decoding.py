"""The decoding loop: a prompt is computed once, rows advance together, finished ones leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.sampling import draw, uniforms
from rlvr_gym.generation.transformers.rows import Drawn, PromptSamples, Row, RowState
from rlvr_gym.verdicts import FinishReason

PREFILL_TOKENS = 8192
"""Prompt tokens in one forward pass, padding included; a single longer prompt goes alone."""
_PREFILL_LOGITS = 2**24
"""Logits of one such pass: a row for each prompt and each different length among them."""


def record(rows: Sequence[Row], drawn: Drawn, end_ids: Collection[int]) -> list[PromptSamples]:
    """Append what was drawn to each row; returns the groups that this finished.

    A row is finished after an end token or a stop string, and when its group's budget is spent.
    """
    finished: list[PromptSamples] = []
    for row, tokens, logprobs in zip(rows, *drawn, strict=True):
        row.token_ids += tokens
        row.logprobs += logprobs
        if row.ends(end_ids):
            row.finish_reason = FinishReason.STOP
        elif not row.remaining:
            row.finish_reason = FinishReason.LENGTH
        row.group.unfinished -= row.finish_reason is not None
        if row.finish_reason and not row.group.unfinished:
            finished.append(row.group)
    return finished


class Decoding:
    """One call's work.

    A group is `pending` until its prompt is computed, which also draws the first token of each sample; its
    rows are then `waiting` for a place among the `max_rows` that are decoded together. `max_tokens` bounds
    what these may come to hold. To be driven without gradients and in evaluation mode.
    """

    def __init__(
        self,
        state: RowState,
        groups: Sequence[PromptSamples],
        sampling: SamplingParams,
        *,
        end_ids: Collection[int],
        max_rows: int,
        max_tokens: int,
    ) -> None:
        self._state, self._sampling, self._end_ids = state, sampling, end_ids
        self.stopped = False
        # Longest first: rows are aligned at their latest token, so that a prompt which joins later always
        # fits into the columns that are there.
        self._pending = deque(sorted(groups, key=lambda group: -len(group.prompt_ids)))
        self._waiting: deque[Row] = deque()
        self._rows: list[Row] = []
        self._unfinished = sum(group.unfinished for group in groups)
        self._budget = max((group.budget for group in groups), default=1)
        widest = max((len(group.prompt_ids) + group.budget for group in groups), default=1)
        self._max_rows = max(1, min(max_rows, max_tokens // widest, self._unfinished))

    @property
    def unfinished(self) -> bool:
        """True while any sample can still grow."""
        return self._unfinished > 0

    def until_a_group_finishes(self) -> list[PromptSamples]:
        """Go on until one group or more have all their samples, or another thread sets `stopped`; returns these."""
        finished: list[PromptSamples] = []
        while self.unfinished and not finished and not self.stopped:
            finished = self._refill() if self._should_refill() else self._decode()
        return finished

    def _should_refill(self) -> bool:
        # Not for every single place: a forward pass over one short prompt costs about as much as over many.
        places = self._max_rows - len(self._rows)
        return bool(self._pending or self._waiting) and places >= max(1, self._max_rows // 8)

    def _refill(self) -> list[PromptSamples]:
        places = self._max_rows - len(self._rows)
        finished: list[PromptSamples] = []
        while self._pending and len(self._waiting) < places:
            finished += self._prefill(places - len(self._waiting))
        newcomers = [self._waiting.popleft() for _ in range(min(places, len(self._waiting)))]
        if newcomers:
            self._rows.extend(newcomers)
            self._state.join(newcomers, self._max_rows, self._to_come())
        return finished

    def _prefill(self, places: int) -> list[PromptSamples]:
        """Compute prompts enough for `places` rows, and draw the first token of each of their samples."""
        groups = self._next_prompts(places)
        logits = self._state.start(groups)
        rows = [row for group in groups for row in group.rows]
        uniform = uniforms([row.stream for row in rows], [0] * len(rows)).view(len(groups), -1)
        tokens, logprobs = draw(logits, self._sampling, uniform)
        finished = self._record(rows, (tokens.view(-1, 1).tolist(), logprobs.view(-1, 1).tolist()))
        self._waiting.extend(row for row in rows if row.finish_reason is None)
        return finished

    def _next_prompts(self, places: int) -> list[PromptSamples]:
        groups = [self._pending.popleft()]
        longest, n = len(groups[0].prompt_ids), len(groups[0].rows)
        lengths = {longest}
        while self._pending and len(groups) * n < places:
            count = len(groups) + 1
            lengths.add(len(self._pending[0].prompt_ids))
            if (
                count * longest > PREFILL_TOKENS
                or count * len(lengths) * self._state.vocabulary > _PREFILL_LOGITS
            ):
                break
            groups.append(self._pending.popleft())
        return groups

    def _decode(self) -> list[PromptSamples]:
        """One more token, or several, for every row."""
        finished = self._record(self._rows, self._state.advance(self._rows, self._sampling, self._to_come()))
        self._drop_finished_rows()
        return finished

    def _to_come(self) -> int:
        """Largest number of tokens that the rows, and those still to join them, can gain."""
        if self._pending or self._waiting:
            return self._budget
        return max(row.remaining for row in self._rows)

    def _record(self, rows: Sequence[Row], drawn: Drawn) -> list[PromptSamples]:
        finished = record(rows, drawn, self._end_ids)
        self._unfinished -= sum(row.finish_reason is not None for row in rows)
        return finished

    def _drop_finished_rows(self) -> None:
        rows = self._rows
        count = sum(row.finish_reason is None for row in rows)
        if count == len(rows):
            return
        holes = [place for place in range(count) if rows[place].finish_reason]
        sources = [place for place in range(count, len(rows)) if not rows[place].finish_reason]
        moved = list(zip(sources, holes, strict=True))
        for source, hole in moved:
            rows[hole] = rows[source]
        del rows[count:]
        self._state.keep(rows, moved, min(self._max_rows, self._unfinished))
