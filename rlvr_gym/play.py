"""Episodes, from prompts to judged, token-level rollouts: sampling, environment turns and judging, overlapped.

Training and evaluation play through `play`. It has two orders:

- *fixed*: all episodes of a round take their turn together, in one call of the generator. The same calls are made
  every time, so a run repeats bit for bit. A round waits for the slowest answer of the environment.
- *free*: an episode takes its next turn as soon as its last one is answered, whatever the others are doing.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import final

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.vector import GroupVectorEnv, TurnResult
from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
from rlvr_gym.rollouts import Group, Rollout, TurnReward
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import Completion, Usage, WeightsSpan

_LANES_PER_REQUEST = 4
"""Episodes under way for each request that may be: others are sampled while the environment answers these."""

Rollouts = abc.Generator[list[Rollout], None, None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """An episode to be played: sample `sample` of `task`."""

    task: Task
    sample: int


def rollout(
    env: Environment,
    generator: Generator,
    tasks: Sequence[Task],
    sampling: SamplingParams,
    *,
    group_size: int,
    seed: int,
    fixed_order: bool | None = None,
    clock: PhaseClock | None = None,
    on_progress: Callable[[int, int, int], None] | None = None,
) -> list[Group]:
    """Play `group_size` episodes of each task; returns one group per task, in the order of `tasks`.

    Arguments are those of `play`. `on_progress` is told, at the beginning and as episodes end, how many are over,
    how many there are, and how many tokens those that are over have.
    """
    seats = [Seat(task=task, sample=sample) for task in tasks for sample in range(group_size)]
    samples: dict[str, dict[int, Rollout]] = {task.id: {} for task in tasks}
    over = tokens = 0
    if on_progress is not None:
        on_progress(over, len(seats), tokens)
    for finished in play(env, generator, seats, sampling, seed=seed, fixed_order=fixed_order, clock=clock):
        over, tokens = over + len(finished), tokens + sum(one.length for one in finished)
        if on_progress is not None:
            on_progress(over, len(seats), tokens)
        for one in finished:
            samples[one.task.id][one.sample] = one
    return [tuple(samples[task.id][sample] for sample in range(group_size)) for task in tasks]


def play(
    env: Environment,
    generator: Generator,
    seats: Sequence[Seat],
    sampling: SamplingParams,
    *,
    seed: int,
    at_once: int | None = None,
    fixed_order: bool | None = None,
    clock: PhaseClock | None = None,
) -> Rollouts:
    """Play an episode for each of `seats`; yields rollouts as they are judged, those of one moment together.

    A sample depends on `seed`, the task's id and its own index, not on what else is played.

    Args:
        env: every episode is played in a clone of it.
        generator: samples the policy's turns.
        seats: what to play. Samples of a task that follow one another share the computation of their prompt.
        sampling: how every turn is sampled.
        seed: names the random streams.
        at_once: how many episodes are under way at most; None is all of them in the fixed order, and as many as keep
            the generator busy in the free one.
        fixed_order: None is the fixed order for a generator that draws many samples in one call (`concurrency` 1),
            and the free one where every sample is a request of its own.
        clock: charged with "generate" while something is sampled, else with "verify".
    """
    if not seats:
        return
    clock = clock or PhaseClock()
    if fixed_order is None:
        fixed_order = generator.concurrency == 1
    if at_once is None:
        at_once = len(seats) if fixed_order else _LANES_PER_REQUEST * max(8, generator.concurrency)
    lanes = min(at_once, len(seats))
    workers = None if fixed_order else max(8, os.cpu_count() or 1, generator.concurrency)
    with closing(GroupVectorEnv(env, lanes, 1, workers=workers)) as vector:
        table = _Table(vector, generator, seed)
        if fixed_order:
            yield from _in_fixed_order(table, seats, sampling, clock)
        else:
            yield from _in_free_order(table, seats, sampling, clock)


def _in_fixed_order(
    table: _Table, seats: Sequence[Seat], sampling: SamplingParams, clock: PhaseClock
) -> Rollouts:
    """Play lot after lot of episodes, all of a lot turn by turn."""
    lanes = table.env.num_envs
    for start in range(0, len(seats), lanes):
        for lane, seat in enumerate(seats[start : start + lanes]):
            table.begin(lane, seat)
        while table.waiting:
            asked = table.requests()
            with clock.phase("generate"):
                for some in _sampled(table.generator, asked, sampling):
                    for lane, completion in some:
                        table.sampled(lane, completion)
                    if finished := table.settle(wait=False):
                        yield finished
            with clock.phase("verify"):
                finished = table.settle(wait=True)
            if finished:
                yield finished


def _in_free_order(
    table: _Table, seats: Sequence[Seat], sampling: SamplingParams, clock: PhaseClock
) -> Rollouts:
    """Play every episode at its own pace; an empty lane takes the next seat."""
    news: _News = queue.SimpleQueue()
    coming, free = iter(seats), list(range(table.env.num_envs))
    samplers = _Samplers(table.generator, sampling, news)
    try:
        while True:
            while free and (seat := next(coming, None)) is not None:
                table.begin(free.pop(), seat)
            samplers.ask(table.requests())
            if not samplers.asked and not table.judging:
                return
            with clock.phase("generate" if samplers.asked else "verify"):
                arrived = _arrived(table.env, news)
            for one in arrived:
                if isinstance(one, BaseException):
                    raise one
                if isinstance(one, tuple):
                    lane, completion = one
                    samplers.asked -= 1
                    table.sampled(lane, completion, lambda lane=lane: news.put(lane))
            lanes = [lane for lane in arrived if isinstance(lane, int)]
            finished = {lane: table.receive(lane) for lane in lanes}
            free += [lane for lane, rollout in finished.items() if rollout is not None]
            if over := [rollout for rollout in finished.values() if rollout is not None]:
                yield over
    finally:
        samplers.stop()


_News = queue.SimpleQueue[tuple[int, Completion] | int | BaseException]
"""News of the free order: a lane's turn was sampled, a lane's turn was answered, or sampling broke down."""


def _arrived(env: GroupVectorEnv, news: _News) -> list[tuple[int, Completion] | int | BaseException]:
    """Wait for news; returns all that there is. Turns that are overdue are given up on, which is news too."""
    while True:
        try:
            arrived = [news.get(timeout=max(0.001, env.give_up_overdue()))]
        except queue.Empty:
            continue
        while not news.empty():
            arrived.append(news.get())
        return arrived


@final
class _Samplers:
    """Threads that sample what is asked for, every request by itself or, of a generator that wants that, all at once.

    The threads are daemons: one that waits for a server keeps neither Ctrl-C nor the process waiting.
    """

    def __init__(self, generator: Generator, sampling: SamplingParams, news: _News) -> None:
        self.asked = 0
        """How many requests have no completion yet."""
        self._generator, self._sampling, self._news = generator, sampling, news
        self._requests = queue.SimpleQueue[tuple[int, GenerationRequest] | None]()
        self._threads = 0

    def ask(self, requests: Sequence[tuple[int, GenerationRequest]]) -> None:
        """Have these lanes' turns sampled."""
        self.asked += len(requests)
        for request in requests:
            self._requests.put(request)
        while self._threads < min(self.asked, self._generator.concurrency):
            name = f"rlvr-sampler-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
            self._threads += 1

    def stop(self) -> None:
        """End the threads once what they sample is there; what is left is not sampled."""
        while not self._requests.empty():
            self._requests.get()
        for _ in range(self._threads):
            self._requests.put(None)

    def _work(self) -> None:
        try:
            while (request := self._requests.get()) is not None:
                asked = [request]
                while self._generator.concurrency == 1 and not self._requests.empty():
                    if (another := self._requests.get()) is None:
                        return
                    asked.append(another)
                for some in _sampled(self._generator, asked, self._sampling):
                    for lane, completion in some:
                        self._news.put((lane, completion))
        except BaseException as error:  # noqa: BLE001 - raised where the rollouts are waited for
            self._news.put(error)


