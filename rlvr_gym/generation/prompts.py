"""Requests as token ids with a budget, and sampled ids as completions: the same for every engine that takes ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transformers import GenerationConfig, PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation import chat
from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason, WeightsSpan


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedPrompt:
    """A request as an engine takes it: at most `budget` tokens after `ids`, one sample for each of `streams`."""

    index: int
    ids: tuple[int, ...]
    budget: int
    streams: tuple[int, ...]


class TokenGenerator(Generator, Protocol):
    """A generator whose prompts can be measured before any is sampled."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of its prompts."""
        ...

    @property
    def context(self) -> int | None:
        """Largest number of tokens of prompt and completion together; None if there is no limit."""
        ...


class TokenPrompts:
    """A model's conversations as token ids and back.

    Raises ConfigError where nothing names an end-of-sequence token.

    Args:
        tokenizer: the model's tokenizer.
        generation_config: the model's, of which nothing is taken but the tokens that end a turn.
        context: how many tokens the model can hold; None where there is no limit.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        generation_config: GenerationConfig | None,
        context: int | None,
    ) -> None:
        self.tokenizer, self.context = tokenizer, context
        self.end_ids = end_of_sequence_ids(tokenizer, generation_config)
        if not self.end_ids:
            raise ConfigError(
                "neither the tokenizer nor the model's generation config names an end-of-sequence token (eos_token), "
                "so no completion could ever end: set tokenizer.eos_token to the one the model was trained with"
            )

    def encode(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> list[EncodedPrompt]:
        """All requests for `n` samples each. Raises ConfigError for one that cannot be sampled."""
        if n < 1:
            raise ConfigError(f"n must be at least 1, not {n}")
        return [self._encode(index, prompt, n, sampling) for index, prompt in enumerate(prompts)]

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a sampled turn and the next, as `Generator.encode_reply` says."""
        return chat.encode_reply(self.tokenizer, completion.token_ids, messages, self.end_ids)

    def text(self, ids: Sequence[int]) -> str:
        """Decode sampled ids, special tokens included, without the token that ended the turn."""
        return chat.decode(self.tokenizer, ids[:-1] if ids and ids[-1] in self.end_ids else ids)

    def completion(
        self,
        prompt_ids: tuple[int, ...],
        token_ids: Sequence[int],
        logprobs: Sequence[float],
        sampled_under: tuple[WeightsSpan, ...],
    ) -> Completion:
        """Build the completion from what was sampled after a prompt."""
        ended = bool(token_ids) and token_ids[-1] in self.end_ids
        return Completion(
            text=chat.opening(self.tokenizer, prompt_ids) + self.text(token_ids),
            token_ids=tuple(token_ids),
            logprobs=tuple(logprobs),
            prompt_token_ids=prompt_ids,
            finish_reason=FinishReason.STOP if ended else FinishReason.LENGTH,
            sampled_under=sampled_under,
        )

    def _encode(
        self, index: int, prompt: GenerationRequest, n: int, sampling: SamplingParams
    ) -> EncodedPrompt:
        ids = prompt.token_ids
        if ids is None:
            ids = chat.encode_prompt(self.tokenizer, prompt.messages)
            self._refuse_without_room(index, prompt, len(ids), sampling.max_tokens)
        if not ids:
            raise ConfigError(f"prompt {index} is empty: a model needs at least one token to continue")
        room = sampling.max_tokens if self.context is None else self.context - len(ids)
        samples = range(prompt.first_sample, prompt.first_sample + n)
        return EncodedPrompt(
            index=index,
            ids=ids,
            budget=max(0, min(sampling.max_tokens - prompt.begun, room)),
            streams=tuple(derive_seed(prompt.seed, sample) for sample in samples),
        )

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


def end_of_sequence_ids(
    tokenizer: PreTrainedTokenizerBase, generation_config: GenerationConfig | None
) -> frozenset[int]:
    """Every id that ends a turn: those of the generation config (one or several) and the tokenizer's."""
    configured = generation_config.eos_token_id if generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(id for id in (*ids, tokenizer.eos_token_id) if isinstance(id, int))
