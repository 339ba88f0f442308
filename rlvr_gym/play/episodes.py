"""Episodes under way: what is sampled next, what was said, and what has become of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from rlvr_gym.environments.tooling import EpisodeLimits, shown_by_template
from rlvr_gym.environments.vector import GroupVectorEnv, TurnResult
from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.generation.base import GenerationRequest, Generator, TakesTools
from rlvr_gym.play.forks import NO_CALLS, Decode, Fork, ended_early
from rlvr_gym.rollouts import Rollout, Turn, TurnReward
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message, Task
from rlvr_gym.tools import CallRecord, ToolSpec
from rlvr_gym.verdicts import Completion, Usage, Verdict, WeightsSpan


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """An episode to be played: sample `sample` of `task`, from its beginning or from a place in an earlier one."""

    task: Task
    sample: int
    fork: Fork | None = None


@final
class Table:
    """The episodes in the lanes of one environment; `waiting` are the lanes whose turn it is to be sampled."""

    def __init__(
        self, env: GroupVectorEnv, generator: Generator, seed: int, *, decode: Decode | None = None
    ) -> None:
        self.env, self.generator = env, generator
        self.waiting: list[int] = []
        self.judging: dict[int, Completion] = {}
        self.on_answer: Callable[[int], object] | None = None
        """Called, in a thread that judges, with a lane whose turn `receive` would answer at once."""
        self._episodes: dict[int, _Episode] = {}
        self._seed, self._decode = seed, decode
        self._native_tools = shown_by_template(
            env.env, lambda: isinstance(generator, TakesTools) and generator.takes_tools()
        )

    def begin(self, lane: int, seat: Seat) -> None:
        """Begin an episode in a lane that has none.

        Raises ConfigError for a fork within a turn without `decode`, and for one among calls that the template shows.
        """
        if seat.fork and seat.fork.token and self._decode is None:
            raise ConfigError(
                "a fork within a turn needs `decode`, for what is said on both sides of it is one text"
            )
        if seat.fork and self._native_tools:
            raise ConfigError(NO_CALLS)
        self.env.begin(lane, seat.task, native_tools=self._native_tools)
        self._episodes[lane] = _Episode(
            seat=seat,
            seed=derive_seed(self._seed, seat.task.id),
            prompt_messages=self.env.messages(lane),
            tools=self.env.env.tools if self._native_tools else (),
            stop=() if self._native_tools else self.env.env.stop,
            limits=self.env.env.limits,
            prompt_ids=seat.fork.rollout.prompt_ids if seat.fork else (),
        )
        self._go_on(lane)

    def requests(self) -> list[tuple[int, GenerationRequest]]:
        """Return the requests of the lanes whose turn it is; none of them is waiting any more."""
        lanes, self.waiting = sorted(self.waiting), []
        return [(lane, self._episodes[lane].request()) for lane in lanes]

    def sampled(self, lane: int, completion: Completion) -> None:
        """Hand a turn to the environment, with what a fork has of it already."""
        fork = self._episodes[lane].within
        if fork is not None:
            assert self._decode is not None
            completion = fork.joined(completion, self._decode)
        self._send(lane, completion)

    def settle(self, *, wait: bool) -> list[Rollout]:
        """Receive answers, those that are there or, with `wait`, all; returns the episodes that are over, by lane."""
        ready = [lane for lane in self.judging if wait or self.env.answered(lane)]
        settled = [self.receive(lane) for lane in ready]
        return [rollout for rollout in settled if rollout is not None]

    def receive(self, lane: int) -> Rollout | None:
        """Receive the answer to the turn that was sent: the rollout, or None where the episode goes on."""
        completion, episode = self.judging.pop(lane), self._episodes[lane]
        answer = self.env.recv(lane)
        episode.answered(answer)
        if answer.verdict is None:
            episode.said(answer.messages, self.generator.encode_reply(completion, answer.messages))
        verdict = _verdict(episode, answer)
        if verdict is None:
            self._go_on(lane)
            return None
        return self._episodes.pop(lane).finished(completion, verdict)

    def _go_on(self, lane: int) -> None:
        """Replay the next turn before a fork; after these, have one sampled."""
        episode = self._episodes[lane]
        if episode.replays:
            assert episode.seat.fork is not None
            self._send(lane, episode.seat.fork.given(episode.turns))
        else:
            self.waiting.append(lane)

    def _send(self, lane: int, completion: Completion) -> None:
        self._episodes[lane].sampled(completion)
        self.judging[lane] = completion
        told = self.on_answer
        self.env.send(lane, completion, None if told is None else lambda: told(lane))


def _verdict(episode: _Episode, answer: TurnResult) -> Verdict | None:
    """The verdict on an episode; None where it goes on. A replay that goes otherwise ends it unscored."""
    try:
        episode.check_replay(answer)
    except VerifierFault as fault:
        return Verdict.unscored(str(fault))
    return answer.verdict


@dataclass(slots=True, kw_only=True)
class _Episode:
    """A trajectory while it grows."""

    seat: Seat
    seed: int
    prompt_messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    stop: tuple[str, ...]
    limits: EpisodeLimits
    messages: list[Message] = field(default_factory=list)
    places: list[Turn] = field(default_factory=list)
    prompt_ids: tuple[int, ...] = ()
    token_ids: list[int] = field(default_factory=list)
    action_mask: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    turn_rewards: list[TurnReward] = field(default_factory=list)
    sampled_under: list[WeightsSpan] = field(default_factory=list)
    usage: Usage | None = None
    judging_seconds: float = 0.0
    calls: list[CallRecord] | None = None

    @property
    def turns(self) -> int:
        """Number of turns so far."""
        return len(self.places)

    @property
    def replays(self) -> bool:
        """True while turns before the fork are left to replay."""
        return self.seat.fork is not None and self.turns < self.seat.fork.turn

    @property
    def within(self) -> Fork | None:
        """The fork that lies within the next turn, if one does."""
        fork = self.seat.fork
        return fork if fork is not None and fork.token and self.turns == fork.turn else None

    def check_replay(self, answer: TurnResult) -> None:
        """Raise VerifierFault where the turn that was answered is a replayed one, and was answered otherwise before."""
        fork, turn = self.seat.fork, self.turns - 1
        if fork is None or turn >= fork.turn:
            return
        if answer.verdict is None:
            fork.check(turn, self.token_ids, self.messages, self.turn_rewards)
        elif answer.verdict.scored:
            raise ended_early(turn)

    def request(self) -> GenerationRequest:
        """The next turn: the first draws from the task's stream, each later one from a stream of its own."""
        begun = self.within.begun if self.within else ()
        if not self.turns and not begun:
            return GenerationRequest(
                messages=self.prompt_messages,
                seed=self.seed,
                first_sample=self.seat.sample,
                tools=self.tools,
                max_tokens=self._tokens_left(),
                stop=self.stop,
            )
        return GenerationRequest(
            messages=(*self.prompt_messages, *self.messages),
            token_ids=(*self.prompt_ids, *self.token_ids, *begun),
            begun=len(begun),
            seed=derive_seed(self.seed, self.seat.sample, self.turns),
            tools=self.tools,
            max_tokens=self._tokens_left(begun=len(begun)),
            stop=self.stop,
        )

    def _tokens_left(self, *, begun: int = 0) -> int | None:
        """Number of tokens that the policy may still sample; None where nothing but the sampling itself says so.

        There are none where the environment's answers have come to more than may be shown: the policy would go on
        from what it is not to read.
        """
        observed = len(self.action_mask) - sum(self.action_mask)
        if self.limits.observation_tokens is not None and observed > self.limits.observation_tokens:
            return 0
        if self.limits.sampled_tokens is None:
            return None
        sampled = sum(self.action_mask)
        if not self.token_ids and self.usage is not None:
            sampled = self.usage.completion_tokens or 0
        return max(0, self.limits.sampled_tokens - sampled - begun)

    def sampled(self, completion: Completion) -> None:
        if not self.turns:
            self.prompt_ids = completion.prompt_token_ids
        begin, message = len(self.token_ids), len(self.messages)
        end = begin + len(completion.token_ids)
        self.places.append(
            Turn(begin=begin, end=end, message=message, finish_reason=completion.finish_reason)
        )
        self.messages.append(completion.message)
        self._extend(completion.token_ids, True, completion.logprobs)
        self.sampled_under += completion.sampled_under
        self.usage = completion.usage if self.turns == 1 else _added(self.usage, completion.usage)

    def answered(self, answer: TurnResult) -> None:
        self.judging_seconds += answer.seconds
        if answer.calls is not None:
            self.calls = [*(self.calls or []), *answer.calls]
        if answer.turn_reward is not None:
            self.turn_rewards.append(TurnReward(end=self._sampled_length() - 1, reward=answer.turn_reward))

    def said(self, messages: Sequence[Message], ids: Sequence[int]) -> None:
        self.messages += messages
        self._extend(ids, False, [0.0] * len(ids))

    def finished(self, completion: Completion, verdict: Verdict) -> Rollout:
        # An environment's turn that filled the context was never read by the policy: the model could not
        # even be shown it in training.
        length = self._sampled_length()
        turns = [replace(turn, begin=min(turn.begin, length)) for turn in self.places]
        return Rollout(
            task=self.seat.task,
            sample=self.seat.sample,
            prompt_ids=self.prompt_ids,
            token_ids=tuple(self.token_ids[:length]),
            action_mask=tuple(self.action_mask[:length]),
            logprobs=tuple(self.logprobs[:length]),
            messages=tuple(self.messages),
            finish_reason=completion.finish_reason,
            verdict=verdict,
            turn_rewards=tuple(self.turn_rewards),
            sampled_under=tuple(self.sampled_under),
            usage=self.usage,
            judging_seconds=self.judging_seconds,
            calls=None if self.calls is None else tuple(self.calls),
            turns=tuple(replace(turn, end=min(turn.end, length)) for turn in turns),
        )

    def _sampled_length(self) -> int:
        """Number of tokens up to the last sampled one."""
        return max((place for place, sampled in enumerate(self.action_mask, 1) if sampled), default=0)

    def _extend(self, ids: Sequence[int], sampled: bool, logprobs: Sequence[float]) -> None:
        self.token_ids.extend(ids)
        self.action_mask.extend([sampled] * len(ids))
        self.logprobs.extend(logprobs)


def _added(before: Usage | None, turn: Usage | None) -> Usage | None:
    """The usage of an episode after one more turn; a turn that does not say leaves the sum unknown."""
    if before is None or turn is None:
        return None
    sampled = (before.completion_tokens, turn.completion_tokens)
    known = [count for count in sampled if count is not None]
    total = sum(known) if len(known) == len(sampled) else None
    return Usage(prompt_tokens=before.prompt_tokens, completion_tokens=total)
