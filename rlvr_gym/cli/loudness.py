"""The amount of output besides a command's results: `--quiet`, `--verbose`, or the usual."""

from __future__ import annotations

import logging
import os
import warnings
from enum import Enum
from typing import Annotated

import typer
from rich.console import Console

from rlvr_gym.errors import KnownOverlap, TasksLeftOut


class Loudness(Enum):
    """The amount of output besides results and errors."""

    QUIET = "nothing"
    USUAL = "progress and notes"
    VERBOSE = "progress, notes, what libraries log, and tracebacks of errors"


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.", show_default=False)
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say more: library logs, tracebacks of errors.", show_default=False),
]

_chosen = Loudness.USUAL


def loudness() -> Loudness:
    """The loudness of this command."""
    return _chosen


def choose(*, quiet: bool, verbose: bool) -> None:
    """Set the loudness of this command."""
    global _chosen
    _chosen = Loudness.QUIET if quiet else Loudness.VERBOSE if verbose else Loudness.USUAL
    warnings.formatwarning = _formatted
    if quiet:
        logging.getLogger("rlvr_gym").setLevel(logging.ERROR)
        for category in (KnownOverlap, TasksLeftOut):
            warnings.simplefilter("ignore", category)
    if verbose:
        logging.basicConfig(level=logging.INFO)
    else:
        # Five retries of every file of a model that cannot be reached are a page of warnings before the error.
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")


_format = warnings.formatwarning


def _formatted(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Show what is said of the tasks as a line, without the place in our code that says it."""
    if issubclass(category, KnownOverlap | TasksLeftOut):
        return f"{message}\n"
    return _format(message, category, filename, lineno, line)


def progress_console() -> Console:
    """The console for progress and notes: stderr, or nowhere."""
    return Console(stderr=True, quiet=_chosen is Loudness.QUIET)


def note(text: str, *, style: str | None = None) -> None:
    """Print a line on stderr, as it stands; not when quiet."""
    progress_console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)
