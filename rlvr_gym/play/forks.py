"""Episodes that go on from a place in an earlier one, whose turns before it are replayed and not sampled again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rlvr_gym.errors import VerifierFault
from rlvr_gym.rollouts import Rollout, TurnReward
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, WeightsSpan

Decode = Callable[[Sequence[int]], str]
"""The text of a turn's sampled ids, as the sampler gives it."""

NO_CALLS = (
    "rollouts do not fork among calls that the chat template shows: use a policy whose template knows no tools, or an "
    "environment without"
)
"""The reason for it: a call that is replayed would have to be read again."""

_OTHERWISE = (
    "rollouts cannot fork in an environment that is not deterministic: when earlier turns are replayed,"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fork:
    """A place in a rollout from which another one of its task goes on: before token `token` of turn `turn`.

    Every turn before that one has tokens.
    """

    rollout: Rollout
    turn: int
    token: int = 0

    @property
    def shared(self) -> int:
        """Number of the rollout's `token_ids` before it."""
        return self.rollout.turns[self.turn].begin + self.token

    @property
    def begun(self) -> tuple[int, ...]:
        """The ids before it of the turn that it lies in."""
        return self.rollout.token_ids[self.rollout.turns[self.turn].begin : self.shared]

    def given(self, turn: int) -> Completion:
        """A turn as it was sampled, for the environment to answer once more."""
        return self._sampled(turn, self.rollout.turns[turn].end)

    def check(
        self, turn: int, ids: Sequence[int], messages: Sequence[Message], rewards: Sequence[TurnReward]
    ) -> None:
        """Raise VerifierFault where the replay up to the answer to `turn` is not what the rollout has there.

        `ids`, `messages` and `rewards` are those of the replay so far.
        """
        upto, rollout = self.rollout.turns[turn + 1], self.rollout
        if (*ids,) != rollout.token_ids[: upto.begin] or (*messages,) != rollout.messages[: upto.message]:
            raise VerifierFault(f"{_OTHERWISE} the answer to turn {turn + 1} is another one")
        if [*rewards] != [given for given in rollout.turn_rewards if given.end < rollout.turns[turn].end]:
            raise VerifierFault(f"{_OTHERWISE} turn {turn + 1} is rewarded otherwise")

    def joined(self, rest: Completion, decode: Decode) -> Completion:
        """The whole turn that the fork lies in, of which `rest` was sampled after it.

        Its text is that of all its ids together, for a character may be spread over tokens on both sides. A thinking
        that the prompt opened stands before what was sampled.
        """
        place = self.rollout.turns[self.turn]
        before, text = (
            self._sampled(self.turn, place.begin + self.token),
            self.rollout.messages[place.message].content,
        )
        sampled = decode(self.rollout.token_ids[place.begin : place.end])
        opened = text.removesuffix(sampled) if text.endswith(sampled) else ""
        token_ids = (*before.token_ids, *rest.token_ids)
        return replace(
            rest,
            text=opened + decode(token_ids),
            token_ids=token_ids,
            logprobs=(*before.logprobs, *rest.logprobs),
            prompt_token_ids=before.prompt_token_ids,
            sampled_under=(*before.sampled_under, *rest.sampled_under),
        )

    def _sampled(self, turn: int, end: int) -> Completion:
        """A turn of the rollout, up to its token at `end`."""
        place, rollout = self.rollout.turns[turn], self.rollout
        earlier = sum(rollout.action_mask[: place.begin])
        return Completion(
            text=rollout.messages[place.message].content,
            token_ids=rollout.token_ids[place.begin : end],
            logprobs=rollout.logprobs[place.begin : end],
            prompt_token_ids=(*rollout.prompt_ids, *rollout.token_ids[: place.begin]),
            finish_reason=place.finish_reason,
            sampled_under=_spans(rollout.sampled_under, earlier, earlier + end - place.begin),
        )


def ended_early(turn: int) -> VerifierFault:
    """The fault of an environment that ends an episode with `turn` where it had gone on before."""
    return VerifierFault(f"{_OTHERWISE} turn {turn + 1} ends the episode")


def _spans(spans: Sequence[WeightsSpan], first: int, end: int) -> tuple[WeightsSpan, ...]:
    """The weights of the sampled tokens `first` to `end` - 1."""
    places = [0]
    for span in spans:
        places.append(places[-1] + span.tokens)
    inside = [
        (span.version, min(last, end) - max(begin, first))
        for span, (begin, last) in zip(spans, pairwise(places), strict=True)
    ]
    return tuple(WeightsSpan(version=version, tokens=tokens) for version, tokens in inside if tokens > 0)
