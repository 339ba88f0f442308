"""The schedule of an asynchronous run: the weights of each call, written down, and followed again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import final

from rlvr_gym.errors import ConfigError
from rlvr_gym.files import append_lines, read_lines


def schedule_file(folder: Path, rank: int) -> Path:
    """Name the file in which process `rank` of the run in `folder` keeps its schedule."""
    return folder / f"schedule-{rank}.jsonl"


@final
class Schedule:
    """The version of the weights that each call of each round met.

    Rounds count from the beginning of the run, calls from the beginning of their round. A round that a resumed run
    plays again is written again: its latest lines count.

    Args:
        file: where to write; None does not.
        follow: the file of a run whose schedule is followed. Raises ConfigError where it cannot be read.
    """

    def __init__(self, file: Path | None, *, follow: Path | None = None) -> None:
        self._file, self._lock = file, threading.Lock()
        self._known = {} if follow is None else _read(follow)

    def version(self, round_number: int, call: int) -> int | None:
        """The version to sample under; None for the latest there is."""
        return self._known.get((round_number, call))

    def met(self, round_number: int, call: int, version: int) -> None:
        """Write down what a call samples under."""
        if self._file is not None:
            with self._lock:
                append_lines(self._file, [{"round": round_number, "call": call, "version": version}])


def _read(file: Path) -> dict[tuple[int, int], int]:
    if not file.is_file():
        raise ConfigError(
            f"buffer.replay: there is no {file}; name the folder of a run with buffer.max_staleness above 0, and use "
            "as many processes as it had"
        )
    try:
        return {(row["round"], row["call"]): row["version"] for row in read_lines(file)}
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"buffer.replay: {file} holds no schedule ({type(error).__name__}: {error})"
        ) from error
