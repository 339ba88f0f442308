"""Episodes that are runs of an agent: its calls are sampled as they come, its answer is judged."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from rlvr_gym.agents.commands import AgentCommand
from rlvr_gym.agents.environment import AgentEnvironment
from rlvr_gym.agents.running import Answer, Ending, RunningAgent
from rlvr_gym.agents.session import Session, SessionSeed
from rlvr_gym.agents.trace import sequences_of
from rlvr_gym.agents.turns import Translator
from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.play.desk import LONGEST_WAIT_SECONDS, Desk
from rlvr_gym.play.episodes import Seat
from rlvr_gym.rollouts import Rollout, SampledSequence
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason, Usage, Verdict

if TYPE_CHECKING:
    from rlvr_gym.agents.server import ChatServer

_NOTHING = SampledSequence(prompt_ids=(), token_ids=(), action_mask=(), logprobs=())


@dataclass(frozen=True, kw_only=True, slots=True)
class Over:
    """News: an agent has come to its end."""

    lane: int
    session: Session
    ending: Ending


@dataclass(kw_only=True, slots=True, eq=False)
class _Episode:
    """An agent at work, or its answer on its way to a verdict."""

    seat: Seat
    session: Session
    began: float = field(default_factory=time.perf_counter)
    agent: RunningAgent | None = None
    ending: Ending | None = None
    judged: bool = False
    """True once its answer has been sent to be judged."""


def play_agents(
    env: AgentEnvironment,
    generator: Generator,
    seats: Sequence[Seat],
    sampling: SamplingParams,
    *,
    seed: int,
    at_once: int | None = None,
    clock: PhaseClock | None = None,
) -> Iterator[list[Rollout]]:
    """Run the agent for each of `seats`, `at_once` of them side by side; yields rollouts as they are judged.

    A completion depends on `seed`, the task's id, the sample's index and its own prompt, and on no order in which
    calls arrive.
    """
    if any(seat.fork is not None for seat in seats):
        raise ConfigError("an agent's episodes do not fork: what it does by itself cannot be replayed")
    if isinstance(env.agent, AgentCommand):
        env.agent.check()
    from rlvr_gym.agents.server import ChatServer

    news = queue.SimpleQueue[object]()
    lanes = min(len(seats), env.at_once, at_once or env.at_once)
    with (
        ChatServer(sampling, news.put) as server,
        closing(GroupVectorEnv(env, lanes, 1)) as vector,
    ):
        table = _Table(vector, Translator(generator), server, news, seed=seed)
        table.desk = Desk(generator, sampling, news)
        try:
            yield from table.play(seats, clock or PhaseClock())
        finally:
            table.stop()


@final
class _Table:
    """The agents at work, by lane."""

    desk: Desk

    def __init__(
        self,
        vector: GroupVectorEnv,
        translator: Translator,
        server: ChatServer,
        news: queue.SimpleQueue[object],
        *,
        seed: int,
    ) -> None:
        assert isinstance(vector.env, AgentEnvironment)
        self._env, self._vector, self._server, self._news, self._seed = vector.env, vector, server, news, seed
        self._translator = translator
        self._episodes: dict[int, _Episode] = {}

    def play(self, seats: Sequence[Seat], clock: PhaseClock) -> Iterator[list[Rollout]]:
        """Run the agents of all seats; an empty lane takes the next."""
        coming, free = iter(seats), list(range(self._vector.num_envs))
        while True:
            while free and (seat := next(coming, None)) is not None:
                self._begin(free.pop(), seat)
            if not self._episodes:
                return
            with clock.phase("generate" if self.desk.busy else "verify"):
                for one in self._arrived():
                    if not self.desk.take(one) and isinstance(one, Over):
                        self._end(one)
            self._give_up_late()
            finished = {lane: self._finished(lane) for lane in tuple(self._episodes)}
            over = {lane: rollout for lane, rollout in finished.items() if rollout is not None}
            free += over
            if over:
                yield list(over.values())

    def stop(self) -> None:
        """Leave every agent alone, and have nothing sampled any more."""
        for episode in self._episodes.values():
            episode.session.seal()
            if episode.agent is not None:
                episode.agent.give_up()
        self.desk.stop()

    def _begin(self, lane: int, seat: Seat) -> None:
        seed = SessionSeed(seed=self._seed, task=seat.task.id, sample=seat.sample)
        session = Session(self._translator, seed, max_calls=self._env.max_calls)
        episode = self._episodes[lane] = _Episode(seat=seat, session=session)
        self._vector.begin(lane, seat.task)
        base_url = self._server.add(session)

        def done(ending: Ending) -> None:
            self._news.put(Over(lane=lane, session=session, ending=ending))

        episode.agent = RunningAgent(self._env.agent, seat.task, base_url, session.key, done)

    def _arrived(self) -> list[object]:
        """Wait for news, or until an agent's time may be over; returns all that there is."""
        running = [episode for episode in self._episodes.values() if episode.ending is None]
        left = min((one.session.own.left(self._env.seconds) for one in running), default=math.inf)
        wait = min(max(0.001, left), max(0.001, self._vector.give_up_overdue()), LONGEST_WAIT_SECONDS)
        arrived = list[object]()
        try:
            arrived.append(self._news.get(timeout=wait))
            while True:
                arrived.append(self._news.get_nowait())
        except queue.Empty:
            return arrived

    def _end(self, over: Over) -> None:
        """Take note of an agent's end, unless it had been given up on."""
        episode = self._episodes.get(over.lane)
        if episode is not None and episode.session is over.session and episode.ending is None:
            episode.ending = over.ending
            episode.session.seal()

    def _give_up_late(self) -> None:
        """End the agents whose time is over; where nothing serves any more, all of them, unscored."""
        seconds, alive = self._env.seconds, self._server.alive
        for episode in self._episodes.values():
            if episode.ending is not None:
                continue
            if not alive:
                episode.ending = Verdict.unscored("the chat server for agents was lost")
            elif episode.session.own.left(seconds) <= 0:
                episode.ending = Verdict.timeout(f"the agent took more than {seconds:g} s by itself")
            if episode.ending is not None:
                episode.session.seal()
                assert episode.agent is not None
                episode.agent.give_up()

    def _finished(self, lane: int) -> Rollout | None:
        """The rollout of a lane whose agent has ended, all its calls sampled and its answer judged."""
        episode = self._episodes[lane]
        if episode.ending is None or episode.session.waiting:
            return None
        if not episode.judged:
            episode.session.close()
            if episode.session.fault is None and isinstance(episode.ending, Answer):
                episode.judged = True
                answer = Completion(text=episode.ending.text, finish_reason=_finish_reason(episode.session))
                self._vector.send(lane, answer, lambda: self._news.put(lane))
                return None
            return self._rollout(lane, self._without_answer(episode), 0.0)
        if not self._vector.answered(lane):
            return None
        judged = self._vector.recv(lane)
        assert judged.verdict is not None
        return self._rollout(lane, judged.verdict, judged.seconds)

    def _without_answer(self, episode: _Episode) -> Verdict:
        """The verdict on an episode whose answer is not judged."""
        if episode.session.fault is not None:
            return Verdict.unscored(episode.session.fault)
        assert isinstance(episode.ending, Verdict)
        return episode.ending

    def _rollout(self, lane: int, verdict: Verdict, judging_seconds: float) -> Rollout:
        episode = self._episodes.pop(lane)
        self._server.forget(episode.session)
        traced = sequences_of(episode.session.calls)
        first, *further = traced.sequences or (self._nothing_sampled(episode.seat),)
        return Rollout(
            task=episode.seat.task,
            sample=episode.seat.sample,
            prompt_ids=first.prompt_ids,
            token_ids=first.token_ids,
            action_mask=first.action_mask,
            logprobs=first.logprobs,
            messages=_messages(episode),
            finish_reason=_finish_reason(episode.session),
            verdict=verdict,
            sampled_under=traced.sampled_under,
            usage=None if self._translator.tokens is not None else _usage(episode.session),
            judging_seconds=judging_seconds,
            further=tuple(further),
        )

    def _nothing_sampled(self, seat: Seat) -> SampledSequence:
        """The sequence of an episode without a call: the task as a prompt, and nothing after it."""
        if self._translator.tokens is None:
            return _NOTHING
        prompt_ids = self._translator.tokens.encode_prompt(seat.task.prompt)
        return SampledSequence(prompt_ids=prompt_ids, token_ids=(), action_mask=(), logprobs=())


