"""Files that survive being killed: atomic replacement, and JSON lines read past a torn last line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rlvr_gym.errors import DataError

Json = Any
"""A JSON value: None, a bool, a number, a text, or a list or dict of such. Whoever reads one looks at what it is."""
JsonObject = dict[str, Json]
"""A JSON object: a row of a file, a question to another process, the data of a page."""

_READ_AT_ONCE = 1 << 22
"""Bytes of whole lines that are read at a time."""


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`: a reader, or a crash at any moment, sees the old content or the new."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with writing_to(path), temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make `folder`, and the folders it is in; those that were new go again where what runs inside fails."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):  # one that has something in it stays
            for path in new:
                path.rmdir()
        raise


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Name `path` in the error of a write to it: that of a full disk names no file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def append_lines(path: Path, rows: list[JsonObject]) -> None:
    """Append JSON lines in one write. A line torn off by an earlier crash is removed first."""
    drop_torn_line(path)
    # The escape that replaces a lone surrogate here, \ud800, is JSON's own: the row comes back as it was.
    with writing_to(path), path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(_json_lines(rows))


def keep_lines(path: Path, wanted: Callable[[JsonObject], bool]) -> None:
    """Cut a JSON-lines file down to the rows that are wanted, atomically; no file is no rows."""
    if path.exists():
        write_atomically(path, _json_lines([row for row in read_lines(path) if wanted(row)]))


def _json_lines(rows: list[JsonObject]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def drop_torn_line(path: Path) -> None:
    """Cut an incomplete last line (no newline at its end) off a file, if there is one."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
        content = path.read_bytes()
        file.truncate(content.rfind(b"\n") + 1)


def read_lines(path: Path) -> Iterator[JsonObject]:
    """The rows of a JSON-lines file, none for a missing one; an incomplete last line is left out.

    Raises DataError naming the line for any other line that is not JSON.
    """
    if not path.exists():
        return
    for number, line in enumerate(lines_of(path), start=1):
        if not line.endswith(b"\n"):
            return
        try:
            yield json.loads(line.decode(errors="replace"))
        except ValueError as error:
            raise DataError(f"{path}, line {number} is broken: {error}") from error


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file, each with its newline.

    The file is closed whenever a line is out, so that a reader that stops, or fails, leaves nothing open.
    """
    place = 0
    while True:
        with path.open("rb") as file:
            file.seek(place)
            lines = file.readlines(_READ_AT_ONCE)
            place = file.tell()
        if not lines:
            return
        yield from lines
