"""Episodes, from prompts to judged, token-level rollouts: sampling, environment turns and judging, overlapped.

Training and evaluation play through `play`. It has two orders:

- *fixed*: all episodes of a round take their turn together, in one call of the generator. The same calls are made
  every time, so a run repeats bit for bit. A round waits for the slowest answer of the environment.
- *free*: an episode takes its next turn as soon as its last one is answered, whatever the others are doing.

An agent that is a program of its own (`AgentEnvironment`) is always played freely.
"""

from __future__ import annotations

import os
import queue
from collections import abc
from collections.abc import Callable, Sequence
from contextlib import closing

from rlvr_gym.agents.environment import AgentEnvironment
from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.play.agents import play_agents
from rlvr_gym.play.calls import News, Samplers, arrived_from, sampled
from rlvr_gym.play.episodes import Seat, Table
from rlvr_gym.play.forks import Decode, Fork
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.tasks import Task

__all__ = ["Fork", "Seat", "play", "rollout"]

_LANES_PER_REQUEST = 4
"""Episodes under way for each request that may be: others are sampled while the environment answers these."""

Rollouts = abc.Generator[list[Rollout], None, None]


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
    decode: Decode | None = None,
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
        decode: the generator's own, which seats that fork within a turn need.
    """
    if not seats:
        return
    clock = clock or PhaseClock()
    if isinstance(env, AgentEnvironment):
        yield from play_agents(env, generator, seats, sampling, seed=seed, at_once=at_once, clock=clock)
        return
    if fixed_order is None:
        fixed_order = generator.concurrency == 1
    if at_once is None:
        at_once = len(seats) if fixed_order else _LANES_PER_REQUEST * max(8, generator.concurrency)
    lanes = min(at_once, len(seats))
    workers = None if fixed_order else max(8, os.cpu_count() or 1, generator.concurrency)
    with closing(GroupVectorEnv(env, lanes, 1, workers=workers)) as vector:
        table = Table(vector, generator, seed, decode=decode)
        if fixed_order:
            yield from _in_fixed_order(table, seats, sampling, clock)
        else:
            yield from _in_free_order(table, seats, sampling, clock)


def _in_fixed_order(
    table: Table, seats: Sequence[Seat], sampling: SamplingParams, clock: PhaseClock
) -> Rollouts:
    """Play lot after lot of episodes, all of a lot turn by turn."""
    lanes = table.env.num_envs
    for start in range(0, len(seats), lanes):
        for lane, seat in enumerate(seats[start : start + lanes]):
            table.begin(lane, seat)
        while table.judging:  # replays, before the first call: so the same calls are made every time
            with clock.phase("verify"):
                finished = table.settle(wait=True)
            if finished:
                yield finished
        while table.waiting:
            asked = table.requests()
            with clock.phase("generate"):
                for some in sampled(table.generator, asked, sampling):
                    for lane, completion in some:
                        table.sampled(lane, completion)
                    if finished := table.settle(wait=False):
                        yield finished
            with clock.phase("verify"):
                finished = table.settle(wait=True)
            if finished:
                yield finished


def _in_free_order(
    table: Table, seats: Sequence[Seat], sampling: SamplingParams, clock: PhaseClock
) -> Rollouts:
    """Play every episode at its own pace; an empty lane takes the next seat."""
    news: News = queue.SimpleQueue()
    coming, free = iter(seats), list(range(table.env.num_envs))
    samplers = Samplers(table.generator, sampling, news)
    table.on_answer = news.put
    try:
        while True:
            while free and (seat := next(coming, None)) is not None:
                table.begin(free.pop(), seat)
            samplers.ask(table.requests())
            if not samplers.asked and not table.judging:
                return
            with clock.phase("generate" if samplers.asked else "verify"):
                arrived = arrived_from(table.env, news)
            for one in arrived:
                if isinstance(one, BaseException):
                    raise one
                if isinstance(one, tuple):
                    lane, completion = one
                    samplers.asked -= 1
                    table.sampled(lane, completion)
            lanes = [lane for lane in arrived if isinstance(lane, int)]
            finished = {lane: table.receive(lane) for lane in lanes}
            free += [lane for lane, rollout in finished.items() if rollout is not None]
            if over := [rollout for rollout in finished.values() if rollout is not None]:
                yield over
    finally:
        samplers.stop()
