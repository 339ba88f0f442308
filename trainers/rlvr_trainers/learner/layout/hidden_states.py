"""Hidden states of a model's base, for sequences one a row, packed, or in bundles that share their prefixes.

Anything but one sequence a row is tried out on the model at hand before it is relied on.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn

from rlvr_gym.errors import ConfigError
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.prefixes import PrefixRows


class MaskKind(Enum):
    """The form in which a model takes a mask over all pairs of tokens."""

    BOOLEAN = "true where a token attends"
    ADDITIVE = "added to the attention's logits"


@dataclass(frozen=True, kw_only=True)
class Bundles:
    """Sequences of a batch that are computed together, their common prefixes once."""

    sizes: Sequence[int]
    """Of the runs of sequences that share a row of the model's input, in the batch's order."""
    mask: MaskKind


def predicting_states(base: nn.Module, batch: TokenBatch, bundles: Bundles | None) -> Tensor:
    """The hidden states (N, H) of the tokens before each action token; without bundles, as the batch is laid out."""
    if bundles is None:
        hidden, predictors_N = hidden_states(base, batch), batch.predictors_N
    else:
        rows = PrefixRows.of(batch, bundles.sizes)
        mask = _mask(base, rows.visible_RSS, bundles.mask)
        inputs = {"input_ids": rows.input_ids, "position_ids": rows.position_ids, "attention_mask": mask}
        hidden = base(**inputs, use_cache=False, return_dict=True).last_hidden_state
        predictors_N = rows.predictors_N
    return hidden.reshape(-1, hidden.shape[-1])[predictors_N]


def _mask(base: nn.Module, visible_RSS: Tensor, kind: MaskKind) -> Tensor:
    visible = visible_RSS[:, None]
    if kind is MaskKind.BOOLEAN:
        return visible
    dtype = next(base.parameters()).dtype
    # Eager attention has its softmax in float32 whatever the weights are in.
    lowest = max(torch.finfo(dtype).min, torch.finfo(torch.float32).min) / 2
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(~visible, lowest)


def hidden_states(base: nn.Module, batch: TokenBatch) -> Tensor:
    """The hidden states (R, S, H) of all tokens, as the batch is laid out."""
    if batch.is_packed:
        _verify_packing(base)
    inputs = {"input_ids": batch.input_ids}
    if counts_from_zero(base) or (batch.is_packed and _takes_positions(base)):
        inputs["position_ids"] = batch.position_ids
    return base(**inputs, use_cache=False, return_dict=True).last_hidden_state


def _takes_positions(base: nn.Module) -> bool:
    """A model that does not has relative positions."""
    return "position_ids" in inspect.signature(base.forward).parameters


_counting: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


@torch.no_grad()
def counts_from_zero(base: nn.Module) -> bool:
    """Return whether a model's positions begin at 0, as a batch's do; RoBERTa's begin after the id of its padding.

    False of a model that takes no positions. Found out once for each model, by passes through it.
    """
    if not _takes_positions(base):
        return False
    if base not in _counting:
        ids = torch.tensor([[5, 6, 7, 8]], device=next(base.parameters()).device)
        with torch.autocast(ids.device.type, enabled=False):
            told = base(
                input_ids=ids,
                position_ids=torch.arange(4, device=ids.device)[None],
                use_cache=False,
                return_dict=True,
            )
            alone = base(input_ids=ids, use_cache=False, return_dict=True)
        _counting[base] = agree(told.last_hidden_state, alone.last_hidden_state)
    return _counting[base]


_packs: weakref.WeakSet[nn.Module] = weakref.WeakSet()


@torch.no_grad()
def _verify_packing(base: nn.Module) -> None:
    """Raise ConfigError unless a sequence packed behind another is read as it is alone; once per model."""
    if base in _packs:
        return
    ids = torch.tensor([[3, 2, 1, 0, 0, 1, 2, 3]], device=next(base.parameters()).device)
    positions = torch.arange(4, device=ids.device).repeat(1, 2)
    with torch.autocast(ids.device.type, enabled=False):
        if _takes_positions(base):
            packed = base(input_ids=ids, position_ids=positions, use_cache=False, return_dict=True)
            alone = base(
                input_ids=ids[:, 4:], position_ids=positions[:, 4:], use_cache=False, return_dict=True
            )
            if agree(packed.last_hidden_state[:, 4:], alone.last_hidden_state):
                _packs.add(base)
                return
    raise ConfigError(f"{type(base).__name__} does not keep packed sequences apart: leave them one a row")


def agree(one: Tensor, other: Tensor) -> bool:
    """Return whether two ways to compute the same have the same result, but for rounding."""
    if one.shape != other.shape:
        return False
    tolerance = 2e-2 if one.dtype in (torch.bfloat16, torch.float16) else 1e-4
    return bool((one - other).abs().max() <= tolerance * other.abs().max())
