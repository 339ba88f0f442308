"""Signs of life while work goes on: a few lines that stay in place on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rlvr_gym.clock import Heartbeat

SILENCE_SECONDS = 25.0
"""Longest time that a log stays without a line."""
REFRESHES_PER_SECOND = 2
"""Updates of a terminal per second, whatever the work does meanwhile."""
BAR = (8, 24)
"""Columns of a bar: the fewest that are worth it, and the most."""


@final
class Screen:
    """Shows what `lines` returns on a terminal, and in a log what `tell` returns whenever it was silent for long.

    Both are called from a thread of their own, so that time goes on being told while the work computes.
    """

    def __init__(
        self, console: Console, lines: Callable[[], Sequence[Text]], tell: Callable[[], str]
    ) -> None:
        self.console, self._lines, self._tell = console, lines, tell
        self._live: Live | None = None
        self._heart: Heartbeat | None = None

    def start(self) -> None:
        """Begin to show, or to listen."""
        if self.console.quiet:
            return
        if self.console.is_terminal:
            self._live = Live(
                console=self.console,
                get_renderable=self._rendered,
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()
        else:
            self._heart = Heartbeat(SILENCE_SECONDS, lambda: self.say(self._tell()))
            self._heart.start()

    def refresh(self) -> None:
        """Show how things are now rather than at the next refresh."""
        if self._live is not None:
            self._live.refresh()

    def say(self, text: str) -> None:
        """Print a line as it stands, above what is shown."""
        if self._heart is not None:
            self._heart.heard()
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Take away what is shown; nothing is told after this returns."""
        if self._live is not None:
            self._live.refresh()
            self._live.stop()
        if self._heart is not None:
            self._heart.stop()
        self._live = self._heart = None

    def _rendered(self) -> Group:
        lines = self._lines()
        for line in lines:
            line.overflow = "fold"
        return Group(*lines)


def bar(done: float, total: float, room: int) -> str:
    """A bar of at most `room` columns, nothing where that is too narrow to read."""
    fewest, most = BAR
    if room < fewest or total <= 0:
        return ""
    width = min(room, most)
    full = round(width * min(1.0, done / total))
    return "━" * full + "╌" * (width - full)


def duration(seconds: float) -> str:
    """Seconds as 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def time_left(seconds: float, done: float, total: float) -> str | None:
    """The time left when `done` of `total` took `seconds`; None before anything is done, and at the end."""
    return f"{duration(seconds / done * (total - done))} left" if 0 < done < total else None


@contextmanager
def waiting(title: str, console: Console) -> Iterator[None]:
    """Show `title` and the time while what runs inside goes on."""
    began = time.monotonic()

    def told() -> str:
        return f"{title}  {duration(time.monotonic() - began)}"

    screen = Screen(console, lambda: [Text(told())], told)
    screen.start()
    try:
        yield
    finally:
        screen.stop()
