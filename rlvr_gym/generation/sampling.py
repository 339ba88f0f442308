"""Tokens from logits, with randomness that is handed in.

Shapes: B rows, N draws from each, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import SamplingParams

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ELEMENTS_AT_ONCE = 2**22
"""Logits turned into float64 probabilities at a time, so that memory stays bounded."""


def uniforms(streams: Sequence[int], steps: Sequence[int]) -> Tensor:
    """Element `steps[b]` of the random stream named `streams[b]`, uniform in [0, 1): float64 (B,).

    SplitMix64 (Steele, Lea and Flood 2014), whose state after n steps is a multiplication: any element of
    any stream costs the same, and nothing has to be kept between steps.
    """
    with np.errstate(over="ignore"):
        z = (
            np.asarray(streams, dtype=np.uint64)
            + (np.asarray(steps, dtype=np.uint64) + np.uint64(1)) * _GAMMA
        )
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        z = z ^ (z >> np.uint64(31))
    return torch.from_numpy((z >> np.uint64(12)).astype(np.float64) * 2.0**-52)


def draw(logits: Tensor, sampling: SamplingParams, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """N tokens from each row of `logits` (B, V), one for each of `uniform` (B, N).

    Returns tokens and their log-probabilities (float32), each (B, N). The log-probability is that of the
    distribution really sampled from: `log_softmax(logits / temperature)`, renormalised over what `top_k` and
    then `top_p` leave. At temperature 0 the likeliest token is taken, its log-probability that at
    temperature 1.

    Raises TrainingError when logits are not finite.
    """
    rows = max(1, _ELEMENTS_AT_ONCE // logits.shape[-1])
    drawn = [
        _draw(part, sampling, at)
        for part, at in zip(logits.split(rows), uniform.to(logits.device).split(rows), strict=True)
    ]
    tokens, log_probabilities = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    refuse_infinite(log_probabilities)
    return tokens, log_probabilities


def refuse_infinite(log_probabilities: Tensor) -> None:
    """Raise TrainingError unless all log-probabilities of drawn tokens are finite."""
    if not torch.isfinite(log_probabilities).all():
        raise TrainingError(
            "the model's logits are not finite: its weights hold NaN or infinity, or its number format "
            "overflowed (bfloat16 and float32 have the range that float16 lacks)"
        )


def _draw(logits: Tensor, sampling: SamplingParams, uniform: Tensor) -> tuple[Tensor, Tensor]:
    recorded = recorded_log_probabilities(logits, sampling)
    if sampling.temperature == 0.0:
        tokens = recorded.argmax(dim=-1, keepdim=True).expand(uniform.shape)
    else:
        tokens = invert(recorded.double().exp_(), uniform)
    return tokens, recorded.gather(-1, tokens)


def recorded_log_probabilities(logits: Tensor, sampling: SamplingParams) -> Tensor:
    """Of all tokens (..., V), in float32: the distribution sampled from; at temperature 0, that at temperature 1."""
    log_probabilities = torch.log_softmax(logits.float() / (sampling.temperature or 1.0), dim=-1)
    if sampling.temperature == 0.0:
        return log_probabilities
    return truncate(log_probabilities, sampling.top_p, sampling.top_k)


def probabilities(recorded: Tensor, sampling: SamplingParams) -> Tensor:
    """The distribution sampled from (..., V), in float64 and summing to 1; at temperature 0 all on one token."""
    if sampling.temperature == 0.0:
        best = recorded.argmax(dim=-1, keepdim=True)
        return torch.zeros_like(recorded, dtype=torch.float64).scatter_(-1, best, 1.0)
    found = recorded.double().exp_()
    return found.div_(found.sum(dim=-1, keepdim=True))


def truncate(log_probabilities: Tensor, top_p: float, top_k: int) -> Tensor:
    """Keep the `top_k` likeliest tokens, of these the fewest that hold `top_p` of the mass; renormalise.

    The rest gets -inf. `top_k` 0 and `top_p` 1 keep everything; the likeliest token always stays.
    """
    if top_k:
        best, indices = log_probabilities.topk(min(top_k, log_probabilities.shape[-1]))
    elif top_p < 1.0:
        best, indices = log_probabilities.sort(dim=-1, descending=True, stable=True)
    else:
        return log_probabilities
    best = torch.log_softmax(best, dim=-1)
    if top_p < 1.0:
        mass = best.double().exp()
        best = best.masked_fill(mass.cumsum(dim=-1) - mass >= top_p, -torch.inf)
        best = torch.log_softmax(best, dim=-1)
    return torch.full_like(log_probabilities, -torch.inf).scatter(-1, indices, best)


def invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """N tokens from each row of `weights` (B, V), which are proportional to probabilities, in float64.

    They are those at which the cumulative weight passes `uniform` (B, N); never one of weight 0. `weights` are
    overwritten.
    """
    cumulative = weights.cumsum_(dim=-1)
    tokens = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return tokens.clamp_(max=cumulative.shape[-1] - 1)
