"""The display of a run in progress."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

from rich.console import Console
from rich.text import Text

from rlvr_gym.cli.display.live import Screen, bar, duration, time_left
from rlvr_gym.evaluation.progress import Progress
from rlvr_gym.generation.base import CountsTokens, Generator
from rlvr_trainers.metrics import Metrics

LINES = 20
"""About how many lines of figures a run prints into a log."""

DOING = {
    "generate": "sampling",
    "verify": "judging",
    "score": "scoring",
    "update": "updating",
    "monitor": "looking for reward hacking",
    "evaluate": "evaluating",
}
"""Phases of a step, as they are told."""

ADVICE = {
    "groups/degenerate_share": "in every group all samples earned the same, so nothing is learned: take harder or "
    "easier tasks, a larger batch.group_size, or a warm-up",
    "truncation/share": "every completion was cut off: raise sampling.max_tokens",
    "outcome/malformed": "in no completion could an answer be read: `rlvr envs ENV` says where it must stand; a "
    "warm-up or another prompt style teaches that",
}
"""Shares of a step that are said at once, and only once, when they are 1: what to do about each."""


@dataclass(kw_only=True, slots=True)
class _Phase:
    """The phase of a step: its name, its start, and its progress."""

    name: str = ""
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    wanted: int = 0
    tokens: int = 0
    counted_before: int = 0

    def told(self, counted: int | None) -> list[str]:
        """Describe it; `counted` are the tokens that the generator has ever sampled, where it counts them."""
        seconds = time.monotonic() - self.began
        said = [self.name]
        if self.wanted:
            said[0] += f" {self.done:,} of {self.wanted:,} samples"
        tokens = self.tokens if counted is None else counted - self.counted_before
        if tokens and seconds > 0:
            said.append(f"{tokens / seconds:,.0f} tok/s")
        said.append(duration(seconds))
        left = time_left(seconds, self.done, self.wanted)
        return [*said, left] if left else said


@final
class Display:
    """Live lines on a terminal; elsewhere a line now and then: at most about twenty a run, and one after long silence.

    `start` begins a stage of so many steps, `advance` ends each of these. Within a step `phase` says what is done
    now, and `samples` how much of it is. Without a console it is silent. With `each_step` a log has a line for
    every step.
    """

    def __init__(self, console: Console | None = None, *, each_step: bool = False) -> None:
        self.console = console or Console(quiet=True)
        self._each_step = each_step
        self._screen: Screen | None = None
        self._title = self._status = self._held_out = ""
        self._every, self._total = 1, 0
        self._advised: set[str] = set()
        self._step, self._first, self._began = 0, 0, 0.0
        self._phase = _Phase()
        self._counter: CountsTokens | None = None

    def watch(self, generator: Generator) -> None:
        """Say how fast this generator samples, also within a call, if it counts its tokens."""
        self._counter = generator if isinstance(generator, CountsTokens) else None

    def say(self, text: str) -> None:
        """One line of text, above the live ones."""
        if self._screen is not None:
            self._screen.say(text)
        else:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, title: str, total: int, *, done: int = 0) -> None:
        """Begin a stage of `total` steps, of which `done` are done; a total of 0 is one whose end is not known."""
        self.stop()
        self._title, self._total, self._status = title, total, ""
        self._every = 1 if self._each_step else math.ceil(total / LINES)
        self._step = self._first = done
        self._began, self._phase = time.monotonic(), _Phase()
        self._screen = Screen(self.console, self._lines, self._line)
        self._screen.start()

    @contextmanager
    def busy(self, title: str) -> Iterator[None]:
        """Show `title` and the time while what runs inside goes on."""
        self.start(title, 0)
        try:
            yield
        finally:
            self.stop()

    def advance(self, step: int, status: str) -> None:
        """Report that `step` is done."""
        self._step, self._status, self._phase = step, status, _Phase()
        if self._screen is not None and self.console.is_terminal:
            self._screen.refresh()
        elif step % self._every == 0 or step == self._total:
            self.say(f"{self._title} step {step}/{self._total}  {status}")

    def phase(self, name: str) -> None:
        """Report what is being done now, by the name of its phase on the clock."""
        told = DOING.get(name, name)
        if told != self._phase.name:
            before = self._phase
            self._phase = _Phase(name=told, counted_before=self._counted() or 0)
            if {told, before.name} == {"sampling", "judging"}:  # these alternate over the same samples
                self._phase.done, self._phase.wanted = before.done, before.wanted

    def samples(self, done: int, wanted: int, tokens: int) -> None:
        """Report how many samples of this phase are done, and how many tokens they took."""
        self._phase.done, self._phase.wanted, self._phase.tokens = done, wanted, tokens

    def evaluating(self, progress: Progress) -> None:
        """Report how far an evaluation is."""
        if self._screen is None:
            self.start("evaluating", 0)
        self.phase("evaluate")
        self.samples(progress.samples_done, progress.samples, progress.completion_tokens)

    def stop(self) -> None:
        """End the stage."""
        if self._screen is not None:
            self._screen.stop()
            self._screen = None

    def trained(self, step: int, metrics: Metrics) -> None:
        """Report a training step."""
        if "eval/pass@1" in metrics:
            self._held_out = f"  held-out {metrics['eval/pass@1']:.3f}"
        self.advance(step, "  ".join(self._figures(metrics)) + self._held_out)
        for metric, advice in ADVICE.items():
            # Where samples are selected, or a critic says what to expect, none is compared with its group.
            compared = not {"selected/share", "critic/loss"} & set(metrics)
            apt = metric != "groups/degenerate_share" or compared
            if apt and metrics.get(metric) == 1.0 and metric not in self._advised:
                self._advised.add(metric)
                self.say(f"step {step}: {advice}")

    @staticmethod
    def _figures(metrics: Metrics) -> list[str]:
        if "reward/mean" not in metrics:  # nothing was sampled
            fit = f"-log p {metrics['nll']:.3f}" if "nll" in metrics else f"loss {metrics['loss']:.3f}"
            return [fit, f"{metrics['tokens_per_second/update']:,.0f} tok/s"]
        pass_rate, selected = metrics.get("pass_rate/all"), metrics.get("selected/samples")
        return [
            f"reward {metrics['reward/mean']:+.3f}",
            f"pass {pass_rate:.3f}" if pass_rate is not None else "pass -",
            f"selected {selected:,.0f}"
            if selected is not None
            else f"value loss {metrics['critic/loss']:.3f}"
            if "critic/loss" in metrics
            else f"degenerate {metrics['groups/degenerate_share']:.2f}",
            f"{metrics['tokens_per_second/generate'] or metrics.get('tokens_per_second/update', 0.0):,.0f} tok/s",
        ]

    @property
    def doing(self) -> str:
        """Describe the current phase, its progress, and how long it has taken."""
        return "  ".join(self._phase.told(self._counted()))

    def _counted(self) -> int | None:
        return None if self._counter is None else self._counter.tokens_sampled

    def _times(self) -> list[str]:
        seconds = time.monotonic() - self._began
        left = time_left(seconds, self._step - self._first, self._total - self._first)
        return [duration(seconds), *([left] if left else [])]

    def _lines(self) -> list[Text]:
        """The lines of a terminal: progress of the run, current phase, figures of the last step."""
        count = f"{self._step}/{self._total}" if self._total else ""
        after = "  ".join([count, *self._times()] if count else self._times())
        room = self.console.width - len(self._title) - len(after) - 4
        drawn = bar(self._step, self._total, room) + "  " if self._total else ""
        lines = [Text.assemble((self._title, "bold"), "  ", (drawn, "green"), after)]
        if self._phase.name and self._phase.name != self._title:
            lines.append(Text(f"  {self.doing}"))
        elif self._phase.name:
            lines = [Text(self.doing)]
        if self._status:
            lines.append(Text(f"  {self._status}", style="dim"))
        return lines

    def _line(self) -> str:
        """The line for a log after a long silence."""
        parts = [f"{self._step} of {self._total} steps done"] if self._total else []
        if self._phase.name:
            parts.append(" ".join(self._phase.told(self._counted())))
        gone, *left = self._times()
        return f"{self._title}: {'; '.join([*parts, f'{gone} gone', *left])}"
