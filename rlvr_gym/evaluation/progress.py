"""The progress of an evaluation, for whoever watches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvr_gym.evaluation.statistics.intervals import Interval, running_interval
from rlvr_gym.evaluation.statistics.tallies import Tally, clusters_of, pass_measure

_SECONDS_BETWEEN_REPORTS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The progress of an evaluation.

    A task is done once all of its samples were drawn, a sample once it was judged or could not be; `resumed`
    counts those of an earlier call. `completion_tokens` counts the tokens sampled in this call, as far as known.
    `pass_at_1` is the mean over the finished tasks, and `interval` roughly its interval (the final one is computed with
    more care); None before the first.
    """

    tasks: int
    tasks_done: int
    samples: int
    samples_done: int
    samples_resumed: int
    completion_tokens: int
    pass_at_1: float | None
    interval: Interval | None


OnProgress = Callable[[Progress], None]


class Reporter:
    """Tells `on_progress` how things stand: at the beginning and the end, and every tenth of a second between."""

    def __init__(self, on_progress: OnProgress | None, *, tasks: int, samples: int, resumed: int) -> None:
        self._tell = on_progress
        self._tasks, self._samples, self._resumed = tasks, samples, resumed
        self._done, self._tokens, self._last = resumed, 0, -1.0

    def kept(self, samples: int, tokens: int) -> None:
        """Count samples, and the tokens that they took."""
        self._done += samples
        self._tokens += tokens

    def report(self, tallies: Sequence[Tally], *, soon: bool = False) -> None:
        """Report, `tallies` being those of the tasks that are done; with `soon`, not if that was just done."""
        now = time.monotonic()
        if self._tell is None or (soon and now - self._last < _SECONDS_BETWEEN_REPORTS):
            return
        self._last = now
        scored = [tally for tally in tallies if tally.scored]
        values = np.array([pass_measure(tally, 1) for tally in scored])
        self._tell(
            Progress(
                tasks=self._tasks,
                tasks_done=len(tallies),
                samples=self._samples,
                samples_done=self._done,
                samples_resumed=self._resumed,
                completion_tokens=self._tokens,
                pass_at_1=float(values.mean()) if scored else None,
                interval=running_interval(values, clusters=clusters_of(scored)) if scored else None,
            )
        )
