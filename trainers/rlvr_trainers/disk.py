"""Disk failures (full, broken, read-only) as errors that say what failed, where, and how much room is needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from rlvr_gym.errors import TrainingError

DISK_ERRORS = (OSError, RuntimeError, SafetensorError)
"""The errors that failed writes raise; torch.save's are RuntimeErrors."""


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Around nothing but writing: what goes wrong becomes a TrainingError."""
    try:
        yield
    except DISK_ERRORS as error:
        raise TrainingError(
            f"{not_written(what, folder, error)}; when that is mended, the same command goes on"
        ) from error


def not_written(what: str, folder: Path, error: Exception) -> str:
    """Say what could not be written, where, why, and how much room there is."""
    said = error.strerror if isinstance(error, OSError) else None
    why = said or str(error).partition("\n")[0]
    return f"cannot write {what} to {folder}: {why} ({_free_megabytes(folder):,.1f} MB free there)"


def _free_megabytes(folder: Path) -> float:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    return shutil.disk_usage(there).free / 1e6
