"""Files of the tests: the program sees those whose names it was given, and no others.

The two run under different users. What the tests write is theirs alone, until they hand its path, or that of its
folder, to the program. A file that the program put where the tests had theirs, or were to write, is not used.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import sys
from typing import Any

_SIGNS = ("open", "tempfile", "Path", "os.", "shutil", "sqlite", "mkdir")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NOBODY_ELSE = 0o077
_MADE = {"open": 0, "os.mkdir": 0, "sqlite3.connect": 0, "os.rename": 1}
"""Events in which a file may be made, and which of their arguments is its path."""


class Files:
    """The files that the tests made.

    Args:
        source: the text of all tests. Where nothing in it makes files, nothing is watched.
    """

    def __init__(self, source: str) -> None:
        self.watched = any(sign in source for sign in _SIGNS)
        self._made: set[str] = set()
        self._shared: set[str] = set()
        if self.watched:
            os.umask(_NOBODY_ELSE)
            sys.addaudithook(self._heard)
            self._open = io.open
            io.open = builtins.open = self._opened  # type: ignore[assignment]

    def named(self, text: str) -> None:
        """Share the file or folder of this name, which the program is about to be given, if the tests made it."""
        if not self._made or "\0" in text or len(text) > 4096:
            return
        path = os.path.abspath(text)
        inside = [each for each in self._made if each == path or each.startswith(path.rstrip("/") + "/")]
        folder = os.path.dirname(path)
        if not inside and folder in self._made:
            self._let_write(path, folder)
        if not inside or path in ("/", "/tmp", os.getcwd()):
            return
        for each in [path, *inside]:
            self._share(each)

    def _let_write(self, path: str, folder: str) -> None:
        """The program is to make this file, in a folder of the tests' whose other files stay theirs."""
        self._share(path)
        if folder not in self._shared:
            with contextlib.suppress(OSError):
                os.chmod(folder, 0o1733)

    def _share(self, path: str) -> None:
        self._shared.add(path)
        with contextlib.suppress(OSError):
            os.chmod(path, 0o777 if os.path.isdir(path) else 0o666)
        folder = os.path.dirname(path)
        while folder in self._made and folder not in self._shared:  # it can be walked through, and not listed
            with contextlib.suppress(OSError):
                os.chmod(folder, os.stat(folder).st_mode & 0o7777 | 0o011)
            folder = os.path.dirname(folder)

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        made = _MADE.get(event)
        if made is None or (
            event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITES)
        ):
            return
        self._note(arguments[made])

    def _note(self, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            self._made.add(os.path.abspath(os.fsdecode(path)))

    def _opened(self, file: Any, mode: str = "r", *arguments: Any, **keywords: object) -> Any:
        stream = self._open(file, mode, *arguments, **keywords)
        if isinstance(file, str | bytes | os.PathLike):
            try:
                self._must_be_ours(os.path.abspath(os.fsdecode(file)), stream, mode)
            except BaseException:
                stream.close()
                raise
        return stream

    def _must_be_ours(self, path: str, stream: Any, mode: str) -> None:
        """Raises PermissionError for a file that the program put where the tests have, or write, their own."""
        writes = any(letter in mode for letter in "wax+")
        if path in self._shared or any(path.startswith(f"{folder}/") for folder in self._shared):
            return
        if (writes or path in self._made) and os.fstat(stream.fileno()).st_uid not in (os.getuid(), 0):
            raise PermissionError(f"the program put a file of its own at {path}")
