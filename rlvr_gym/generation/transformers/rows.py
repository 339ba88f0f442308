"""A model that keeps keys and values, and the ways in which its rows advance: a token at a time, or as `RowState` says.

Shapes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any, Protocol, final

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.sampling import draw, uniforms
from rlvr_gym.generation.stops import StopStrings
from rlvr_gym.generation.transformers.cache import Prefix, RowCache, prefixes
from rlvr_gym.tools.calls import ToolSpec
from rlvr_gym.verdicts import FinishReason


class PromptSamples:
    """A prompt and its samples, one per random stream, each of at most `budget` tokens; `tools` are those it shows.

    A sample ends after one of the `stop` strings.
    """

    def __init__(
        self,
        index: int,
        prompt_ids: tuple[int, ...],
        budget: int,
        streams: Sequence[int],
        tools: Sequence[ToolSpec] = (),
        stop: StopStrings | None = None,
    ) -> None:
        self.index, self.tools, self.stop = index, tools, stop
        self.prompt_ids = prompt_ids
        self.budget = budget
        self.rows = [Row(self, stream) for stream in streams]
        self.unfinished = len(self.rows)
        self.prefixes: tuple[Prefix, ...] = ()
        """The prompt's keys and values, of each model that reads it."""


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

    @property
    def remaining(self) -> int:
        """Number of tokens that it may still gain."""
        return self.group.budget - len(self.token_ids)

    def ends(self, end_ids: Collection[int], more: Sequence[int] = ()) -> bool:
        """Return whether its last token, after it has gained `more`, ends it: an end token, or one that stops it."""
        stop = self.group.stop
        last = more[-1] if more else self.token_ids[-1]
        if last in end_ids or stop is None:
            return last in end_ids
        return stop.end([*self.token_ids, *more] if more else self.token_ids)


Drawn = tuple[list[list[int]], list[list[float]]]
"""The new tokens of each row, none after an end token and none beyond its budget; and their log-probabilities."""


class RowState(Protocol):
    """The state that rows are decoded from. Rows are always the same list, in the same order, as it was told."""

    @property
    def vocabulary(self) -> int:
        """Number of logits."""
        ...

    def start(self, groups: Sequence[PromptSamples]) -> Tensor:
        """Read these prompts, whose `prefixes` it leaves; returns the logits (B, V) after them."""
        ...

    def join(self, rows: Sequence[Row], max_rows: int, to_come: int) -> None:
        """Append rows, whose first token is drawn. `max_rows` and `to_come` are those of `RowCache`."""
        ...

    def advance(self, rows: Sequence[Row], sampling: SamplingParams, to_come: int) -> Drawn:
        """Draw one token or more for every row."""
        ...

    def keep(self, rows: Sequence[Row], moved: Sequence[tuple[int, int]], max_rows: int) -> None:
        """Go on with `rows`, of which some have `moved` to places of others: pairs of (from, to)."""
        ...


