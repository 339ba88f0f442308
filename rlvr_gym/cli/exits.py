"""Exit codes of `rlvr`, and what each one means."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit code of a command."""

    DONE = 0
    FAILED = 1
    REFUSED = 2
    INTERRUPTED = 130


MEANINGS: dict[int, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "it began and failed: a full disk, too many unscored samples, a loss that is no number",
    Exit.REFUSED: "asked for what cannot work; nothing was written",
    Exit.INTERRUPTED: "stopped by Ctrl-C or SIGTERM; rerun the same command to resume",
}
"""The usual meaning of each exit code; a command may define its own."""