def _sampled(
    generator: Generator, asked: Sequence[tuple[int, GenerationRequest]], sampling: SamplingParams
) -> Iterator[list[tuple[int, Completion]]]:
    """The completion of each lane's request, those of one prompt together.

    First turns of a task whose sample indices follow one another become one request for several completions.
    """
    runs: list[list[tuple[int, GenerationRequest]]] = []
    for lane, request in asked:
        first = runs[-1][0][1] if runs else None
        if first and request.token_ids is None and _continues(first, len(runs[-1]), request):
            runs[-1].append((lane, request))
        else:
            runs.append([(lane, request)])
    for n, group in groupby(sorted(runs, key=len), key=len):
        same = list(group)
        for index, completions in generator.generate([run[0][1] for run in same], n, sampling):
            lanes = [lane for lane, _ in same[index]]
            yield list(zip(lanes, completions, strict=True))


def _continues(first: GenerationRequest, count: int, request: GenerationRequest) -> bool:
    return (
        first.token_ids is None
        and (first.seed, first.messages) == (request.seed, request.messages)
        and request.first_sample == first.first_sample + count
    )


@final
class _Table:
    """The episodes in the lanes of one environment; `waiting` are the lanes whose turn it is to be sampled."""

    def __init__(self, env: GroupVectorEnv, generator: Generator, seed: int) -> None:
        self.env, self.generator = env, generator
        self.waiting: list[int] = []
        self.judging: dict[int, Completion] = {}
        self._episodes: dict[int, _Episode] = {}
        self._seed = seed

    def begin(self, lane: int, seat: Seat) -> None:
        """Begin an episode in a lane that has none."""
        self.env.begin(lane, seat.task)
        seed = derive_seed(self._seed, seat.task.id)
        self._episodes[lane] = _Episode(seat=seat, seed=seed, prompt_messages=self.env.messages(lane))
        self.waiting.append(lane)

    def requests(self) -> list[tuple[int, GenerationRequest]]:
        """Return the requests of the lanes whose turn it is; none of them is waiting any more."""
        lanes, self.waiting = sorted(self.waiting), []
        return [(lane, self._episodes[lane].request()) for lane in lanes]

    def sampled(self, lane: int, completion: Completion, then: Callable[[], object] | None = None) -> None:
        """Hand a turn to the environment; `then` is called as in `GroupVectorEnv.send`."""
        self._episodes[lane].sampled(completion)
        self.judging[lane] = completion
        self.env.send(lane, completion, then)

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
            self.waiting.append(lane)
            return None
        return self._episodes.pop(lane).finished(completion, answer)


