"""An episode's session with the chat server: its calls, how each goes on from an earlier one, and its end."""

from __future__ import annotations

import hashlib
import secrets
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, final

from rlvr_gym.agents.clock import OwnTime
from rlvr_gym.agents.turns import Translator, refusal_of
from rlvr_gym.agents.wire import Answered, ChatRequest, Refused, Said, following
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import GenerationRequest
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion

PATIENCE_SECONDS = 1.0
"""A client that waits for an answer longer than this in all, and then no more, was let down by us; one that waits less
never meant to have it."""
_OVER = "the session is over: the agent's episode has ended"


class Exchange(Protocol):
    """A request that somebody waits for the answer of."""

    @property
    def delivered(self) -> bool:
        """True once all of the answer has been sent."""
        ...

    @property
    def begun(self) -> bool:
        """True once anything of the answer has been sent."""
        ...

    @property
    def waited_in_vain(self) -> float | None:
        """Seconds after which the client was gone, the answer not sent in full; None where it is still there."""
        ...

    def answer(self, answer: Answered | Refused) -> None:
        """Send this, from any thread."""
        ...


@dataclass(kw_only=True, slots=True, eq=False)
class Call:
    """One completion that an agent asked for, however often: retries are of the same call."""

    number: int
    request: ChatRequest
    parent: Call | None
    prompt_ids: tuple[int, ...] | None
    draw: int
    """The number of calls with this very conversation before it."""
    completion: Completion | None = None
    said: Said | None = None
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def lost(self) -> bool:
        """True where nobody has its answer, and nobody waits for it any more."""
        return all(one.waited_in_vain is not None for one in self.exchanges)

    @property
    def unanswered(self) -> bool:
        """True where its client waited long enough, got nothing, and did not ask again."""
        begun = any(one.begun for one in self.exchanges)
        return self.lost and not begun and self.waited >= PATIENCE_SECONDS

    @property
    def waited(self) -> float:
        """Seconds that its clients have waited in vain."""
        return sum(one.waited_in_vain or 0.0 for one in self.exchanges)


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSeed:
    """The randomness of an episode's calls: each has a stream that depends on its prompt alone."""

    seed: int
    task: str
    sample: int

    def of(self, prompt_ids: Sequence[int] | None, digest: str) -> int:
        """The seed of a prompt, of its ids where they are known."""
        if prompt_ids is not None:
            digest = hashlib.sha256(array("q", prompt_ids).tobytes()).hexdigest()
        return derive_seed(self.seed, self.task, "agent", self.sample, digest)


