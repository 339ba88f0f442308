"""The tokens that a forward and backward pass can have in the memory there is."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from rlvr_gym.errors import TrainingError
from rlvr_gym.memory import available_memory_bytes
from rlvr_trainers.learner.layout.chunks import chunk_tokens

SHARE = 0.5
"""Share of the available memory that a pass may use: samplers, and what the measured pass does not show, take more."""
_TOKENS = 64
"""Length of the rows that are measured, unless a model has fewer positions."""
_BUFFERS = 4
"""Buffers as large as a chunk's logits that exist at a time: of `token_logprobs`, and of its gradient."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SpreadPass:
    """A measured pass through weights that are spread over processes, which all make together.

    Args:
        forward: computes the hidden states of token ids (B, T).
        forget: leaves the weights, those above the hidden states too, without gradients and nothing gathered.
        gathered_bytes: of the weights that are whole at a time, at most.
    """

    forward: Callable[[Tensor], Tensor]
    forget: Callable[[], None]
    gathered_bytes: int


def token_budget(
    base: Any,
    head: Tensor,
    *,
    available_bytes: int | None = None,
    optimizer_bytes: int | None = None,
    spread: SpreadPass | None = None,
) -> int:
    """The largest power of two of padded tokens whose pass stays below a share of the memory that is available.

    Bytes are those of one measured pass, a token; gradients and AdamW's two moments, which are still to come, and a
    chunk of logits are put aside. A power of two, so that a resumed run most likely finds the same. Leaves gradients
    as they would be after `zero_grad`. Raises TrainingError where not even one token fits.

    Args:
        base: the module that computes hidden states.
        head: the weight (V, H) that makes logits of them.
        available_bytes: where another than this process's device knows.
        optimizer_bytes: what the optimizer keeps; None for two moments in the weights' format.
        spread: how all processes make a pass where they hold the weights in parts.
    """
    if available_bytes is None:
        available_bytes = _available(next(base.parameters()).device)
    trained = sum(local_bytes(p) for p in base.parameters() if p.requires_grad)
    moments = 2 * trained if optimizer_bytes is None else optimizer_bytes
    logits = chunk_tokens(len(head), head.device) * len(head) * 4
    each, fixed = _bytes_of_passes(base, spread)
    # Whole weights, and gradients as large, stand beside this process's parts while a layer is computed with.
    gathered = 0 if spread is None else 2 * spread.gathered_bytes + fixed
    aside = trained + moments + _BUFFERS * logits + gathered
    tokens = int((SHARE * available_bytes - aside) / each)
    if tokens < 1:
        raise TrainingError(
            f"batch.microbatch_tokens=auto: {SHARE:.0%} of {available_bytes / 1e9:.2f} GB of available memory is less "
            f"than gradients, optimizer and logits need ({aside / 1e9:.2f} GB) and {each / 1e6:.2f} MB for each token; "
            "possible: a smaller model, model.lora, or a number of tokens at your own risk"
        )
    return 1 << (tokens.bit_length() - 1)


def local_bytes(weight: Tensor) -> int:
    """Bytes of a weight, or of this process's part of it."""
    part = weight.to_local() if isinstance(weight, DTensor) else weight
    return part.numel() * part.element_size()


def _available(device: torch.device) -> int:
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return available_memory_bytes() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@torch.enable_grad()
def _bytes_of_passes(base: Any, spread: SpreadPass | None) -> tuple[float, int]:
    """Bytes that each token of a pass takes, and those that are the same for any number of tokens.

    A token's are those that a second row adds to the largest number of bytes alive: all else is the same in both.
    """
    if spread is not None:
        _peak_bytes(base, 1, spread)  # buffers that stay are made in the first pass
    one, two = (_peak_bytes(base, rows, spread) for rows in (1, 2))
    return max(1.0, (two - one) / _row_tokens(base)), max(0, 2 * one - two)


def _row_tokens(base: Any) -> int:
    return min(_TOKENS, getattr(base.config.get_text_config(), "max_position_embeddings", None) or _TOKENS)


def _peak_bytes(base: Any, rows: int, spread: SpreadPass | None) -> int:
    ids = torch.ones(rows, _row_tokens(base), dtype=torch.long, device=next(base.parameters()).device)
    with _LiveBytes() as live:
        hidden = _hidden(base, ids) if spread is None else spread.forward(ids)
        if hidden.requires_grad:
            hidden.sum().backward()
    if spread is None:
        base.zero_grad(set_to_none=True)
    else:
        spread.forget()
    return live.peak


def _hidden(base: Any, ids: Tensor) -> Tensor:
    return base(input_ids=ids, use_cache=False, return_dict=True).last_hidden_state


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors made under it, as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._alive = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(t.untyped_storage()) for t in _with_memory((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for tensor in _with_memory(result):
            if id(tensor.untyped_storage()) not in given:
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known[storage] = size
        self._alive += size
        self.peak = max(self.peak, self._alive)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self._alive -= size


def _with_memory(values: Any) -> list[Tensor]:
    """The tensors among values; of one that is spread over processes, this process's part, which has the memory."""
    tensors = (value for value in tree_leaves(values) if isinstance(value, Tensor))
    return [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]
