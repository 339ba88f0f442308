"""Results of reference solutions, kept in the user's cache folder from one process to the next."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final


def cache_folder() -> Path:
    """The folder that RLVR_CACHE names, else `rlvr-gym` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if stated := os.environ.get("RLVR_CACHE"):
        return Path(stated)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "rlvr-gym"


@final
class Remembered:
    """Reasons by the hash of all that decides them, in one file for each sandbox.

    A file that cannot be read or holds anything else is taken for an empty one, and replaced. A folder that cannot
    be written to only means that nothing is remembered.

    Args:
        path: the file; None to remember for the life of the object.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.reasons = _read(path)

    @staticmethod
    def of(sandbox: str | None) -> Remembered:
        """Remember results of the sandbox that `sandbox` identifies; of none where that is None."""
        if sandbox is None:
            return Remembered(None)
        name = hashlib.sha256(sandbox.encode()).hexdigest()[:16]
        return Remembered(cache_folder() / "solutions" / f"{name}.json")

    @contextmanager
    def written_at_the_end(self) -> Iterator[None]:
        """Write what was added, also where what runs inside is interrupted, beside what others wrote meanwhile."""
        try:
            yield
        finally:
            if self._path is not None:
                self.reasons = _read(self._path) | self.reasons
                with suppress(OSError):
                    _replace(self._path, json.dumps(self.reasons))


def _read(path: Path | None) -> dict[str, str]:
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    well_formed = isinstance(said, dict) and all(isinstance(reason, str) for reason in said.values())
    return said if well_formed else {}


def _replace(path: Path, text: str) -> None:
    """Write a file of a name that no other writer has, then rename it: readers see a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    try:
        os.replace(file.name, path)
    except OSError:
        os.unlink(file.name)
        raise
