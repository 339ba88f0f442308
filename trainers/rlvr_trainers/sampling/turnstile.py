"""One engine for many threads: one call at a time, and new weights between calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import final

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import (
    CanBeStopped,
    GenerationRequest,
    Generator,
    SamplingParams,
    TakesTools,
)
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion
from rlvr_trainers.sampling.schedule import Schedule

_LONGEST_WAIT_SECONDS = 60.0
"""Longest time that an engine which cannot be called off is waited for."""


class Stopped(TrainingError):
    """Sampling was called off."""


class NotLoaded(TrainingError):
    """The engine did not take the weights that were posted."""


@final
class Turnstile:
    """A `Generator` that is given weights by the learner while other threads sample.

    A call samples under one version of the weights from its beginning to its end: the latest that was posted when it
    began, or the one that `version_for` asks for. Weights stay posted until newer ones are, or, with `keeps_all`, for
    good: who follows a schedule may have to go back.
    """

    concurrency = 1

    def __init__(self, engine: Generator, *, keeps_all: bool = False) -> None:
        self._engine, self._keeps_all = engine, keeps_all
        self._posted: dict[int, Callable[[], None]] = {}
        self._latest: int | None = None
        self._loaded: int | None = None
        self._changed = threading.Condition()
        self._busy = self._over = False

    def post(self, version: int, load: Callable[[], None]) -> None:
        """Have calls that begin from now on sample under `version`, which `load` brings into the engine."""
        with self._changed:
            if not self._keeps_all:
                self._posted.clear()
            self._posted[version] = load
            self._latest = version
            if self._loaded == version:  # a resumed run may give other weights the same number
                self._loaded = None
            self._changed.notify_all()

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample under the latest weights, as `Generator.generate` says."""
        with self._entered(None):
            yield from self._sampled(prompts, n, sampling)

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a sampled turn and the next, as `Generator.encode_reply` says."""
        return self._engine.encode_reply(completion, messages)

    def takes_tools(self) -> bool:
        """Return whether the engine shows tools to its model, as `TakesTools` says."""
        return isinstance(self._engine, TakesTools) and self._engine.takes_tools()

    def for_round(self, number: int, schedule: Schedule) -> Generator:
        """The same for the calls of one round, whose weights `schedule` knows or gets to know."""
        return _RoundGenerator(self, number, schedule)

    def stop(self) -> None:
        """Let no call go on: those that wait or sample end with `Stopped`; wait until none is in the engine.

        A process that ends while one of its threads computes in torch is aborted. An engine that cannot be called off
        is waited for, a minute at most.
        """
        with self._changed:
            self._over = True
            self._changed.notify_all()
            deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
            while self._busy and time.monotonic() < deadline:
                if isinstance(self._engine, CanBeStopped):
                    self._engine.stop()
                self._changed.wait(
                    timeout=0.05
                )  # a call that is about to begin is called off in the next round

    def _sampled(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        try:
            for group in self._engine.generate(prompts, n, sampling):
                if self._over:
                    raise Stopped("sampling was called off")
                yield group
        except TrainingError as error:
            if self._over:
                raise Stopped("sampling was called off") from error
            raise

    @contextmanager
    def _entered(self, version: int | None) -> Iterator[int]:
        """Be the one who samples, under `version` or the latest weights; yields which these are."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or (not self._busy and self._has(version)))
            if self._over:
                raise Stopped("sampling was called off")
            self._busy = True
            wanted = self._latest if version is None else version
            assert wanted is not None
            load = None if wanted == self._loaded else self._posted[wanted]
            self._loaded = None if load else wanted
        try:
            if load:
                _load(load)
                self._loaded = wanted
            yield wanted
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _has(self, version: int | None) -> bool:
        return self._latest is not None if version is None else version in self._posted


def _load(load: Callable[[], None]) -> None:
    try:
        load()
    except TrainingError as error:
        raise NotLoaded(str(error)) from error


@final
class _RoundGenerator:
    concurrency = 1

    def __init__(self, turnstile: Turnstile, number: int, schedule: Schedule) -> None:
        self._turnstile, self._number, self._schedule = turnstile, number, schedule
        self._calls = 0
        self.encode_reply = turnstile.encode_reply
        self.takes_tools = turnstile.takes_tools

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        call, self._calls = self._calls, self._calls + 1
        with self._turnstile._entered(self._schedule.version(self._number, call)) as version:
            self._schedule.met(self._number, call, version)
            yield from self._turnstile._sampled(prompts, n, sampling)
