"""Log-probabilities of action tokens, without ever holding the logits of more than a chunk of them.

The base model gives hidden states; the head turns those that predict an action token, and no others, into
logits, chunk by chunk, in the forward pass and again in the backward pass.

Shapes: B sequences, T completion tokens, N action tokens, C tokens of a chunk, H hidden, V vocabulary.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rlvr_trainers.batch import TokenBatch

Head = Callable[[Tensor], Tensor]
"""Hidden states (C, H) -> logits (C, V)."""


def token_logprobs(
    model: nn.Module,
    batch: TokenBatch,
    *,
    temperature: float,
    chunk_tokens: int = 1024,
    with_entropy: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """log_softmax(logits / temperature) of each action token, and the entropy of each such distribution.

    Both are (B, T), 0 outside `batch.mask_BT`, at least float32, and carry gradient where it is enabled.
    Dropout is the caller's to switch off.

    Args:
        model: a transformers causal LM, or a peft model around one.
        batch: what it reads, padded or packed.
        temperature: the sampling temperature.
        chunk_tokens: how many tokens' logits exist at a time.
        with_entropy: whether to compute entropies; None is returned otherwise.
    """
    base, head = _parts(model)
    targets_N = batch.targets_N
    hidden = _hidden_states(base, batch)
    hidden_NH = hidden.reshape(-1, hidden.shape[-1])[batch.predictors_N]
    values = _chunked(head, hidden_NH, targets_N, temperature, chunk_tokens, with_entropy)
    logprobs_BT, entropy_BT = (_scattered(value, batch.mask_BT) for value in values)
    return logprobs_BT, entropy_BT if with_entropy else None


def _scattered(values_N: Tensor, mask_BT: Tensor) -> Tensor:
    return values_N.new_zeros(mask_BT.shape).masked_scatter(mask_BT, values_N)


def _hidden_states(base: nn.Module, batch: TokenBatch) -> Tensor:
    takes_positions = "position_ids" in inspect.signature(base.forward).parameters
    positions = {"position_ids": batch.position_ids} if takes_positions else {}
    output = base(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        use_cache=False,
        return_dict=True,
        **positions,
    )
    return output.last_hidden_state


def _chunked(
    head: Head,
    hidden_NH: Tensor,
    targets_N: Tensor,
    temperature: float,
    chunk_tokens: int,
    with_entropy: bool,
) -> tuple[Tensor, Tensor]:
    def chunk(hidden_CH: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
        return _logprobs_of(head(hidden_CH), targets_C, temperature, with_entropy)

    parts = []
    for hidden_CH, targets_C in zip(
        hidden_NH.split(chunk_tokens), targets_N.split(chunk_tokens), strict=True
    ):
        if torch.is_grad_enabled():
            parts.append(
                checkpoint(chunk, hidden_CH, targets_C, use_reentrant=False, preserve_rng_state=False)
            )
        else:
            parts.append(chunk(hidden_CH, targets_C))
    logprobs, entropies = zip(*parts, strict=True)
    return torch.cat(logprobs), torch.cat(entropies)


def _logprobs_of(
    logits_CV: Tensor, targets_C: Tensor, temperature: float, with_entropy: bool
) -> tuple[Tensor, Tensor]:
    z_CV = logits_CV.to(torch.promote_types(logits_CV.dtype, torch.float32)) / temperature
    lse_C = z_CV.logsumexp(-1)
    logprobs_C = z_CV.gather(-1, targets_C[:, None])[:, 0] - lse_C
    if not with_entropy:
        return logprobs_C, torch.zeros_like(logprobs_C)
    return logprobs_C, lse_C - ((z_CV - lse_C[:, None]).exp() * z_CV).sum(-1)


_known_parts: weakref.WeakKeyDictionary[nn.Module, tuple[nn.Module, Head]] = weakref.WeakKeyDictionary()


def _parts(model: Any) -> tuple[nn.Module, Head]:
    causal_lm = model.get_base_model() if hasattr(model, "get_base_model") else model
    return causal_lm.base_model, causal_lm.get_output_embeddings()
