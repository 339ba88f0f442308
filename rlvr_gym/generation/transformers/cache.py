"""Keys and values of a changing set of rows, in buffers that are written in place.

transformers' own dynamic cache copies everything it holds at each token; here a token costs its own size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedConfig, cache_utils
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)

EMPTY_LAYER: type[Any] = getattr(cache_utils, "DummyLayer", NoneType)
"""Stands for a layer that keeps nothing. Older versions of transformers, such as vLLM asks for, have no such class."""


def keeps_only_keys_and_values(config: PreTrainedConfig) -> bool:
    """Return whether every layer of such a model keeps only keys and values, as far as its settings tell."""
    kinds = {type(layer) for layer in _layers(config)}
    return bool(kinds) and kinds <= {DynamicLayer, DynamicSlidingWindowLayer, EMPTY_LAYER}


def window(config: PreTrainedConfig) -> int:
    """Size of the widest sliding window of such a model, in tokens; 0 if it has none."""
    return max(
        (layer.get_max_length() for layer in _layers(config) if isinstance(layer, DynamicSlidingWindowLayer)),
        default=0,
    )


def _layers(config: PreTrainedConfig) -> Sequence[CacheLayerMixin]:
    """The cache layers that transformers would make for each layer; empty if it cannot say."""
    try:
        return cast("list[CacheLayerMixin]", DynamicCache(config=config).layers)
    except (AttributeError, LookupError, TypeError, ValueError):
        return ()


@dataclass(frozen=True, slots=True)
class Prefix:
    """One prompt's keys and values: for each layer two tensors (heads, length, head size)."""

    layers: Sequence[tuple[Tensor, Tensor]]
    length: int

    def without_last(self) -> Prefix:
        """The same without the prompt's last token."""
        return Prefix([(keys[:, :-1], values[:, :-1]) for keys, values in self.layers], self.length - 1)


def prefixes(cache: DynamicCache, lengths: Sequence[int]) -> list[Prefix]:
    """The rows of a cache that a forward pass over right-padded prompts has filled, without the padding."""
    filled: list[tuple[Tensor, Tensor]] = []
    for layer in cache.layers:
        assert isinstance(layer, DynamicLayer)
        assert layer.keys is not None
        assert layer.values is not None
        filled.append((layer.keys, layer.values))
    return [
        Prefix([(keys[row, :, :length], values[row, :, :length]) for keys, values in filled], length)
        for row, length in enumerate(lengths)
    ]


@dataclass(slots=True)
class _Window:
    """The part of the buffers in use: rows [0, rows), columns [start, end)."""

    rows: int = 0
    start: int = 0
    end: int = 0


