"""The decoding loop: a prompt is computed once, rows advance together, finished ones leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from itertools import groupby

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.sampling import draw, uniforms
from rlvr_gym.generation.transformers.cache import Prefix, RowCache, prefixes
from rlvr_gym.tools.calls import ToolSpec
from rlvr_gym.verdicts import FinishReason

PREFILL_TOKENS = 8192
"""Prompt tokens in one forward pass, padding included; a single longer prompt goes alone."""
_PREFILL_LOGITS = 2**24
"""Logits of one such pass: a row for each prompt and each different length among them."""


class PromptSamples:
    """A prompt and its samples, one per random stream, each of at most `budget` tokens; `tools` are those it shows."""

    def __init__(
        self,
        index: int,
        prompt_ids: tuple[int, ...],
        budget: int,
        streams: Sequence[int],
        tools: Sequence[ToolSpec] = (),
    ) -> None:
        self.index, self.tools = index, tools
        self.prompt_ids = prompt_ids
        self.budget = budget
        self.rows = [Row(self, stream) for stream in streams]
        self.unfinished = len(self.rows)
        self.prefix: Prefix | None = None


class Row:
    """One sample while it grows."""

    def __init__(self, group: PromptSamples, stream: int) -> None:
        self.group = group
        self.stream = stream
        self.token_ids: list[int] = []
        self.logprobs: list[float] = []
        self.finish_reason: FinishReason | None = None

    @property
    def length(self) -> int:
        """Number of tokens the model has been shown: all but the latest."""
        return len(self.group.prompt_ids) + len(self.token_ids) - 1

    def append(self, token: int, logprob: float, end_ids: Collection[int]) -> None:
        """Take a drawn token; the row is finished after an end token, and when its group's budget is spent."""
        self.token_ids.append(token)
        self.logprobs.append(logprob)
        if token in end_ids:
            self.finish_reason = FinishReason.STOP
        elif len(self.token_ids) == self.group.budget:
            self.finish_reason = FinishReason.LENGTH


