"""What a person sees of a run while it goes on."""

from __future__ import annotations

import math
import time
from typing import final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rlvr_gym.clock import Heartbeat
from rlvr_trainers.metrics import Metrics

SILENCE_SECONDS = 30.0
"""How long a log may stay without a line."""

ADVICE = {
    "groups/degenerate_share": "in every group all samples earned the same, so nothing is learned: take harder or "
    "easier tasks, a larger batch.group_size, or a warm-up",
    "truncation/share": "every completion was cut off: raise sampling.max_tokens",
    "outcome/malformed": "in no completion could an answer be read: `rlvr envs ENV` says where it must stand; a "
    "warm-up or another prompt style teaches that",
}
"""Shares of a step that are said at once, and only once, when they are 1: what to do about each."""


@final
class Display:
    """A live progress bar on a terminal; elsewhere a line now and then (at most about twenty a run).

    Without a console it is silent.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(quiet=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._every = 1
        self._total = 0
        self._held_out = ""
        self._advised: set[str] = set()
        self._heart: Heartbeat | None = None
        self._step, self._began = 0, 0.0

    def say(self, text: str) -> None:
        """One line of text, above the bar."""
        if self._heart is not None:
            self._heart.heard()
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, title: str, total: int, *, done: int = 0) -> None:
        """Begin a phase of `total` steps, of which `done` are done."""
        self.stop()
        self._title, self._every, self._total = title, math.ceil(total / 20), total
        self._step, self._began = done, time.monotonic()
        if not self.console.is_terminal:
            self._heart = None if self.console.quiet else Heartbeat(SILENCE_SECONDS, self._still_here)
            if self._heart is not None:
                self._heart.start()
            return
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
            console=self.console,
        )
        self._task = self._bar.add_task(title, total=total, completed=done, status="")
        self._bar.start()

    def advance(self, step: int, status: str) -> None:
        """Report that `step` is done."""
        self._step = step
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, status=status)
        elif step % self._every == 0 or step == self._total:
            self.say(f"{self._title} step {step}/{self._total}  {status}")

    def _still_here(self) -> None:
        minutes, seconds = divmod(round(time.monotonic() - self._began), 60)
        self.say(f"{self._title} {self._step} of {self._total} steps done after {minutes}:{seconds:02}")

    def stop(self) -> None:
        """End the phase."""
        if self._heart is not None:
            self._heart.stop()
            self._heart = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def trained(self, step: int, metrics: Metrics) -> None:
        """Report a training step."""
        if "eval/pass@1" in metrics:
            self._held_out = f"  held-out {metrics['eval/pass@1']:.3f}"
        pass_rate = metrics.get("pass_rate/all")
        parts = [
            f"reward {metrics['reward/mean']:+.3f}",
            f"pass {pass_rate:.3f}" if pass_rate is not None else "pass -",
            f"degenerate {metrics['groups/degenerate_share']:.2f}",
            f"{metrics['tokens_per_second/generate']:,.0f} tok/s",
        ]
        self.advance(step, "  ".join(parts) + self._held_out)
        for metric, advice in ADVICE.items():
            if metrics.get(metric) == 1.0 and metric not in self._advised:
                self._advised.add(metric)
                self.say(f"step {step}: {advice}")
