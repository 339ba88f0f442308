"""Work that a model can do together: tried out on the model at hand, and counted in operations.

A model shares prefixes if its hidden states are the same in a bundle as for each sequence alone. Mamba and its
relatives keep a state that runs through the row; sliding windows count tokens of the row, or hold in no mask of ours;
attention biases may be read off the row's columns. None of that is looked up: it shows.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from transformers import PreTrainedModel

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import Bundles, MaskKind, agree, predicting_states

P = ParamSpec("P")
T = TypeVar("T")

States = Callable[[PreTrainedModel, TokenBatch, Bundles | None], Tensor]
"""Computes hidden states as `predicting_states` does."""

_SMALLEST = 16
"""Width of the first rows that are tried: a model that does not share prefixes shows it there, at little cost."""
_FAULTS = (
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    LookupError,
    NotImplementedError,
    RuntimeError,
)
"""Errors of models that do not know what to do with a mask over pairs, or with rows as long."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Floating-point operations of a forward pass over a row of S tokens: each * S + pairs * S**2."""

    each: float
    pairs: float

    def alone(self, length: float) -> float:
        """Of a sequence in a row of its own, where attention skips what causality hides."""
        return self.each * length + self.pairs * length**2 / 2

    def bundled(self, width: float | np.ndarray) -> float | np.ndarray:
        """Of a row with a mask over its pairs, hidden ones included."""
        return self.each * width + self.pairs * width**2


def _for_each_architecture(look: Callable[P, T]) -> Callable[P, T]:
    """Look once in a process at each architecture with its settings, not at each copy of a model.

    Arguments given by name say how to look, not at what.
    """
    found: dict[tuple[object, ...], T] = {}
    settings: weakref.WeakKeyDictionary[PreTrainedModel, str] = weakref.WeakKeyDictionary()

    @wraps(look)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        base = args[0]
        assert isinstance(base, PreTrainedModel)
        weights = next(base.parameters())
        if base not in settings:
            settings[base] = base.config.to_json_string()  # takes milliseconds
        key = (type(base), settings[base], str(base.config._attn_implementation), weights.dtype)
        key = (*key, weights.device.type, *args[1:])
        if key not in found:
            with torch.no_grad(), torch.autocast(weights.device.type, enabled=False):
                found[key] = look(*args, **kwargs)
        return found[key]

    return remembered


def mask_kind(
    base: PreTrainedModel, longest: int, width: int, *, states: States = predicting_states
) -> MaskKind | None:
    """Find out how a model is told about bundles in rows of `width` tokens, sequences of `longest` among them.

    None where it does not compute them as it does each alone. Tried once for each doubling of either size, and with
    sequences no longer than the model has positions for; `states` computes with it.
    """
    kind = _tried(base, _SMALLEST // 2, _SMALLEST, states=states)
    if kind is None or width <= _SMALLEST:
        return kind
    length = min(_doubled(longest), max(longest, _positions(base)))
    return _tried(base, length, max(_doubled(width), length), states=states)


def operations(base: PreTrainedModel) -> Operations:
    """Count what a model's forward pass costs; raises what the model raises where it cannot be run so."""
    return _counted(base)


@_for_each_architecture
def _tried(base: PreTrainedModel, longest: int, width: int, *, states: States) -> MaskKind | None:
    batch = _comb(base, longest, width)

    def found_states(batch: TokenBatch, bundles: Bundles | None) -> Tensor | None:
        try:
            return states(base, batch, bundles)
        except torch.OutOfMemoryError:
            raise
        except _FAULTS:
            return None

    expected = [found_states(batch.select([row]), None) for row in (0, batch.size - 1)]
    for kind in MaskKind:
        found = found_states(batch, Bundles(sizes=[batch.size], mask=kind))
        if found is None:
            continue
        counts = batch.mask_BT.sum(1).tolist()
        ends = (found[: counts[0]], found[len(found) - counts[-1] :])
        if all(e is not None and agree(f, e) for f, e in zip(ends, expected, strict=True)):
            return kind
    return None


def _comb(base: PreTrainedModel, longest: int, width: int) -> TokenBatch:
    """A sequence of `longest` tokens and as many branches off it, and off one another, as fill `width` tokens."""
    rng = np.random.default_rng(0)
    vocabulary = base.config.get_text_config().vocab_size
    half = max(1, longest // 2)
    sequences = [rng.integers(0, vocabulary, longest).tolist()]
    total = longest
    while total < width or len(sequences) < 3:
        # Off the latest sequence, now in its middle and now at its third quarter: branches of branches.
        kept = half if len(sequences) % 2 else (half + longest) // 2
        own = rng.integers(0, vocabulary, longest - kept).tolist()
        own[0] = (sequences[-1][kept] + 1) % vocabulary
        sequences.append([*sequences[-1][:kept], *own])
        total += len(own)
    completions = [sequence[1:] for sequence in sequences]
    count = len(sequences)
    batch = TokenBatch.of_sequences(
        [sequence[:1] for sequence in sequences],
        completions,
        masks=[[True] * len(c) for c in completions],
        logprobs=[[0.0] * len(c) for c in completions],
        groups=[0] * count,
        scored=[True] * count,
    )
    return batch.to(next(base.parameters()).device)


def _doubled(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _positions(base: PreTrainedModel) -> int:
    """The number of positions that a model has, as far as its settings tell."""
    return getattr(base.config.get_text_config(), "max_position_embeddings", None) or 1 << 40


@_for_each_architecture
def _counted(base: PreTrainedModel) -> Operations:
    short, long = _flops(base, 8), _flops(base, 16)
    pairs = max(0, long - 2 * short) / (16**2 - 2 * 8**2)
    return Operations(each=(short - pairs * 8**2) / 8, pairs=pairs)


def _flops(base: PreTrainedModel, length: int) -> int:
    """Operations of a row of so many tokens.

    PyTorch has no count for its fused attention on a CPU. To write attention out instead would be no way: that is
    switched for all threads, and another may be sampling.
    """
    ids = torch.arange(length, device=next(base.parameters()).device)[None]
    ids = ids % base.config.get_text_config().vocab_size
    fused = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _of_attention}
    with FlopCounterMode(display=False, custom_mapping=fused) as counter:
        base(input_ids=ids, use_cache=False, return_dict=True)
    return counter.get_total_flops()


def _of_attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object
) -> int:
    """Count the products of attention between tensors of these shapes."""
    return sdpa_flop_count(query, key, value)
