"""A first look at how a model can be sampled: the sampler's log-probabilities against a plain forward pass.

A family may keep other state than keys and values (Mamba), keep it outside of the cache, count its positions by
itself (decoders like BART's), or know no cache at all (GPT-1): sampled from keys and values alone it would then
follow another distribution than the one it is trained on. So each way of remembering is tried out, the fastest first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_gym.errors import ConfigError, RlvrError
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.transformers.cache import keeps_only_keys_and_values, window
from rlvr_gym.generation.transformers.decoding import Decoding
from rlvr_gym.generation.transformers.lockstep import LockstepDecoding, Memory, parameters
from rlvr_gym.generation.transformers.multi_token_draft import MultiTokenDraft
from rlvr_gym.generation.transformers.rows import PromptSamples
from rlvr_gym.generation.transformers.speculative import Draft

_PROMPT_TOKENS = (7, 7, 3)
"""Two of one length, which share a batch, and another, so that rows stand beside padding; and a long one."""
_LONG = 70
"""Length of the long prompt, unless a sliding window needs more: above the chunks of linear attention (64)."""
_LONGEST = 4_200
"""Largest length of the long prompt; few models have longer windows."""
_WORK = {"cpu": 2e9}
"""Multiplications that the long prompt may cost, so that a look takes a fraction of a second; 1e13 elsewhere."""
_NEW_TOKENS = 6
_SAMPLES = 2
_EXACT = 1e-4
"""Difference of log-probabilities that is always allowed: kernels of other shapes round differently."""
_MIDDLE_BY_ROUNDING = 2
"""Largest ratio, in 16 bits, of the median difference of a prompt's tokens to that made by rounding."""
_WORST_BY_ROUNDING = 100
"""Largest ratio, in 32 bits, of the worst difference to that made by rounding."""

_agreed: dict[tuple[object, ...], Memory] = {}
_cut_back: set[tuple[object, ...]] = set()
_FAULTS = (
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    LookupError,
    NotImplementedError,
    RuntimeError,
)


def choose_memory(model: PreTrainedModel, context: int | None) -> Memory:
    """The fastest way to decode whose samples follow the model's own forward pass.

    Looked at once in a process for each architecture with its settings. To be called without gradients and in
    evaluation mode. The global random state is neither read nor changed. Raises ConfigError where none does.
    """
    looked_at = _kind(model)
    if looked_at not in _agreed:
        _agreed[looked_at] = _first_that_agrees(model, context or sys.maxsize)
    return _agreed[looked_at]


def refuse_unless_cut_back(
    model: PreTrainedModel, draft: Draft | MultiTokenDraft, context: int | None
) -> None:
    """Raise ConfigError unless model and draft can go back to an earlier token, as what a draft was wrong about asks.

    Both keep nothing but keys and values then, and samples with this draft follow the model's own forward pass.
    """
    drafting = draft.model if isinstance(draft, Draft) else None
    looked_at = (*_kind(model), *(_kind(drafting) if drafting else ("mtp",)), draft.tokens)
    if looked_at in _cut_back:
        return
    for what, one in (("model", model), ("draft", drafting)):
        if one is not None and choose_memory(one, context) is not Memory.ROWS:
            raise ConfigError(
                f"the {what} is a '{one.config.model_type}' model ({type(one).__name__}), whose state cannot be cut "
                "back to an earlier token, so nothing can be drafted for it or by it; possible: models that keep "
                "nothing but keys and values, such as Llama or Qwen"
            )
    kind = f"a '{model.config.model_type}' model ({type(model).__name__})"
    try:
        look = _Look(model, partial(Decoding, draft.speculation(model, ())), context or sys.maxsize)
        agrees = look.agrees()
    except (RlvrError, torch.OutOfMemoryError):
        raise
    except _FAULTS as error:
        raise ConfigError(
            f"{kind} or its draft fails when it reads several tokens at once ({type(error).__name__}: "
            f"{str(error).strip().partition(chr(10))[0]}): sample it without a draft"
        ) from error
    if not agrees:
        raise ConfigError(
            f"{kind} gives a token a log-probability up to {look.worst:.2g} off its own forward pass when it reads "
            "several at once: sample it without a draft"
        )
    _cut_back.add(looked_at)


def _kind(model: PreTrainedModel) -> tuple[object, ...]:
    weights = next(model.parameters())
    return type(model), model.config.to_json_string(), weights.dtype, weights.device.type


def _first_that_agrees(model: PreTrainedModel, context: int) -> Memory:
    kind = f"a '{model.config.model_type}' model ({type(model).__name__})"
    possible = (
        "possible: causal language models of transformers that compute log-probabilities from text alone"
    )
    fault: Exception | None = None
    worst = 0.0
    for memory in Memory:
        if memory is Memory.ROWS and not keeps_only_keys_and_values(model.config):
            continue
        try:
            look = _Look(model, partial(memory.decoding, model), context)
            if look.agrees():
                return memory
            fault, worst = None, look.worst
        except (RlvrError, torch.OutOfMemoryError):
            raise
        except _FAULTS as error:
            fault = error
    # Of the last way, which keeps nothing: what is wrong with it is the model's own doing.
    if fault is not None:
        cause = f"{type(fault).__name__}: {str(fault).strip().partition(chr(10))[0]}".rstrip(": ")
        raise ConfigError(
            f"{kind} cannot be sampled: its forward pass over text fails ({cause}); {possible}"
        ) from fault
    raise ConfigError(
        f"{kind} cannot be sampled: its forward pass over a whole sequence, which training makes, gives a token a "
        f"log-probability up to {worst:.2g} off that after the tokens before it alone, which rounding does not "
        f"explain (does attention look ahead, or draw at random?); {possible}"
    )