def _finish_reason(session: Session) -> FinishReason:
    """The reason why the last completion ended: an episode whose last turn was cut off is truncated."""
    if session.fault is not None:
        return FinishReason.ERROR
    if not session.calls:
        return FinishReason.STOP
    last, asked = session.calls[-1].completion, session.calls[-1].request.max_tokens
    if last is None or not last.token_ids or last.finish_reason is not FinishReason.LENGTH:
        return FinishReason.STOP
    # An agent that wanted no more than it got was not cut off.
    return FinishReason.STOP if asked is not None and len(last.token_ids) >= asked else FinishReason.LENGTH


def _messages(episode: _Episode) -> tuple[Message, ...]:
    """The conversations of an episode, each message once where it was new, and the answer at the end."""
    messages: list[Message] = []
    for call in episode.session.calls:
        parent = call.parent
        known = len(parent.request.messages) + 1 if parent is not None else 0
        messages += call.request.messages[known:]
        if call.completion is not None and call.said is not None:
            messages.append(call.completion.message)
    answer = episode.ending.text if isinstance(episode.ending, Answer) else ""
    return (*messages, Message(role="assistant", content=Completion(text=answer).text))


def _usage(session: Session) -> Usage:
    """The tokens of an episode whose ids are not known, where the server counted them."""
    said = [call.said for call in session.calls if call.said is not None]
    return Usage(
        prompt_tokens=said[0].prompt_tokens if said else 0,
        completion_tokens=sum(one.completion_tokens for one in said),
    )
