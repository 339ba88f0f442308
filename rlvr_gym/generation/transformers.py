"""Sampling from a Hugging Face causal language model in this process, also while it is being trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation import chat
from rlvr_gym.generation.agreement import choose_memory
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.decoding import PromptSamples
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason


class TransformersGenerator:
    """A `Generator` over a causal language model, plain or wrapped by peft.

    A prompt is computed once and its keys and values are shared by its samples; rows of many prompts are
    decoded together, finished ones leave the batch at once and others take their places. A completion
    depends on its prompt, the prompt's seed and its sample index; what else is in the batch changes its
    logits by rounding only (so a token whose draw falls within rounding of a boundary may differ). The
    global random state is neither read nor changed. Weights may change between calls. Between the groups
    that `generate` yields, the model is in the mode (training or evaluation) in which it was found.

    Models that keep other state than keys and values (state-space models, convolutions) are decoded in batches of
    prompts that are equally long, from their own cache or from none: slower, and with the same promises. `memory` says
    which; it is found out by a look at a few tokens, once for each architecture.

    Raises ConfigError for a model that names no end-of-sequence token, and for one whose log-probabilities would in no
    way be those of a plain forward pass.

    Args:
        model: the model; it stays where it is.
        tokenizer: its tokenizer.
        max_batch_rows: how many completions are decoded together at most.
        max_batch_tokens: how many tokens, prompts included, these may come to hold at most; with long
            prompts or budgets fewer rows are decoded together. One row is always allowed.
        dtype: compute in this lower precision by autocast; None means in that of the weights.
    """

    concurrency = 1

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_batch_rows: int = 512,
        max_batch_tokens: int = 65_536,
        dtype: torch.dtype | None = None,
    ) -> None:
        if max_batch_rows < 1 or max_batch_tokens < 1:
            raise ConfigError(
                "max_batch_rows and max_batch_tokens must be at least 1, "
                f"not {max_batch_rows} and {max_batch_tokens}"
            )
        self.model, self.tokenizer = model, tokenizer
        self.max_batch_rows, self.max_batch_tokens = max_batch_rows, max_batch_tokens
        self.dtype = dtype
        self.end_ids = end_of_sequence_ids(model, tokenizer)
        # Architectures without a limit of their own (relative position biases) have no such field.
        self.context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if not self.end_ids:
            raise ConfigError(
                "neither the tokenizer nor the model's generation config names an end-of-sequence token (eos_token), "
                "so no completion could ever end: set tokenizer.eos_token to the one the model was trained with"
            )
        with self._as_sampler(), torch.autocast(next(model.parameters()).device.type, enabled=False):
            self.memory = choose_memory(model, self.context)

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample `n` completions of each prompt, as `Generator.generate` says."""
        if n < 1:
            raise ConfigError(f"n must be at least 1, not {n}")
        groups = [self._group(index, prompt, n, sampling) for index, prompt in enumerate(prompts)]
        return self._sample(groups, sampling)

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a sampled turn and the next, as `Generator.encode_reply` says."""
        return chat.encode_reply(self.tokenizer, completion.token_ids, messages, self.end_ids)

    def text(self, ids: Sequence[int]) -> str:
        """What sampled ids say, special tokens included, without the token that ended the turn."""
        return chat.decode(self.tokenizer, ids[:-1] if ids and ids[-1] in self.end_ids else ids)

    def _group(
        self, index: int, prompt: GenerationRequest, n: int, sampling: SamplingParams
    ) -> PromptSamples:
        ids = prompt.token_ids
        if ids is None:
            ids = chat.encode_prompt(self.tokenizer, prompt.messages)
            self._refuse_without_room(index, prompt, len(ids), sampling.max_tokens)
        if not ids:
            raise ConfigError(f"prompt {index} is empty: a model needs at least one token to continue")
        room = sampling.max_tokens if self.context is None else self.context - len(ids)
        budget = max(0, min(sampling.max_tokens, room))
        first = prompt.first_sample
        streams = [derive_seed(prompt.seed, sample) for sample in range(first, first + n)]
        return PromptSamples(index, ids, budget, streams)

    def _refuse_without_room(
        self, index: int, prompt: GenerationRequest, length: int, max_tokens: int
    ) -> None:
        if self.context is None or length + max_tokens <= self.context:
            return
        words = " ".join(message.content for message in prompt.messages).split()
        start = " ".join(words)[:60]
        fit = self.context - length
        remedy = f"lower max_tokens to at most {fit} or shorten it" if fit > 0 else "shorten it"
        raise ConfigError(
            f"prompt {index} ('{start}...') has {length} tokens; with max_tokens={max_tokens} that exceeds "
            f"the model's context of {self.context}: {remedy}"
        )

    def _sample(
        self, groups: Sequence[PromptSamples], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        for group in groups:
            if group.budget == 0:
                yield group.index, self._completions(group)
        decoding = self.memory.decoding(
            self.model,
            [group for group in groups if group.budget],
            sampling,
            end_ids=self.end_ids,
            max_rows=self.max_batch_rows,
            max_tokens=self.max_batch_tokens,
        )
        while decoding.unfinished:
            with self._as_sampler():
                finished = decoding.until_a_group_finishes()
            for group in finished:
                yield group.index, self._completions(group)

    def _completions(self, group: PromptSamples) -> list[Completion]:
        opened = chat.opening(self.tokenizer, group.prompt_ids)
        return [
            Completion(
                text=opened + self.text(row.token_ids),
                token_ids=tuple(row.token_ids),
                logprobs=tuple(row.logprobs),
                prompt_token_ids=group.prompt_ids,
                finish_reason=row.finish_reason or FinishReason.LENGTH,
            )
            for row in group.rows
        ]

    @contextmanager
    def _as_sampler(self) -> Iterator[None]:
        """Dropout off, no gradients, autocast where wanted; everything is put back on the way out."""
        weights = next(self.model.parameters())
        lower = self.dtype is not None and self.dtype != weights.dtype
        training = [module for module in self.model.modules() if module.training]
        for module in training:
            module.training = False
        try:
            with torch.no_grad(), torch.autocast(weights.device.type, self.dtype, enabled=lower):
                yield
        finally:
            # Weights that autocast has converted without gradients must not be found by a training pass.
            torch.clear_autocast_cache()
            for module in training:
                module.training = True


def end_of_sequence_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every id that ends a turn: those of the generation config (one or several) and the tokenizer's."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(id for id in (*ids, tokenizer.eos_token_id) if isinstance(id, int))
