"""The seam between this library and whatever samples from a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from rlvr_gym.errors import ConfigError
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import ToolSpec
from rlvr_gym.verdicts import Completion

if TYPE_CHECKING:
    from torch import Tensor

    from rlvr_gym.generation.prompts import TokenPrompts


class SamplingParams(BaseModel):
    """The sampling of completions. `temperature` 0 is greedy; `top_p` 1 and `top_k` 0 cut nothing off."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(default=1.0, ge=0.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=1024, ge=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """One prompt to sample completions of.

    `messages` is the conversation so far. `token_ids`, where given, are the exact ids of that conversation
    and are continued as they stand: turns that were sampled are never decoded and encoded again. The last `begun`
    of them are the beginning of the turn that is asked for: they count towards `max_tokens`, `messages` does not hold
    them, and the completion is what follows them.
    `seed` names the random stream of this prompt's completions: equal prompts with equal seeds get equal
    completions from a deterministic backend, whatever else is in the call. A call for `n` completions draws
    the samples `first_sample` to `first_sample + n - 1` of that stream: sample 5 is the same one whether it is
    drawn alone or together with others.

    `tools` are those that the model is shown by its chat template, and whose calls its completions name; only a
    generator that `TakesTools` is asked for that. `max_tokens` bounds the completion where it is less than the
    sampling's own: what an episode has left. At 0 the completion is empty, with finish reason `length`.
    `stop` are texts of which the first to be complete ends the completion, with finish reason `stop`: the token that
    completes it is the last.
    """

    messages: tuple[Message, ...]
    seed: int
    first_sample: int = 0
    token_ids: tuple[int, ...] | None = None
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int | None = None
    begun: int = 0
    stop: tuple[str, ...] = ()

    def up_to_stop(self, text: str) -> str:
        """A text up to the end of the first stop string in it; all of it where there is none."""
        ends = [place + len(one) for one in self.stop if (place := text.find(one)) >= 0]
        return text[: min(ends)] if ends else text


class Generator(Protocol):
    """Samples completions. `generate` is what everything else is built on."""

    @property
    def concurrency(self) -> int:
        """Number of threads that may call `generate` at once.

        1 if a call draws many samples together, as a model in this process does; more if every sample is a request
        of its own. Evaluations ask for these one by one, and keep each as soon as it arrives.
        """
        ...

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample `n` completions of each prompt.

        Yields (index of the prompt, its `n` completions), each prompt once, as soon as the prompt's last
        completion is finished, so that judging can begin while others are still sampled. Every completion
        has its `token_ids`, the sampler's `logprobs` at the sampling temperature, and the
        `prompt_token_ids` it continued. Where only text is known, none of the three, but `usage`: such
        completions can be evaluated and not trained on. A completion that could not be had is no exception
        but a completion that `failed`, its `fault` naming the cause.

        Raises ConfigError, before sampling anything, for a first prompt (no `token_ids`) that leaves no room
        for `sampling.max_tokens` in the model's context. A continued conversation gets what room is left;
        where none is, an empty completion with finish reason `length`.
        """
        ...

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids that follow the sampled turn `completion` when the environment answers with `messages`.

        They run from just after its `token_ids` (closing the turn first, where sampling was cut off before
        an end-of-turn token) to where the next sampled turn begins.
        """
        ...


class UnknownCalls(ConfigError):
    """A chat template shows tools, and writes calls in a form that nobody here can read."""


@runtime_checkable
class TakesTools(Protocol):
    """Offered by a generator that may show tools to its model in the model's own form."""

    def takes_tools(self) -> bool:
        """Return whether it does: False where the model's chat template knows no tools.

        Raises UnknownCalls where the template writes calls in a form that nobody here can read.
        """
        ...


@runtime_checkable
class HasTokenPrompts(Protocol):
    """Offered by a generator that writes and reads the token ids of conversations here, whoever samples them."""

    @property
    def prompts(self) -> TokenPrompts:
        """The conversations of its model as token ids."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """Offered by a generator whose display can tell how far a call of `generate` is before its first group ends."""

    @property
    def tokens_sampled(self) -> int:
        """Number of tokens sampled so far, those of unfinished completions included. Read from any thread."""
        ...


@runtime_checkable
class CanBeStopped(Protocol):
    """Offered by a generator that another thread can call off in the middle of a call of `generate`."""

    def stop(self) -> None:
        """End calls that are under way, after the token that they are at: they raise
        TrainingError. Call from any thread."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftCounts:
    """Counts of drafted tokens and of what came of them.

    First tokens of completions, which come of the prompt's pass, do not count.
    """

    passes: int = 0
    """Number of times that the model has read some tokens of a completion: a batch of 8 rows counts 8 times."""
    tokens: int = 0
    """Number of tokens that completions gained by these."""
    judged: int = 0
    """Number of drafted tokens that were accepted or refused; those after a refused one are neither."""
    accepted: int = 0

    def __add__(self, other: DraftCounts) -> DraftCounts:
        return DraftCounts(
            passes=self.passes + other.passes,
            tokens=self.tokens + other.tokens,
            judged=self.judged + other.judged,
            accepted=self.accepted + other.accepted,
        )

    def since(self, earlier: DraftCounts) -> DraftCounts:
        """Count what came after `earlier`."""
        return DraftCounts(
            passes=self.passes - earlier.passes,
            tokens=self.tokens - earlier.tokens,
            judged=self.judged - earlier.judged,
            accepted=self.accepted - earlier.accepted,
        )


@runtime_checkable
class CountsDrafts(Protocol):
    """Offered by a generator that a smaller model may draft tokens for."""

    @property
    def draft_counts(self) -> DraftCounts | None:
        """The counts of all calls that are over; None without a draft."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenSequence:
    """Ids to look at: the log-probability of each of `token_ids` where they follow `prompt_token_ids`."""

    prompt_token_ids: tuple[int, ...]
    token_ids: tuple[int, ...]


class TrainableGenerator(Generator, Protocol):
    """A `Generator` that takes new weights, and says under which ones each token was sampled.

    Every completion names the weights of its tokens in `sampled_under`. A generator begins with the weights it was
    made with, version 0.
    """

    @property
    def weights_version(self) -> int | None:
        """The version of the weights that are sampled from.

        None where that is not known, and sampling is refused: after an update that failed or was refused, until a
        whole one has succeeded.
        """
        ...

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Sample from these weights from now on, and call them `version`.

        `weights` are all parameters of the model under the names of transformers (`named_parameters`: tied ones
        once), as tensors of any device. Those that are spread over processes (DTensor) are gathered one at a time: then
        all these processes update their generators together. Names and shapes are compared before anything is changed,
        and nothing that was computed from the old weights (prefix caches) is used again. Completions that are under way
        either go on, their later tokens computed from the new weights alone, or are ended by a TrainingError.

        Raises TrainingError that names the parameters which are missing, unknown or of another shape.
        After any error `weights_version` is None: `generate` and `score` raise TrainingError until an update succeeds.
        """
        ...

    def score(self, sequences: Sequence[TokenSequence], temperature: float = 1.0) -> list[tuple[float, ...]]:
        """The log-probabilities at which `token_ids` would be sampled, nothing cut off.

        A trainer that computes the same from its own weights proves that both have the same ones.
        """
        ...