@dataclass(slots=True, kw_only=True)
class _Episode:
    """A trajectory while it grows."""

    seat: Seat
    seed: int
    prompt_messages: tuple[Message, ...]
    messages: list[Message] = field(default_factory=list)
    turns: int = 0
    prompt_ids: tuple[int, ...] = ()
    token_ids: list[int] = field(default_factory=list)
    action_mask: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    turn_rewards: list[TurnReward] = field(default_factory=list)
    sampled_under: list[WeightsSpan] = field(default_factory=list)
    usage: Usage | None = None
    judging_seconds: float = 0.0

    def request(self) -> GenerationRequest:
        """The next turn: the first draws from the task's stream, each later one from a stream of its own."""
        if not self.turns:
            return GenerationRequest(
                messages=self.prompt_messages, seed=self.seed, first_sample=self.seat.sample
            )
        return GenerationRequest(
            messages=(*self.prompt_messages, *self.messages),
            token_ids=(*self.prompt_ids, *self.token_ids),
            seed=derive_seed(self.seed, self.seat.sample, self.turns),
        )

    def sampled(self, completion: Completion) -> None:
        if not self.turns:
            self.prompt_ids = completion.prompt_token_ids
        self.turns += 1
        self.messages.append(Message(role="assistant", content=completion.text))
        self._extend(completion.token_ids, True, completion.logprobs)
        self.sampled_under += completion.sampled_under
        self.usage = completion.usage if self.turns == 1 else _added(self.usage, completion.usage)

    def answered(self, answer: TurnResult) -> None:
        self.judging_seconds += answer.seconds
        if answer.turn_reward is not None:
            self.turn_rewards.append(TurnReward(end=self._sampled_length() - 1, reward=answer.turn_reward))

    def said(self, messages: Sequence[Message], ids: Sequence[int]) -> None:
        self.messages += messages
        self._extend(ids, False, [0.0] * len(ids))

    def finished(self, completion: Completion, answer: TurnResult) -> Rollout:
        # An environment's turn that filled the context was never read by the policy: the model could not
        # even be shown it in training.
        length = self._sampled_length()
        assert answer.verdict is not None
        return Rollout(
            task=self.seat.task,
            sample=self.seat.sample,
            prompt_ids=self.prompt_ids,
            token_ids=tuple(self.token_ids[:length]),
            action_mask=tuple(self.action_mask[:length]),
            logprobs=tuple(self.logprobs[:length]),
            messages=tuple(self.messages),
            finish_reason=completion.finish_reason,
            verdict=answer.verdict,
            turn_rewards=tuple(self.turn_rewards),
            sampled_under=tuple(self.sampled_under),
            usage=self.usage,
            judging_seconds=self.judging_seconds,
        )

    def _sampled_length(self) -> int:
        """How many tokens there are up to the last sampled one."""
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