def record(
    rows: Sequence[Row], tokens: Tensor, logprobs: Tensor, end_ids: Collection[int]
) -> list[PromptSamples]:
    """Append a drawn token to each row; returns the groups that this finished."""
    finished: list[PromptSamples] = []
    for row, token, logprob in zip(rows, tokens.flatten().tolist(), logprobs.flatten().tolist(), strict=True):
        row.append(token, logprob, end_ids)
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
        model: PreTrainedModel,
        groups: Sequence[PromptSamples],
        sampling: SamplingParams,
        *,
        end_ids: Collection[int],
        max_rows: int,
        max_tokens: int,
    ) -> None:
        self._model, self._sampling, self._end_ids = model, sampling, end_ids
        self.stopped = False
        self._device = next(model.parameters()).device
        self._vocabulary: int = model.config.get_text_config().vocab_size
        # Longest first: rows are aligned at their latest token, so that a prompt which joins later always
        # fits into the columns that are there.
        self._pending = deque(sorted(groups, key=lambda group: -len(group.prompt_ids)))
        self._waiting: deque[Row] = deque()
        self._rows: list[Row] = []
        self._unfinished = sum(group.unfinished for group in groups)
        self._budget = max((group.budget for group in groups), default=1)
        widest = max((len(group.prompt_ids) + group.budget for group in groups), default=1)
        self._max_rows = max(1, min(max_rows, max_tokens // widest, self._unfinished))
        self._cache: RowCache | None = None

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
        self._join([self._waiting.popleft() for _ in range(min(places, len(self._waiting)))])
        return finished

    def _prefill(self, places: int) -> list[PromptSamples]:
        """Compute prompts enough for `places` rows, and draw the first token of each of their samples."""
        groups = self._next_prompts(places)
        logits = self._forward_prompts(groups)
        rows = [row for group in groups for row in group.rows]
        uniform = uniforms([row.stream for row in rows], [0] * len(rows)).view(len(groups), -1)
        finished = self._record(rows, *draw(logits, self._sampling, uniform))
        self._waiting.extend(row for row in rows if row.finish_reason is None)
        return finished

    def _next_prompts(self, places: int) -> list[PromptSamples]:
        groups = [self._pending.popleft()]
        longest, n = len(groups[0].prompt_ids), len(groups[0].rows)
        lengths = {longest}
        while self._pending and len(groups) * n < places:
            count = len(groups) + 1
            lengths.add(len(self._pending[0].prompt_ids))
            if count * longest > PREFILL_TOKENS or count * len(lengths) * self._vocabulary > _PREFILL_LOGITS:
                break
            groups.append(self._pending.popleft())
        return groups

    def _forward_prompts(self, groups: Sequence[PromptSamples]) -> Tensor:
        """The logits (B, V) after each group's prompt; leaves its keys and values in `prefix`.

        Padding stands on the right, where causal attention hides it without a mask.
        """
        lengths = [len(group.prompt_ids) for group in groups]
        ids = torch.zeros(len(groups), max(lengths), dtype=torch.long)
        for row, group in enumerate(groups):
            ids[row, : lengths[row]] = torch.tensor(group.prompt_ids)
        ends, place = torch.unique(torch.tensor(lengths) - 1, return_inverse=True)
        cache = DynamicCache()
        logits = self._model(
            input_ids=ids.to(self._device),
            position_ids=torch.arange(ids.shape[1], device=self._device).expand(ids.shape),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=ends.to(self._device),
        ).logits
        for group, prefix in zip(groups, prefixes(cache, lengths), strict=True):
            group.prefix = prefix
        return logits[torch.arange(len(groups), device=logits.device), place.to(logits.device)]

    def _join(self, rows: Sequence[Row]) -> None:
        newcomers: list[tuple[Prefix, int]] = []
        for group, members in groupby(rows, key=lambda row: row.group):
            assert group.prefix is not None
            newcomers.append((group.prefix, len(list(members))))
        if not newcomers:
            return
        if self._cache is None:
            self._cache = RowCache(len(newcomers[0][0].layers), self._max_rows)
        self._rows.extend(rows)
        self._cache.add(newcomers, self._to_come())

    def _decode(self) -> list[PromptSamples]:
        """One more token for every row."""
        rows, cache = self._rows, self._cache
        assert cache is not None
        lengths = torch.tensor([row.length for row in rows], device=self._device)
        latest = torch.tensor([row.token_ids[-1] for row in rows], device=self._device)
        logits = self._model(
            input_ids=latest[:, None],
            position_ids=lengths[:, None],
            attention_mask=self._mask(lengths, cache.width),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        cache.advance(self._to_come())
        uniform = uniforms([row.stream for row in rows], [len(row.token_ids) for row in rows])
        finished = self._record(rows, *draw(logits, self._sampling, uniform[:, None]))
        self._drop_finished_rows()
        return finished

    def _to_come(self) -> int:
        """Largest number of tokens that the rows, and those still to join them, can gain."""
        if self._pending or self._waiting:
            return self._budget
        return max(row.group.budget - len(row.token_ids) for row in self._rows)

    def _mask(self, lengths: Tensor, width: int) -> Tensor | None:
        """Mask the columns that each row may see: its own (`lengths`), at the right of `width`, and the new one."""
        if all(row.length == width for row in self._rows):
            return None
        return torch.arange(width + 1, device=self._device) >= width - lengths[:, None]

    def _record(self, rows: Sequence[Row], tokens: Tensor, logprobs: Tensor) -> list[PromptSamples]:
        finished = record(rows, tokens, logprobs, self._end_ids)
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
        assert self._cache is not None
        self._cache.keep(count, max((row.length for row in rows), default=0), moved)
        self._cache.max_rows = min(self._max_rows, self._unfinished)