@final
class OneByOne:
    """Rows that gain one token with each forward pass: a `RowState`."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = CachedModel(model)
        self.vocabulary = self._model.vocabulary

    def start(self, groups: Sequence[PromptSamples]) -> Tensor:
        """Read prompts, as `RowState.start` says."""
        logits, kept = self._model.read_prompts([group.prompt_ids for group in groups])
        for group, prefix in zip(groups, kept, strict=True):
            group.prefixes = (prefix,)
        return logits

    def join(self, rows: Sequence[Row], max_rows: int, to_come: int) -> None:
        """Append rows, as `RowState.join` says."""
        self._model.join(begun(rows, 0), max_rows, to_come)

    def advance(self, rows: Sequence[Row], sampling: SamplingParams, to_come: int) -> Drawn:
        """Draw a token for every row, as `RowState.advance` says."""
        latest = torch.tensor([row.token_ids[-1:] for row in rows])
        logits = self._model.read(latest, [row.length for row in rows], to_come)[:, -1]
        uniform = uniforms([row.stream for row in rows], [len(row.token_ids) for row in rows])
        tokens, logprobs = draw(logits, sampling, uniform[:, None])
        return tokens.tolist(), logprobs.tolist()

    def keep(self, rows: Sequence[Row], moved: Sequence[tuple[int, int]], max_rows: int) -> None:
        """Go on with these rows, as `RowState.keep` says."""
        self._model.keep([row.length for row in rows], moved, max_rows)


def begun(rows: Sequence[Row], place: int) -> list[tuple[Prefix, int]]:
    """Prefixes of the model at `place` among those that read the prompts, and how many of the rows begin with each."""
    groups = groupby(rows, key=lambda row: row.group)
    return [(group.prefixes[place], len(list(members))) for group, members in groups]


@final
class CachedModel:
    """A model, and the keys and values of the rows that it decodes.

    With `keep_states`, `states` are the hidden states (B, T, H) of the tokens that it has read last.
    """

    def __init__(self, model: PreTrainedModel, *, keep_states: bool = False) -> None:
        self.states: Tensor | None = None
        self._more: dict[str, bool] = {"output_hidden_states": True} if keep_states else {}
        self.device = next(model.parameters()).device
        self.vocabulary: int = model.config.get_text_config().vocab_size
        self._model = model
        self._cache: RowCache | None = None

    def read_prompts(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, list[Prefix]]:
        """The logits (B, V) after each prompt, and its keys and values.

        Padding stands on the right, where causal attention hides it without a mask.
        """
        lengths = [len(prompt) for prompt in prompts]
        ids = torch.zeros(len(prompts), max(lengths), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, : lengths[row]] = torch.tensor(prompt)
        ends, place = torch.unique(torch.tensor(lengths) - 1, return_inverse=True)
        cache = DynamicCache()
        output = self._model(
            input_ids=ids.to(self.device),
            position_ids=torch.arange(ids.shape[1], device=self.device).expand(ids.shape),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=ends.to(self.device),
            **self._more,
        )
        self._keep_states(output)
        logits = output.logits
        after = logits[torch.arange(len(prompts), device=logits.device), place.to(logits.device)]
        return after, prefixes(cache, lengths)

    def join(self, newcomers: Sequence[tuple[Prefix, int]], max_rows: int, to_come: int) -> None:
        """Append rows: pairs of (prefix, how many rows begin with it)."""
        if self._cache is None:
            self._cache = RowCache(len(newcomers[0][0].layers), max_rows)
        self._cache.add(newcomers, to_come)

    def read(self, ids: Tensor, lengths: Sequence[int], to_come: int, *, last: int = 1) -> Tensor:
        """Read `ids` (B, T), which follow the `lengths` tokens of each row; returns the logits of the `last` ones."""
        cache, tokens = self._cache, ids.shape[1]
        assert cache is not None
        cache.make_room(tokens, to_come)
        known = torch.tensor(lengths, device=self.device)[:, None]
        output = self._model(
            input_ids=ids.to(self.device),
            position_ids=known + torch.arange(tokens, device=self.device),
            attention_mask=self._mask(known, lengths, tokens),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=last,
            **self._more,
        )
        self._keep_states(output)
        cache.advance(tokens)
        return output.logits[:, -last:]

    def cut_back(self, excess: Sequence[int]) -> None:
        """Forget the latest `excess` tokens of each row."""
        assert self._cache is not None
        self._cache.cut_back(excess)

    def keep(self, lengths: Sequence[int], moved: Sequence[tuple[int, int]], max_rows: int) -> None:
        """Go on with rows of these lengths, after moving some: pairs of (from, to)."""
        assert self._cache is not None
        self._cache.keep(len(lengths), max(lengths, default=0), moved)
        self._cache.max_rows = max_rows

    def _keep_states(self, output: Any) -> None:
        if self._more:
            self.states = output.hidden_states[-1]

    def _mask(self, known: Tensor, lengths: Sequence[int], tokens: int) -> Tensor | None:
        """Mask the columns that each row may see: its own, at the right of the cache, and the new ones."""
        assert self._cache is not None
        width = self._cache.width
        if all(length == width for length in lengths):
            return None
        return torch.arange(width + tokens, device=self.device) >= width - known
