"""A first look at whether a model is sampled rightly: the sampler's log-probabilities against a plain forward pass.

A family may keep state outside of the cache (RWKV), count its positions by itself (decoders like BART's), or know no
cache at all (GPT-1): sampled a token at a time it would then follow another distribution than the one it is trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from rlvr_gym.errors import ConfigError, RlvrError
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.decoding import Decoding, PromptSamples

_PROMPT_TOKENS = (7, 3)
"""Of different lengths, so that rows stand beside padding; fewer where the context is short."""
_NEW_TOKENS = 6
_SAMPLES = 2
_LARGEST = 1e-3
"""How far apart log-probabilities in float32 may be; kernels of other shapes round differently, to about 1e-4."""
_LARGEST_MEAN = 0.15
"""How far apart they may be on average in 16 bits, where a single one may be off by more than half."""

_POSSIBLE = "possible: decoder-only models of attention layers, such as Llama, Qwen, Gemma, Mistral or GPT-2"

_agreed: set[tuple[object, ...]] = set()
_FAULTS = (
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    LookupError,
    NotImplementedError,
    RuntimeError,
)


def refuse_disagreement(model: PreTrainedModel, context: int | None) -> None:
    """Raise ConfigError for a model whose samples do not follow its own forward pass.

    Looked at once in a process for each architecture with its settings. To be called without gradients and in
    evaluation mode. The global random state is neither read nor changed.
    """
    weights = next(model.parameters())
    looked_at = (type(model), model.config.to_json_string(), weights.dtype, weights.device.type)
    if looked_at in _agreed:
        return
    kind = f"a '{model.config.model_type}' model ({type(model).__name__})"
    try:
        differences = _differences(model, context or sys.maxsize)
    except (RlvrError, torch.OutOfMemoryError):
        raise
    except _FAULTS as error:
        cause = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}".rstrip(": ")
        raise ConfigError(
            f"{kind} cannot be sampled here: its forward pass fails with the sampler's cache of keys and values "
            f"({cause}); {_POSSIBLE}"
        ) from error
    worst, mean = max(differences, default=0.0), sum(differences) / max(1, len(differences))
    if (worst > _LARGEST) if weights.dtype == torch.float32 else (mean > _LARGEST_MEAN):
        raise ConfigError(
            f"{kind} would be sampled wrongly: its log-probabilities, token by token, are up to {worst:.2g} off "
            "those of a plain forward pass, which rounding does not explain (does it keep state outside of the "
            f"cache, or count positions by itself?); {_POSSIBLE}"
        )
    _agreed.add(looked_at)


def _differences(model: PreTrainedModel, context: int) -> list[float]:
    """For each of a few sampled tokens: how far its log-probability is from that of a plain forward pass."""
    new = min(_NEW_TOKENS, context // 2)
    prompts = [_prompt(model, min(length, context - new)) for length in _PROMPT_TOKENS] if new else []
    groups = [PromptSamples(index, ids, new, range(_SAMPLES)) for index, ids in enumerate(prompts)]
    rows = len(groups) * _SAMPLES
    decoding = Decoding(model, groups, SamplingParams(), end_ids=(), max_rows=max(1, rows), max_tokens=1024)
    while decoding.unfinished:
        decoding.until_a_group_finishes()
    found: list[float] = []
    for row in (row for group in groups for row in group.rows):
        plain = _plain_logprobs(model, row.group.prompt_ids, row.token_ids)
        found += [abs(a - b) for a, b in zip(plain, row.logprobs, strict=True)]
    return found


def _plain_logprobs(model: PreTrainedModel, prompt: Sequence[int], sampled: Sequence[int]) -> list[float]:
    device = next(model.parameters()).device
    ids = torch.tensor([[*prompt, *sampled]], device=device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    return logprobs.gather(-1, torch.tensor(sampled, device=device)[:, None]).flatten().tolist()


def _prompt(model: PreTrainedModel, length: int) -> tuple[int, ...]:
    """Ids spread over the vocabulary."""
    size = model.config.get_text_config().vocab_size
    return tuple((size * (2 * place + 1) // 17 + length) % size for place in range(length))
