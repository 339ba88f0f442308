"""Log-probabilities of action tokens, without ever holding the logits of more than a chunk of them.

The base model gives hidden states; the head turns those that predict an action token, and no others, into
logits, chunk by chunk, in the forward pass and again in the backward pass.

Shapes: B sequences, T completion tokens, N action tokens, C tokens of a chunk, H hidden, V vocabulary.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.transformers.base import base_model, unwrapped
from rlvr_gym.generation.transformers.head import Float32Linear
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.chunks import chunk_tokens
from rlvr_trainers.learner.layout.hidden_states import Bundles, agree, predicting_states

Head = Callable[[Tensor], Tensor]
"""Hidden states (C, H) -> logits (C, V)."""


def token_logprobs(
    model: nn.Module,
    batch: TokenBatch,
    *,
    temperature: float,
    chunk: int | None = None,
    with_entropy: bool = False,
    bundles: Bundles | None = None,
) -> tuple[Tensor, Tensor | None]:
    """log_softmax(logits / temperature) of each action token, and the entropy of each such distribution.

    Both are (B, T), 0 outside `batch.mask_BT`, at least float32, and carry gradient where it is enabled.
    Dropout is the caller's to switch off.

    Args:
        model: a transformers causal LM, or a peft model around one.
        batch: what it reads, padded or packed.
        temperature: the sampling temperature.
        chunk: how many tokens' logits exist at a time; None is as many as the device does well with.
        with_entropy: whether to compute entropies; None is returned otherwise.
        bundles: the sequences that are computed together, of a batch that lies one a row; None computes each alone.
    """
    causal_lm = unwrapped(model)
    hidden_NH = predicting_states(base_model(causal_lm), batch, bundles)
    if chunk is None:
        chunk = _chunk(causal_lm, hidden_NH)
    how = (temperature, chunk, with_entropy)
    logprobs_N, entropy_N = _head_logprobs(head_of(model), hidden_NH, batch.targets_N, *how)
    entropy_BT = None if entropy_N is None else _scattered(entropy_N, batch.mask_BT)
    return _scattered(logprobs_N, batch.mask_BT), entropy_BT


def head_logprobs(
    model: nn.Module, hidden_NH: Tensor, targets_N: Tensor, temperature: float, *, chunk: int | None = None
) -> Tensor:
    """log_softmax(logits / temperature) of each target (N,), by the model's head on hidden states, at least float32."""
    if chunk is None:
        chunk = _chunk(unwrapped(model), hidden_NH)
    return _head_logprobs(head_of(model), hidden_NH, targets_N, temperature, chunk, False)[0]


def _chunk(causal_lm: Any, hidden_NH: Tensor) -> int:
    return chunk_tokens(len(causal_lm.get_output_embeddings().weight), hidden_NH.device)


def _head_logprobs(
    head: Head,
    hidden_NH: Tensor,
    targets_N: Tensor,
    temperature: float,
    chunk: int,
    with_entropy: bool,
) -> tuple[Tensor, Tensor | None]:
    how = (temperature, chunk, with_entropy)
    # Subclasses of others (quantized layers) compute other things.
    if isinstance(head, nn.Linear) and type(head) in (nn.Linear, Float32Linear):
        return _linear_head_logprobs(head, hidden_NH, targets_N, *how)
    return _any_head_logprobs(head, hidden_NH, targets_N, *how)


def _scattered(values_N: Tensor, mask_BT: Tensor) -> Tensor:
    return values_N.new_zeros(mask_BT.shape).masked_scatter(mask_BT, values_N)


