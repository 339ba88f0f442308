"""Requests as token ids with a budget, and sampled ids as completions: the same for every engine that takes ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transformers import GenerationConfig, PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation import chat
from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
from rlvr_gym.generation.calls.codec import ToolCodec
from rlvr_gym.generation.stops import StopStrings, first_tokens
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import Call, ToolSpec
from rlvr_gym.verdicts import Completion, FinishReason, WeightsSpan

_ENDS_OF_CALLS = ("<|call|>", "<|eom_id|>")
"""Tokens by which gpt-oss and Llama 3 hand over to a tool, which not every generation config names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedPrompt:
    """A request as an engine takes it: at most `budget` tokens after `ids`, one sample for each of `streams`."""

    index: int
    ids: tuple[int, ...]
    budget: int
    streams: tuple[int, ...]
    tools: tuple[ToolSpec, ...] = ()
    stop: StopStrings | None = None


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
        self._stops: dict[tuple[str, ...], StopStrings] = {}
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

    def encode_prompt(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> tuple[int, ...]:
        """The ids of a conversation up to where the next turn begins, as `chat.encode_prompt` says."""
        return chat.encode_prompt(self.tokenizer, messages, tools)

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a sampled turn and the next, as `Generator.encode_reply` says."""
        return chat.encode_reply(
            self.tokenizer, completion.token_ids, messages, self.end_ids, completion.calls or ()
        )

    def takes_tools(self) -> bool:
        """Return whether the model's chat template knows tools, as `TakesTools` says."""
        return ToolCodec.of(self.tokenizer) is not None

    def text(self, ids: Sequence[int]) -> str:
        """Decode sampled ids, special tokens included, without the token that ended the turn."""
        return chat.decode(self.tokenizer, ids[:-1] if ids and ids[-1] in self.end_ids else ids)

    def completion(
        self,
        prompt_ids: tuple[int, ...],
        token_ids: Sequence[int],
        logprobs: Sequence[float],
        sampled_under: tuple[WeightsSpan, ...],
        tools: Sequence[ToolSpec] = (),
        stop: StopStrings | None = None,
    ) -> Completion:
        """Build the completion from what was sampled after a prompt that showed `tools`.

        What an engine has sampled after the first stop string is left out.
        """
        length = stop.length(token_ids) if stop else None
        if length is not None:
            token_ids, logprobs = token_ids[:length], logprobs[:length]
            sampled_under = first_tokens(sampled_under, length)
        ended = length is not None or (bool(token_ids) and token_ids[-1] in self.end_ids)
        opening = chat.opening(self.tokenizer, prompt_ids)
        return Completion(
            text=opening + self.text(token_ids),
            calls=self._calls(token_ids, tools, opened=opening, after=len(prompt_ids)) if tools else None,
            token_ids=tuple(token_ids),
            logprobs=tuple(logprobs),
            prompt_token_ids=prompt_ids,
            finish_reason=FinishReason.STOP if ended else FinishReason.LENGTH,
            sampled_under=sampled_under,
        )

    def _calls(
        self, ids: Sequence[int], tools: Sequence[ToolSpec], *, opened: str, after: int
    ) -> tuple[Call, ...]:
        codec = ToolCodec.of(self.tokenizer)
        assert codec is not None, "tools were shown by a template that knows none"
        said = ids[:-1] if ids and ids[-1] in self.end_ids else ids
        return codec.parse(said, tools, opened=opened, first=after).calls

    def _encode(
        self, index: int, prompt: GenerationRequest, n: int, sampling: SamplingParams
    ) -> EncodedPrompt:
        ids = prompt.token_ids
        most = (
            sampling.max_tokens if prompt.max_tokens is None else min(prompt.max_tokens, sampling.max_tokens)
        )
        if ids is None:
            ids = chat.encode_prompt(self.tokenizer, prompt.messages, prompt.tools)
            self._refuse_without_room(index, prompt, len(ids), most)
        if not ids:
            raise ConfigError(f"prompt {index} is empty: a model needs at least one token to continue")
        room = most if self.context is None else min(most, self.context - len(ids))
        samples = range(prompt.first_sample, prompt.first_sample + n)
        return EncodedPrompt(
            index=index,
            ids=ids,
            budget=max(0, min(sampling.max_tokens - prompt.begun, room)),
            streams=tuple(derive_seed(prompt.seed, sample) for sample in samples),
            tools=prompt.tools,
            stop=self._stop(prompt.stop, ids[len(ids) - prompt.begun :]),
        )

    def _stop(self, texts: tuple[str, ...], begun: tuple[int, ...]) -> StopStrings | None:
        if not texts:
            return None
        if not all(texts):
            raise ConfigError("a stop string is empty: it would end every turn before it begins")
        if texts not in self._stops:
            self._stops[texts] = StopStrings(tokenizer=self.tokenizer, texts=texts)
        return self._stops[texts].after(begun)

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
    """Every id that ends a turn: those of the generation config, the tokenizer's, and those that end calls."""
    configured = generation_config.eos_token_id if generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    special = {token.content: id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    calls = [special.get(text) for text in _ENDS_OF_CALLS] if tokenizer.eos_token_id is not None else []
    return frozenset(id for id in (*ids, tokenizer.eos_token_id, *calls) if isinstance(id, int))
