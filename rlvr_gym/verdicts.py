"""Completions, which a policy writes, and verdicts, which judge them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from rlvr_gym.files import JsonObject
from rlvr_gym.task import Message
from rlvr_gym.tools.calls import Call


class FinishReason(StrEnum):
    """The reason why the sampler stopped. Truncation is read from here, never guessed from the last token."""

    STOP = "stop"
    """The policy ended its turn: an end-of-sequence token or a stop string."""
    LENGTH = "length"
    """The token budget ran out: the completion is truncated."""
    ERROR = "error"
    """The sampler failed, and there is no turn to judge: a request to a server that was lost for good, say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Token counts of a turn, as reported by its sampler; None if it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsSpan:
    """A run of `tokens` tokens that were sampled under one version of the weights."""

    version: int
    tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """One turn of the policy, exactly as sampled.

    `token_ids` includes a sampled end-of-sequence token; `logprobs` holds the sampler's own log-probability
    of each of `token_ids` at the sampling temperature. Both are empty where only text is known (a person's
    answer, a stored completion). `prompt_token_ids` are the ids the sampler saw before the first of them.
    `text` is what `token_ids` say, special tokens included, without the end-of-sequence token; where the prompt
    ended by opening the thinking (`<think>` and a line break), it begins with that opening, which is the
    policy's first word to whoever reads it though no id of it was sampled.
    It is Unicode that can be encoded: lone surrogates, which JSON escapes can smuggle in, become U+FFFD.
    `usage` counts the tokens where their ids are not known. `fault` says why, where `finish_reason` is `error`;
    such a completion is never judged: its verdict is `unscored`. `sampled_under` says which weights sampled
    `token_ids`, from the first to the last; it is empty where a generator does not know its weights' versions.
    `calls` are the calls of tools in the turn, those that could not be read among them; None where its generator was
    shown no tools. They stand in `text` as they were sampled, but for a server's that hands them over apart.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    prompt_token_ids: tuple[int, ...] = ()
    finish_reason: FinishReason = FinishReason.STOP
    usage: Usage | None = None
    fault: str = ""
    sampled_under: tuple[WeightsSpan, ...] = ()
    calls: tuple[Call, ...] | None = None
    calls_in_text: bool = True

    def __post_init__(self) -> None:
        if _LONE_SURROGATE.search(self.text):
            object.__setattr__(self, "text", _LONE_SURROGATE.sub("\ufffd", self.text))

    @property
    def truncated(self) -> bool:
        """True if the token budget cut this completion off."""
        return self.finish_reason is FinishReason.LENGTH

    @property
    def failed(self) -> bool:
        """True if the sampler failed, so that there is nothing to judge."""
        return self.finish_reason is FinishReason.ERROR

    @property
    def message(self) -> Message:
        """The turn as a message of the conversation."""
        apart = () if self.calls_in_text else self.calls or ()
        if not apart:
            return Message(role="assistant", content=self.text)
        return Message(role="assistant", content=self.text, tool_calls=apart)

    @property
    def oldest_weights(self) -> int | None:
        """The oldest version of the weights that sampled any of the tokens; None where there is none known."""
        return min((span.version for span in self.sampled_under), default=None)


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Outcome(StrEnum):
    """The outcomes of judging. A wrong answer, a bad format and a broken verifier are three things."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    MALFORMED = "malformed"
    """No final answer could be read."""
    TIMEOUT = "timeout"
    """The *candidate* overran its own limits."""
    UNSCORED = "unscored"
    """The *verifier or the infrastructure* failed: nothing is known about the completion."""


class Verdict(BaseModel):
    """The judgement of a completion.

    `score` lies in [0, 1]; it is 1 exactly when the outcome is `correct`, and None exactly when it is
    `unscored`. `answer` is the final answer as read from the text, None where none was read. `parts` are the
    verdicts a composed verifier was made of, by name. `span` is where in the completion's text the judged part
    begins and ends, None for all of it: parts with a span are steps, which a trainer may reward each at its end.
    A verdict holds no timings: the same completion gets an equal verdict every time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    score: float | None = Field(ge=0.0, le=1.0)
    detail: str = ""
    answer: str | None = None
    parts: dict[str, Verdict] = Field(default_factory=dict)
    span: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _score_agrees_with_outcome(self) -> Verdict:
        if (self.score is None) != (self.outcome is Outcome.UNSCORED):
            raise ValueError(f"score {self.score} does not go with outcome '{self.outcome}'")
        if (self.score == 1.0) != (self.outcome is Outcome.CORRECT):
            raise ValueError(f"score {self.score} does not go with outcome '{self.outcome}'")
        return self

    @model_serializer(mode="wrap")
    def _without_absent_span(self, fields: SerializerFunctionWrapHandler) -> JsonObject:
        """Only steps have a span: what is stored of other verdicts does not speak of it."""
        stored: JsonObject = fields(self)
        if self.span is None:
            stored.pop("span", None)
        return stored

    @property
    def scored(self) -> bool:
        """False where the verifier or the infrastructure failed."""
        return self.outcome is not Outcome.UNSCORED

    @property
    def correct(self) -> bool:
        """True if the completion is right."""
        return self.outcome is Outcome.CORRECT

    @property
    def steps(self) -> list[Verdict]:
        """The parts that have a span, however deep, in the order of their ends."""
        found: list[Verdict] = []
        for part in self.parts.values():
            found += part.steps if part.span is None else [part]
        return sorted(found, key=lambda step: step.span[1] if step.span else 0)

    @classmethod
    def right(cls, detail: str = "", *, answer: str | None = None) -> Verdict:
        """Full marks."""
        return cls(outcome=Outcome.CORRECT, score=1.0, detail=detail, answer=answer)

    @classmethod
    def wrong(cls, detail: str = "", *, answer: str | None = None, score: float = 0.0) -> Verdict:
        """A final answer that is wrong; `score` below 1 gives partial credit."""
        return cls(outcome=Outcome.INCORRECT, score=score, detail=detail, answer=answer)

    @classmethod
    def malformed(cls, detail: str) -> Verdict:
        """No final answer could be read."""
        return cls(outcome=Outcome.MALFORMED, score=0.0, detail=detail)

    @classmethod
    def timeout(cls, detail: str, *, answer: str | None = None) -> Verdict:
        """The candidate overran its own limits."""
        return cls(outcome=Outcome.TIMEOUT, score=0.0, detail=detail, answer=answer)

    @classmethod
    def unscored(cls, detail: str) -> Verdict:
        """The verifier or the infrastructure failed; `detail` names the cause."""
        return cls(outcome=Outcome.UNSCORED, score=None, detail=detail)
