"""Files that commands write: what cannot work is refused before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

from rlvr_gym.errors import ConfigError


def refuse_unwritable(path: Path, what: str, *, remedy: str = "give --out a file") -> None:
    """Raise ConfigError where `path` is a folder, stands in none, or may not be written.

    `what` is what goes there, with its verb: "the report cannot go to".
    """
    if path.is_dir():
        raise ConfigError(f"{what} {path}: it is a folder; {remedy}")
    nearest = next((folder for folder in path.parents if folder.exists()), Path())
    if not nearest.is_dir():
        raise ConfigError(f"{what} {path}: {nearest} is a file; {remedy} in a folder")
    if not os.access(path if path.exists() else nearest, os.W_OK):
        raise ConfigError(f"{what} {path}: there is no permission to write there; {remedy} elsewhere")


def refuse_without_folder(path: Path, what: str, *, remedy: str = "give --out a file") -> None:
    """The same, where the file's folder must be there already."""
    refuse_unwritable(path, what, remedy=remedy)
    if not path.parent.is_dir():
        raise ConfigError(f"{what} {path}: there is no folder {path.parent}; make it first")
