"""Calls of a generator: those of one moment together, or from threads that wait for requests."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TypeVar, final

from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
from rlvr_gym.verdicts import Completion

T = TypeVar("T")

_LONGEST_WAIT_SECONDS = 60.0
"""An environment may give its answers any time; a wait may not be longer than a lock can take."""

_PATIENCE_SECONDS = 1.0
"""Time for requests to end that nobody wants any more: a generator that is closed under them leaves sockets open."""

News = queue.SimpleQueue[tuple[int, Completion] | int | BaseException]
"""News of the free order: a lane's turn was sampled, a lane's turn was answered, or sampling broke down."""


def arrived_from(env: GroupVectorEnv, news: News) -> list[tuple[int, Completion] | int | BaseException]:
    """Wait for news; returns all that there is. Turns that are overdue are given up on, which is news too."""
    while True:
        try:
            first = news.get(timeout=min(max(0.001, env.give_up_overdue()), _LONGEST_WAIT_SECONDS))
        except queue.Empty:
            continue
        return [first, *_taken(news)]


def _taken(waiting: queue.SimpleQueue[T]) -> list[T]:
    """Take all that is in a queue now, which others take from as well."""
    taken: list[T] = []
    with suppress(queue.Empty):
        while True:
            taken.append(waiting.get_nowait())
    return taken


@final
class Samplers:
    """Threads that sample what is asked for, every request by itself or, of a generator that wants that, all at once.

    The threads are daemons: one that waits for a server keeps neither Ctrl-C nor the process waiting.
    """

    def __init__(self, generator: Generator, sampling: SamplingParams, news: News) -> None:
        self.asked = 0
        """Number of requests without a completion yet."""
        self._generator, self._sampling, self._news = generator, sampling, news
        self._requests = queue.SimpleQueue[tuple[int, GenerationRequest] | None]()
        self._threads: list[threading.Thread] = []

    def ask(self, requests: Sequence[tuple[int, GenerationRequest]]) -> None:
        """Have these lanes' turns sampled."""
        self.asked += len(requests)
        for request in requests:
            self._requests.put(request)
        while len(self._threads) < min(self.asked, self._generator.concurrency):
            name = f"rlvr-sampler-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """End the threads. Requests that nobody has begun are dropped; the others are waited for, but not long."""
        _taken(self._requests)
        for _ in self._threads:
            self._requests.put(None)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        try:
            while (request := self._requests.get()) is not None:
                asked = [request]
                if self._generator.concurrency == 1:
                    more = _taken(self._requests)
                    if None in more:
                        return
                    asked += [one for one in more if one is not None]
                for some in sampled(self._generator, asked, self._sampling):
                    for lane, completion in some:
                        self._news.put((lane, completion))
        except BaseException as error:  # noqa: BLE001 - raised where the rollouts are waited for
            self._news.put(error)


def sampled(
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
        and (first.tools, first.max_tokens) == (request.tools, request.max_tokens)
        and first.stop == request.stop
        and request.first_sample == first.first_sample + count
    )