class RowCache(Cache):
    """A cache whose rows come and go while others are decoded.

    Rows are aligned at their latest token, which stands in the same column for all: a row of `length` tokens
    fills the columns [end - length, end) of the window, and what stands to the left of it is padding, finite
    numbers that the attention mask must hide. Removing rows moves others into their places.

    Args:
        layers: how many attention layers the model has.
        max_rows: how many rows the buffers hold; may be lowered later, to shrink them when they next grow.
    """

    def __init__(self, layers: int, max_rows: int) -> None:
        self.max_rows = max_rows
        self._window = _Window()
        self._columns = 0
        super().__init__(layers=[_RowLayer(self._window) for _ in range(layers)])

    @property
    def width(self) -> int:
        """Number of columns in use."""
        return self._window.end - self._window.start

    def add(self, newcomers: Sequence[tuple[Prefix, int]], to_come: int) -> None:
        """Append rows: pairs of (prefix, how many rows begin with it).

        No prefix may be wider than `width`, unless the cache is empty. `to_come` is how many tokens are still
        expected at most; buffers are not made wider than that asks for.
        """
        window = self._window
        if window.rows == 0:
            window.start, window.end = 0, max(prefix.length for prefix, _ in newcomers)
        if window.end >= self._columns:
            self._lay_out(newcomers[0][0].layers, 1, to_come)
        for prefix, count in newcomers:
            for layer, (keys, values) in zip(self._row_layers, prefix.layers, strict=True):
                layer.insert(keys, values, count)
            window.rows += count

    def make_room(self, tokens: int, to_come: int) -> None:
        """Have columns for the `tokens` of each row that a forward pass is going to write."""
        if self._window.end + tokens > self._columns:
            # One layer at a time, so that no more than one layer's old buffers stand beside the new ones.
            self._lay_out((layer.row for layer in self._row_layers), tokens, to_come)

    def advance(self, tokens: int) -> None:
        """Take the columns that a forward pass has written into the window."""
        self._window.end += tokens

    def cut_back(self, excess: Sequence[int]) -> None:
        """Forget the latest `excess` tokens of each row, and align the rows at what is then their latest."""
        least = min(excess)
        for by in sorted(set(excess) - {least}):
            rows = torch.tensor([row for row, count in enumerate(excess) if count == by])
            for layer in self._row_layers:
                layer.shift(rows, by - least)
        self._window.end -= least

    def keep(self, rows: int, width: int, moved: Sequence[tuple[int, int]]) -> None:
        """Shrink to `rows` rows and the last `width` columns, after moving rows: pairs of (from, to)."""
        if moved:
            sources, targets = torch.tensor(moved).unbind(dim=1)
            for layer in self._row_layers:
                layer.move(sources, targets)
        self._window.rows, self._window.start = rows, self._window.end - width

    @property
    def _row_layers(self) -> list[_RowLayer]:
        return cast("list[_RowLayer]", self.layers)

    def _lay_out(self, like: Iterable[tuple[Tensor, Tensor]], tokens: int, to_come: int) -> None:
        """New buffers, a quarter wider than the window, which moves to their first columns."""
        width = self.width
        self._columns = width + max(tokens, min(to_come, max(32, width // 4)))
        for layer, (keys, values) in zip(self._row_layers, like, strict=True):
            layer.lay_out(self.max_rows, self._columns, keys, values)
        self._window.start, self._window.end = 0, width


class _RowLayer(CacheLayerMixin):
    """One layer of a `RowCache`; `keys` and `values` are buffers (rows, heads, columns, head size)."""

    is_sliding = False

    def __init__(self, window: _Window) -> None:
        super().__init__()
        self._window = window

    @property
    def buffers(self) -> tuple[Tensor, Tensor]:
        """Keys and values of all rows and columns, in use or not."""
        assert self.keys is not None
        assert self.values is not None
        return self.keys, self.values

    @property
    def row(self) -> tuple[Tensor, Tensor]:
        """Keys and values of the first row, as in a `Prefix`."""
        keys, values = self.buffers
        return keys[0], values[0]

    def lay_out(self, rows: int, columns: int, keys: Tensor, values: Tensor) -> None:
        """Replace the buffers by larger ones, shaped like `keys` and `values`, and copy the window."""
        self.keys = self._enlarged(self.keys, rows, columns, keys)
        self.values = self._enlarged(self.values, rows, columns, values)
        self.is_initialized = True

    def _enlarged(self, buffer: Tensor | None, rows: int, columns: int, like: Tensor) -> Tensor:
        heads, _, size = like.shape
        larger = like.new_zeros(rows, heads, columns, size)
        window = self._window
        if buffer is not None and window.rows:
            used = buffer[: window.rows, :, window.start : window.end]
            larger[: window.rows, :, : window.end - window.start] = used
        return larger

    def insert(self, keys: Tensor, values: Tensor, count: int) -> None:
        """Write `count` rows that begin with `keys` and `values` after the rows in use."""
        rows = slice(self._window.rows, self._window.rows + count)
        columns = slice(self._window.end - keys.shape[1], self._window.end)
        for buffer, prefix in zip(self.buffers, (keys, values), strict=True):
            buffer[rows, :, columns] = prefix

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Copy the rows `sources` onto the rows `targets`."""
        columns = slice(self._window.start, self._window.end)
        for buffer in self.buffers:
            used = buffer[:, :, columns]
            used[targets.to(used.device)] = used[sources.to(used.device)]

    def shift(self, rows: Tensor, columns: int) -> None:
        """Move these rows to the right by so many columns, over their latest tokens."""
        window = self._window
        for buffer in self.buffers:
            at = rows.to(buffer.device)
            buffer[at, :, window.start + columns : window.end] = buffer[
                at, :, window.start : window.end - columns
            ]

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write keys and values of new tokens (rows, heads, tokens, head size); returns all that rows attend to."""
        keys, values = self.buffers
        window = self._window
        rows, end = slice(window.rows), window.end + key_states.shape[2]
        keys[rows, :, window.end : end] = key_states
        values[rows, :, window.end : end] = value_states
        columns = slice(window.start, end)
        return keys[rows, :, columns], values[rows, :, columns]

    def get_seq_length(self) -> int:
        """Number of columns that a query sees besides its own."""
        return self._window.end - self._window.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys that `update` will return."""
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        """No maximum: the buffers grow."""
        return -1

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: `lay_out` comes before the first `update`."""
