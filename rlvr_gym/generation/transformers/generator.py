"""Sampling from a Hugging Face causal language model in this process, also while it is being trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.base import DraftCounts, GenerationRequest, SamplingParams, TokenSequence
from rlvr_gym.generation.prompts import TokenPrompts
from rlvr_gym.generation.transformers.agreement import choose_memory, refuse_unless_cut_back
from rlvr_gym.generation.transformers.decoding import Decoding
from rlvr_gym.generation.transformers.lockstep import LockstepDecoding
from rlvr_gym.generation.transformers.multi_token_draft import MultiTokenDraft, MultiTokenSpeculation
from rlvr_gym.generation.transformers.rows import PromptSamples
from rlvr_gym.generation.transformers.speculative import Draft, Speculation
from rlvr_gym.generation.weights import refuse_unknown_weights, whole, whole_update
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, WeightsSpan


class TransformersGenerator:
    """A `TrainableGenerator` over a causal language model, plain or wrapped by peft.

    A prompt is computed once and its keys and values are shared by its samples; rows of many prompts are
    decoded together, finished ones leave the batch at once and others take their places. A completion
    depends on its prompt, the prompt's seed and its sample index; what else is in the batch changes its
    logits by rounding only (so a token whose draw falls within rounding of a boundary may differ). The
    global random state is neither read nor changed. Weights may change between calls, in place or by
    `update_weights`, which a model that is trained in this process is handed its own parameters by. Between the groups
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
        draft: a smaller model that drafts tokens, or a module above the model that predicts one more
            (`multi_token_draft`), which the model accepts or replaces (`speculative`): completions
            follow the same distribution as without, and are others. Drafted tokens make the context shorter. Raises
            ConfigError for a draft with other tokens or a shorter context, and where one of both keeps other state
            than keys and values.
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
        draft: Draft | MultiTokenDraft | None = None,
    ) -> None:
        if max_batch_rows < 1 or max_batch_tokens < 1:
            raise ConfigError(
                "max_batch_rows and max_batch_tokens must be at least 1, "
                f"not {max_batch_rows} and {max_batch_tokens}"
            )
        self.model, self.tokenizer = model, tokenizer
        self.max_batch_rows, self.max_batch_tokens = max_batch_rows, max_batch_tokens
        self.dtype, self._draft = dtype, draft
        # Architectures without a limit of their own (relative position biases) have no such field.
        self.context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if draft is not None:
            draft.refuse_other_tokens(tokenizer)
            self.context = draft.room_in(self.context)
        self._prompts = TokenPrompts(tokenizer, model.generation_config, self.context)
        self.end_ids = self._prompts.end_ids
        self.weights_version: int | None = 0
        self._updates = 0
        self._tokens_before, self._under_way = 0, list[Sequence[PromptSamples]]()
        self._decodings: list[Decoding | LockstepDecoding] = []
        self.draft_counts = None if draft is None else DraftCounts()
        with self._as_sampler(), torch.autocast(next(model.parameters()).device.type, enabled=False):
            self.memory = choose_memory(model, self.context)
            if draft is not None:
                refuse_unless_cut_back(model, draft, self.context)

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample `n` completions of each prompt, as `Generator.generate` says."""
        refuse_unknown_weights(self.weights_version)
        groups = [
            PromptSamples(prompt.index, prompt.ids, prompt.budget, prompt.streams, prompt.tools, prompt.stop)
            for prompt in self._prompts.encode(prompts, n, sampling)
        ]
        return self._sample(groups, sampling)

    @property
    def tokens_sampled(self) -> int:
        """Number of tokens sampled so far, as `CountsTokens` says."""
        return self._tokens_before + sum(map(_tokens, tuple(self._under_way)))

    def stop(self) -> None:
        """Call off what is under way, as `CanBeStopped` says."""
        for decoding in tuple(self._decodings):
            decoding.stopped = True

    @property
    def prompts(self) -> TokenPrompts:
        """The conversations of its model as token ids, as `HasTokenPrompts` says."""
        return self._prompts

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a sampled turn and the next, as `Generator.encode_reply` says."""
        return self._prompts.encode_reply(completion, messages)

    def takes_tools(self) -> bool:
        """Return whether the model's chat template knows tools, as `TakesTools` says."""
        return self._prompts.takes_tools()

    def text(self, ids: Sequence[int]) -> str:
        """Decode sampled ids, special tokens included, without the token that ended the turn."""
        return self._prompts.text(ids)

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Copy these weights into the model, as `TrainableGenerator.update_weights` says."""
        self.weights_version = None
        self._updates += 1
        own = dict(self.model.named_parameters())
        given = whole_update(weights, {name: weight.shape for name, weight in own.items()})
        with torch.no_grad():
            for name, weight in own.items():
                if given[name] is not weight:
                    weight.copy_(whole(given[name]))
        self.weights_version = version

    def score(self, sequences: Sequence[TokenSequence], temperature: float = 1.0) -> list[tuple[float, ...]]:
        """The log-probabilities of given tokens, as `TrainableGenerator.score` says."""
        refuse_unknown_weights(self.weights_version)
        with self._as_sampler():
            return [self._score(sequence, temperature) for sequence in sequences]

    def _score(self, sequence: TokenSequence, temperature: float) -> tuple[float, ...]:
        device = next(self.model.parameters()).device
        ids = torch.tensor([[*sequence.prompt_token_ids, *sequence.token_ids]], device=device)
        logits = self.model(input_ids=ids, use_cache=False).logits[0, len(sequence.prompt_token_ids) - 1 : -1]
        logprobs = torch.log_softmax(logits.float() / (temperature or 1.0), dim=-1)
        tokens = torch.tensor(sequence.token_ids, device=device, dtype=torch.long)
        return tuple(logprobs.gather(-1, tokens[:, None]).flatten().tolist())

    def _sample(
        self, groups: Sequence[PromptSamples], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        version, updates = refuse_unknown_weights(self.weights_version), self._updates
        for group in groups:
            if group.budget == 0:
                yield group.index, self._completions(group, version)
        decoding, speculation = self._decoding([group for group in groups if group.budget], sampling)
        with self._counted(groups, decoding, speculation):
            while decoding.unfinished:
                if self._updates != updates:
                    raise TrainingError(
                        "the weights were changed by update_weights while completions were under way, whose keys and "
                        "values are those of the old ones: sample these prompts again"
                    )
                with self._as_sampler():
                    finished = decoding.until_a_group_finishes()
                if decoding.stopped:
                    raise TrainingError("sampling was called off")
                for group in finished:
                    yield group.index, self._completions(group, version)

    def _decoding(
        self, groups: Sequence[PromptSamples], sampling: SamplingParams
    ) -> tuple[Decoding | LockstepDecoding, Speculation | MultiTokenSpeculation | None]:
        """One call's work, and the state that drafts for it."""
        limits: dict[str, Any] = {
            "end_ids": self.end_ids,
            "max_rows": self.max_batch_rows,
            "max_tokens": self.max_batch_tokens,
        }
        if self._draft is None:
            return self.memory.decoding(self.model, groups, sampling, **limits), None
        speculation = self._draft.speculation(self.model, self.end_ids)
        return Decoding(speculation, groups, sampling, **limits), speculation

    @contextmanager
    def _counted(
        self,
        groups: Sequence[PromptSamples],
        decoding: Decoding | LockstepDecoding,
        speculation: Speculation | MultiTokenSpeculation | None,
    ) -> Iterator[None]:
        """Count the tokens of these groups while they grow, and afterwards; know what can be called off."""
        self._under_way.append(groups)
        self._decodings.append(decoding)
        try:
            yield
        finally:
            self._decodings.remove(decoding)
            self._under_way.remove(groups)
            self._tokens_before += _tokens(groups)
            if speculation is not None:
                self.draft_counts = (self.draft_counts or DraftCounts()) + speculation.counts

    def _completions(self, group: PromptSamples, version: int) -> list[Completion]:
        return [
            self._prompts.completion(
                group.prompt_ids,
                row.token_ids,
                row.logprobs,
                (WeightsSpan(version=version, tokens=len(row.token_ids)),) if row.token_ids else (),
                group.tools,
                group.stop,
            )
            for row in group.rows
        ]

    @contextmanager
    def _as_sampler(self) -> Iterator[None]:
        """Dropout off, no gradients, autocast where wanted; everything is put back on the way out."""
        weights = next(self.model.parameters())
        lower = self.dtype is not None and self.dtype != weights.dtype
        drafting = [] if self._draft is None else self._draft.model.modules()
        training = [module for module in chain(self.model.modules(), drafting) if module.training]
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


def _tokens(groups: Sequence[PromptSamples]) -> int:
    return sum(len(row.token_ids) for group in groups for row in group.rows)
