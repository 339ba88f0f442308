"""Drawing the samples that tasks lack: many together from a model in this process, one by one from a server."""

from __future__ import annotations

import queue
import threading
from collections import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.play import stream
from rlvr_gym.rollouts import Rollout
from rlvr_gym.tasks import Task

_Rollouts = abc.Generator[list[Rollout], None, None]

_SAMPLES_PER_CALL = 2_048
"""Samples asked of a model in this process per call. It chooses itself how many to draw together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lacking:
    """A task and the indices of the samples that it lacks, in order."""

    task: Task
    samples: tuple[int, ...]


def play(
    env: Environment,
    generator: Generator,
    work: Sequence[Lacking],
    sampling: SamplingParams,
    *,
    n: int,
    seed: int,
    samples_in_flight: int,
) -> _Rollouts:
    """Play what is lacking; yields rollouts as they are judged, those of one moment together.

    Every sample is the one that its seed, task and index name, whatever is drawn beside it.
    """
    if generator.concurrency > 1:
        return _one_by_one(env, generator, work, sampling, seed)
    return _together(env, generator, work, sampling, n, seed, samples_in_flight)


def _together(
    env: Environment,
    generator: Generator,
    work: Sequence[Lacking],
    sampling: SamplingParams,
    n: int,
    seed: int,
    samples_in_flight: int,
) -> _Rollouts:
    """A task is played from the first sample that it lacks to the last of the `n`; what it has is left out."""
    at_once = samples_in_flight if env.max_turns > 1 else _SAMPLES_PER_CALL
    for first, group in groupby(sorted(work, key=_first), key=_first):
        for lot in _lots(list(group), max(1, at_once // (n - first))):
            vector = GroupVectorEnv(env, len(lot), n - first)
            lacking = {(one.task.id, sample) for one in lot for sample in one.samples}
            tasks = [one.task for one in lot]
            try:
                for over in stream(vector, generator, tasks, sampling, seed=seed, first_sample=first):
                    wanted = [r for r in over.values() if (r.task.id, r.sample) in lacking]
                    if wanted:
                        yield wanted
            finally:
                vector.close()


def _first(lacking: Lacking) -> int:
    return lacking.samples[0]


def _lots(work: Sequence[Lacking], size: int) -> Iterator[Sequence[Lacking]]:
    for start in range(0, len(work), size):
        yield work[start : start + size]


def _one_by_one(
    env: Environment, generator: Generator, work: Sequence[Lacking], sampling: SamplingParams, seed: int
) -> _Rollouts:
    """Each of `generator.concurrency` threads plays one episode after the other, from prompt to verdict.

    The threads are daemons: one that waits for a server keeps neither Ctrl-C nor the process waiting.
    """
    seats = queue.SimpleQueue[tuple[Task, int]]()
    for one in work:
        for sample in one.samples:
            seats.put((one.task, sample))
    over = queue.SimpleQueue[Rollout | BaseException]()
    stop = threading.Event()

    def work_off() -> None:
        lane = GroupVectorEnv(env, 1, 1, workers=1)
        try:
            while not stop.is_set():
                task, sample = seats.get_nowait()
                for finished in stream(lane, generator, [task], sampling, seed=seed, first_sample=sample):
                    over.put(finished[0])
        except queue.Empty:
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the rollouts are waited for
            over.put(error)
        finally:
            lane.close()

    total = seats.qsize()
    for number in range(min(generator.concurrency, total)):
        threading.Thread(target=work_off, name=f"rlvr-player-{number}", daemon=True).start()
    try:
        for _ in range(total):
            rollout = over.get()
            if isinstance(rollout, BaseException):
                raise rollout
            yield [rollout]
    finally:
        stop.set()