class _Look:
    """A few prompts of several lengths, sampled, and scored again by plain forward passes."""

    def __init__(
        self, model: PreTrainedModel, decode: Callable[..., Decoding | LockstepDecoding], context: int
    ) -> None:
        self._model = model
        self._exact = next(model.parameters()).dtype.itemsize >= 4
        self._groups = _sampled(model, decode, context)
        self._plain = [self._plain_logprobs(group) for group in self._groups]
        self._off = [
            (plain - torch.tensor([row.logprobs for row in group.rows])).abs()
            for group, plain in zip(self._groups, self._plain, strict=True)
        ]

    @property
    def worst(self) -> float:
        """The largest difference between the sampler and a plain forward pass."""
        return max((off.max().item() for off in self._off), default=0.0)

    def agrees(self) -> bool:
        """Return whether rounding explains all differences.

        In 16 bits a single log-probability may be off by more than a half (a token goes to another expert). So the
        median of each prompt's differences is compared with the median difference that rounding makes.
        """
        if self.worst <= _EXACT:
            return True
        rounding = self._rounding()
        if self._exact:
            return self.worst <= _WORST_BY_ROUNDING * rounding
        limit = max(_EXACT, _MIDDLE_BY_ROUNDING * rounding)
        return all(off.median().item() <= limit for off in self._off)

    def _rounding(self) -> float:
        with _rounded_once_more(self._model):
            moved = [self._plain_logprobs(group) for group in self._groups]
        off = [(a - b).abs().flatten() for a, b in zip(moved, self._plain, strict=True)]
        return torch.cat(off).median().item() if off else 0.0

    def _plain_logprobs(self, group: PromptSamples) -> Tensor:
        """Of each sample's tokens (samples, tokens), by one forward pass without a cache."""
        device = next(self._model.parameters()).device
        sampled = torch.tensor([row.token_ids for row in group.rows], device=device)
        prompts = torch.tensor(group.prompt_ids, device=device).expand(len(sampled), -1)
        ids = torch.cat([prompts, sampled], dim=1)
        needed = 1 + sampled.shape[1]  # of a large vocabulary, all would be many
        options = {"logits_to_keep": needed} if "logits_to_keep" in parameters(self._model) else {}
        logits = self._model(input_ids=ids, use_cache=False, **options).logits[:, -needed:-1]
        return torch.log_softmax(logits.float(), dim=-1).gather(-1, sampled[..., None])[..., 0].cpu()


def _sampled(
    model: PreTrainedModel, decode: Callable[..., Decoding | LockstepDecoding], context: int
) -> list[PromptSamples]:
    new = min(_NEW_TOKENS, context // 2)
    lengths = (*_PROMPT_TOKENS, _long_prompt(model)) if new else ()
    groups = [
        # Of different budgets, so that rows leave while others go on.
        PromptSamples(
            place, _prompt(model, place, min(length, context - new)), max(1, new - place % 2), range(_SAMPLES)
        )
        for place, length in enumerate(lengths)
    ]
    rows = max(1, len(groups) * _SAMPLES)
    limits: dict[str, Any] = {"end_ids": (), "max_rows": rows, "max_tokens": rows * 2 * _LONGEST}
    decoding = decode(groups, SamplingParams(), **limits)
    while decoding.unfinished:
        decoding.until_a_group_finishes()
    return groups


def _long_prompt(model: PreTrainedModel) -> int:
    """Longer than the longest sliding window where that costs little, else as long as costs little."""
    weights = sum(weight.numel() for weight in model.parameters())
    affordable = int(_WORK.get(next(model.parameters()).device.type, 1e13) / (weights * (2 + 2 * _SAMPLES)))
    wanted = window(model.config) + _NEW_TOKENS
    length = wanted if _LONG < wanted <= min(affordable, _LONGEST) else _LONG
    return max(_PROMPT_TOKENS[0], min(length, affordable))


def _prompt(model: PreTrainedModel, place: int, length: int) -> tuple[int, ...]:
    """Ids spread over the vocabulary."""
    size = model.config.get_text_config().vocab_size
    return tuple((size * (2 * token + 1) // 17 + length + 5 * place) % size for token in range(length))


@contextmanager
def _rounded_once_more(model: PreTrainedModel) -> Iterator[None]:
    """Move what each layer computes by about as much as another order of the same sums would."""
    head = model.get_output_embeddings()
    generator = torch.Generator().manual_seed(0)

    def move(_: nn.Module, __: Any, output: Any) -> Any:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return output
        noise = torch.rand(output.shape[1:], generator=generator).mul_(2).sub_(1).to(output.device)
        step = torch.finfo(output.dtype).eps
        if output.is_cuda and torch.get_float32_matmul_precision() != "highest":
            step = max(step, 2**-10)  # TensorFloat-32
        return (output * (1 + step * noise)).to(output.dtype)

    leaves = [module for module in model.modules() if not any(module.children()) and module is not head]
    hooks = [module.register_forward_hook(move) for module in leaves]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