@final
class Session:
    """The calls of one episode. All of it is used from one thread, but for `own`, `sealed` and the names."""

    def __init__(self, translator: Translator, seed: SessionSeed, *, max_calls: int) -> None:
        self.id, self.key = secrets.token_hex(8), secrets.token_urlsafe(24)
        self.own = OwnTime()
        self.sealed = False
        """True once no more calls are taken."""
        self.fault: str | None = None
        """The reason why nothing can be known of the episode, where something of ours has failed in it."""
        self.calls: list[Call] = []
        self._translator, self._seed, self._max_calls = translator, seed, max_calls
        self._asked: dict[object, list[Call]] = defaultdict(list)
        self._drawn: dict[str, int] = defaultdict(int)
        self._after: dict[str, Call] = {}

    @property
    def waiting(self) -> bool:
        """True while a call is being sampled."""
        return any(call.completion is None for call in self.calls)

    def ask(self, number: int, request: ChatRequest, exchange: Exchange) -> GenerationRequest | None:
        """Take a request; returns what is to be sampled for it as call `number`, if anything is.

        A retry joins the call that it is of, and what cannot be answered is refused.
        """
        try:
            return self._ask(number, request, exchange)
        except Refused as refused:
            exchange.answer(refused)
        except ConfigError as error:
            exchange.answer(Refused(refusal_of(error)))
        return None

    def sampled(self, call: Call, completion: Completion) -> None:
        """Take a call's completion, and tell whoever waits for it."""
        if completion.failed:
            self.fault = completion.fault
            self._refuse(
                call, completion, Refused("the model could not be asked", status=503, code="server_error")
            )
            return
        if call.prompt_ids is not None and len(completion.logprobs) != len(completion.token_ids):
            self.fault = "the sampler gave no log-probabilities for its tokens"
        if call.prompt_ids is not None and not completion.token_ids:
            full = "the conversation leaves no room for an answer in the model's context"
            self._refuse(call, completion, Refused(full, code="context_length_exceeded"))
            return
        request = call.request
        call.completion = self._translator.cut(completion, request.stop, request.tools)
        call.said = self._translator.said(call.completion, request.tools, request.stop)
        self._after.setdefault(following(request.digests[-1], call.said.message), call)
        for exchange in call.exchanges:
            exchange.answer(self._answered(call))

    def broken(self, call: Call, completion: Completion, fault: str) -> None:
        """Take a completion that could not be told to whoever waits for it, by some fault of ours."""
        self.fault = fault
        self._refuse(call, completion, Refused(fault, status=500, code="server_error"))

    def seal(self) -> None:
        """Take no more calls."""
        self.sealed = True

    def close(self) -> None:
        """Say what has become of calls that were given up on, once the episode is over."""
        given_up = next((call for call in self.calls if call.unanswered), None)
        if given_up is not None and self.fault is None:
            self.fault = (
                f"the agent gave up on a completion that it had not got after {given_up.waited:.0f} s: give its client "
                "a longer timeout"
            )

    def _ask(self, number: int, request: ChatRequest, exchange: Exchange) -> GenerationRequest | None:
        if self.sealed:
            raise Refused(_OVER, status=409, code="conflict")
        again = self._retried(request)
        if again is not None:
            again.exchanges.append(exchange)
            if again.said is not None:
                exchange.answer(self._answered(again))
            elif again.completion is not None:
                raise Refused("this was refused before", code="context_length_exceeded")
            return None
        if len(self.calls) >= self._max_calls:
            spent = f"an episode has {self._max_calls} completions, and they are used up"
            raise Refused(spent, status=429, code="insufficient_quota")
        parent, prompt_ids = self._linked(request)
        shown = self._translator.shown(request.messages, request.tools)
        digest = request.digests[-1]
        call = Call(
            number=number, request=request, parent=parent, prompt_ids=prompt_ids, draw=self._drawn[digest],
            exchanges=[exchange],
        )  # fmt: skip
        self._drawn[digest] += 1
        self.calls.append(call)
        self._asked[_key(request)].append(call)
        return GenerationRequest(
            messages=shown,
            seed=self._seed.of(prompt_ids, digest),
            first_sample=call.draw,
            token_ids=prompt_ids,
            tools=request.tools if self._translator.native else (),
            max_tokens=request.max_tokens,
        )

    def _retried(self, request: ChatRequest) -> Call | None:
        """The call that a request asks for once more; None for a new one.

        It is one whose client is gone without the answer, or any if the client says that it has asked before. Where
        several can be meant, and what was sent of them may differ, nothing can be known of the episode any more.
        """
        same = self._asked.get(_key(request), [])
        meant = [call for call in same if call.lost] or (same if request.retry else [])
        if len(meant) > 1 and any(exchange.begun for call in meant for exchange in call.exchanges):
            self.fault = "the agent's client asked again for one of several completions of one prompt"
        return meant[0] if meant else None

    def _linked(self, request: ChatRequest) -> tuple[Call | None, tuple[int, ...] | None]:
        """The call that a request goes on from, and the ids of its prompt.

        They are those of that call's prompt, its sampled ones, and what the template writes in between. Without such a
        call the conversation is a new one, and its ids are those of all of it.
        """
        for place in range(len(request.digests) - 1, -1, -1):
            parent = self._after.get(request.digests[place])
            if parent is None or parent.prompt_ids is None or parent.completion is None:
                continue
            more: tuple[Message, ...] = request.messages[place + 1 :]
            reply = self._translator.reply_ids(parent.completion, more)
            return parent, (*parent.prompt_ids, *parent.completion.token_ids, *reply)
        return None, self._translator.prompt_ids(request)

    def _answered(self, call: Call) -> Answered:
        assert call.said is not None
        return Answered(id=f"chatcmpl-{self.id}-{self.calls.index(call)}", said=call.said)

    def _refuse(self, call: Call, completion: Completion, refused: Refused) -> None:
        call.completion = completion
        for exchange in call.exchanges:
            exchange.answer(refused)


def _key(request: ChatRequest) -> object:
    """The part of a request that its retries have in common."""
    return request.digests[-1], request.stop, request.max_tokens