def _any_head_logprobs(
    head: Head,
    hidden_NH: Tensor,
    targets_N: Tensor,
    temperature: float,
    chunk: int,
    with_entropy: bool,
) -> tuple[Tensor, Tensor | None]:
    """By autograd, with every chunk's logits computed again in the backward pass."""

    def score(hidden_CH: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
        z_CV = _at_least_float32(head(hidden_CH)) / temperature
        logp_CV = z_CV.log_softmax(-1)
        logprobs_C = logp_CV.gather(-1, targets_C[:, None])[:, 0]
        return logprobs_C, -(logp_CV.exp() * logp_CV).sum(-1) if with_entropy else logprobs_C

    chunks = zip(hidden_NH.split(chunk), targets_N.split(chunk), strict=True)
    if torch.is_grad_enabled():
        parts = [checkpoint(score, *each, use_reentrant=False, preserve_rng_state=False) for each in chunks]
    else:
        parts = [score(*each) for each in chunks]
    logprobs, entropies = zip(*parts, strict=True)
    return torch.cat(logprobs), torch.cat(entropies) if with_entropy else None


def _linear_head_logprobs(
    head: nn.Linear,
    hidden_NH: Tensor,
    targets_N: Tensor,
    temperature: float,
    chunk: int,
    with_entropy: bool,
) -> tuple[Tensor, Tensor | None]:
    """With the gradient written out, which needs one buffer of logits where autograd needs several."""
    device = hidden_NH.device.type
    lower = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if lower else head.weight.dtype
    if isinstance(head, Float32Linear):
        dtype = torch.promote_types(head.weight.dtype, torch.float32)
    with torch.autocast(
        device, enabled=False
    ):  # which would take the products in the lower precision after all
        logprobs_N, entropy_N = _LinearLogprobs.apply(
            hidden_NH, head.weight, head.bias, targets_N, temperature, chunk, with_entropy, dtype
        )
    return logprobs_N, entropy_N if with_entropy else None


class _LinearLogprobs(torch.autograd.Function):
    """log p[target] and H of p = softmax(z), z = (hidden @ weight.T + bias) / temperature.

    d log p[y] / dz = onehot(y) - p;  dH / dz = -p (log p + H).
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_NH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor | None,
        targets_N: Tensor,
        temperature: float,
        chunk: int,
        with_entropy: bool,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        logprobs_N = hidden_NH.new_empty(len(targets_N), dtype=torch.promote_types(dtype, torch.float32))
        lse_N, entropy_N = torch.empty_like(logprobs_N), torch.zeros_like(logprobs_N)
        ctx.temperature, ctx.chunk, ctx.dtype = temperature, chunk, dtype
        weight, bias = weight_VH.to(dtype), None if bias_V is None else bias_V.to(dtype)
        for rows in _chunks(len(targets_N), chunk):
            z_CV = _scaled_logits(hidden_NH[rows].to(dtype), weight, bias, temperature)
            at_target_C = z_CV.gather(-1, targets_N[rows, None])[:, 0]
            logp_CV = z_CV.log_softmax(-1)
            logprobs_N[rows] = logp_CV.gather(-1, targets_N[rows, None])[:, 0]
            lse_N[rows] = at_target_C - logprobs_N[rows]
            if with_entropy:
                entropy_N[rows] = -torch.exp(logp_CV, out=z_CV).mul_(logp_CV).sum(-1)
        ctx.save_for_backward(hidden_NH, weight_VH, bias_V, targets_N, lse_N, entropy_N)
        ctx.set_materialize_grads(False)
        return logprobs_N, entropy_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        hidden_NH, weight_VH, bias_V, targets_N, lse_N, entropy_N = ctx.saved_tensors
        grad_logprobs_N, grad_entropy_N = grads
        if grad_logprobs_N is None:
            grad_logprobs_N = torch.zeros_like(lse_N)
        weight, bias = weight_VH.to(ctx.dtype), None if bias_V is None else bias_V.to(ctx.dtype)
        trains_hidden, trains_weight, trains_bias = ctx.needs_input_grad[:3]
        grad_hidden = torch.zeros_like(hidden_NH) if trains_hidden else None
        # Chunks are added up in more than 16 bits.
        grad_weight = torch.zeros_like(weight_VH, dtype=lse_N.dtype) if trains_weight else None
        grad_bias = torch.zeros_like(bias_V) if trains_bias else None  # pyright: ignore[reportArgumentType]
        for rows in _chunks(len(targets_N), ctx.chunk):
            hidden_CH = hidden_NH[rows].to(ctx.dtype)
            logp_CV = _scaled_logits(hidden_CH, weight, bias, ctx.temperature).sub_(lse_N[rows, None])
            grad_entropy_C = None if grad_entropy_N is None else grad_entropy_N[rows]
            grad_CV = _grad_logits(
                logp_CV, targets_N[rows], entropy_N[rows], grad_logprobs_N[rows], grad_entropy_C
            )
            grad_CV = grad_CV.div_(ctx.temperature).to(ctx.dtype)
            if grad_hidden is not None:
                grad_hidden[rows] = (grad_CV @ weight).to(grad_hidden.dtype)
            if grad_weight is not None:
                _add_product(grad_weight, grad_CV.T, hidden_CH)
            if grad_bias is not None:
                grad_bias += grad_CV.sum(0)
        if grad_weight is not None:
            grad_weight = grad_weight.to(weight_VH.dtype)
        return grad_hidden, grad_weight, grad_bias, None, None, None, None, None


def _grad_logits(
    logp_CV: Tensor,
    targets_C: Tensor,
    entropy_C: Tensor,
    grad_logprobs_C: Tensor,
    grad_entropy_C: Tensor | None,
) -> Tensor:
    """The gradient with respect to z; `logp_CV` is used up."""
    factor = -grad_logprobs_C[:, None]
    if grad_entropy_C is not None:
        factor = factor - grad_entropy_C[:, None] * (logp_CV + entropy_C[:, None])
    return logp_CV.exp_().mul_(factor).scatter_add_(-1, targets_C[:, None], grad_logprobs_C[:, None])


def _scaled_logits(hidden_CH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, temperature: float) -> Tensor:
    z_CV = _at_least_float32(nn.functional.linear(hidden_CH, weight_VH, bias_V))
    return z_CV if temperature == 1 else z_CV.div_(temperature)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, without a temporary where the types agree."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total.add_(left @ right)


def _chunks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


class _HeadKind(Enum):
    MODULE = "the output embedding alone"
    OWN = "whatever the model does between hidden states and logits: soft-capping, scaling"


_kinds: weakref.WeakKeyDictionary[nn.Module, _HeadKind] = weakref.WeakKeyDictionary()


def head_of(model: Any) -> Head:
    """Return the function from base-model hidden states to this model's logits, verified once per model."""
    if model not in _kinds:
        _kinds[model] = _find_kind(model)
    causal_lm = unwrapped(model)
    if _kinds[model] is _HeadKind.MODULE:
        return causal_lm.get_output_embeddings()
    return lambda hidden_CH: _own_logits(causal_lm, hidden_CH)


def _own_logits(causal_lm: Any, hidden_CH: Tensor) -> Tensor:
    """The model's own forward pass from hidden states on: it reads a token, and its layers say what they are told.

    They compute nothing: where weights are spread, processes that have fewer chunks than others would keep those
    waiting for layers to be gathered.
    """
    base: Any = base_model(causal_lm)
    token = torch.zeros(1, 1, dtype=torch.long, device=hidden_CH.device)
    output = copy.copy(_answer(base, token))
    output["last_hidden_state"] = hidden_CH[None]
    own = vars(base).get("forward")
    base.forward = lambda *_, **__: output
    try:
        return causal_lm(input_ids=token, use_cache=False, return_dict=True).logits[0]
    finally:
        del base.forward
        if own is not None:
            base.forward = own


_answers: weakref.WeakKeyDictionary[nn.Module, Any] = weakref.WeakKeyDictionary()


@torch.no_grad()
def _answer(base: nn.Module, token: Tensor) -> Any:
    """All that a base model returns of a token, in the form that it has; computed once for each model."""
    if base not in _answers:
        with torch.autocast(token.device.type, enabled=False):
            _answers[base] = base(input_ids=token, use_cache=False, return_dict=True)
    return _answers[base]


@torch.no_grad()
def _find_kind(model: Any) -> _HeadKind:
    """Compare candidates with `model(x).logits`, and on hidden states that make logits as large as 100.

    Those are for what small logits hide: a soft cap at 30 is invisible in a model fresh from initialisation.
    """
    causal_lm = unwrapped(model)
    embedding = causal_lm.get_output_embeddings()
    device = next(model.parameters()).device
    ids = torch.arange(4, device=device)[None] % causal_lm.get_input_embeddings().weight.shape[0]
    with torch.autocast(device.type, enabled=False):
        logits_CV = model(input_ids=ids, use_cache=False, return_dict=True).logits[0]
        output = base_model(causal_lm)(input_ids=ids, use_cache=False, return_dict=True)
        hidden_CH = output.last_hidden_state[0]
        if not agree(_own_logits(causal_lm, hidden_CH), logits_CV):
            raise ConfigError(
                f"cannot score tokens with {type(causal_lm).__name__} a chunk at a time: its logits do not "
                "follow from its base model's hidden states (prompt tuning, or an encoder-decoder?); use a "
                "decoder-only model, with LoRA for adapters"
            )
        waves_CH = torch.sin(torch.arange(hidden_CH.numel(), device=device)).view_as(hidden_CH).to(hidden_CH)
        loud_CH = waves_CH * (100 / embedding(waves_CH).abs().max())
        plain = all(agree(embedding(h), _own_logits(causal_lm, h)) for h in (hidden_CH, loud_CH))
    return _HeadKind.MODULE if plain else _HeadKind.OWN
