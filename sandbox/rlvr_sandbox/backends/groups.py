"""Control groups for supervisors that no engine puts into one: what their programs use is counted by the kernel."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from pathlib import Path

from rlvr_sandbox.image.layout import CONTROL_GROUP

_PREFIX = "rlvr-sandbox-"
_KINDS = ("cpuacct", "memory")
_GONE_WITHIN_SECONDS = 2.0
_ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done; shift; exec "$@"'
_counted = itertools.count()


class Group:
    """A control group below our own, for one supervisor. Raises OSError where none can be made that tells everything.

    Of the first version of control groups it is one in each hierarchy that counts what we want to know.
    """

    def __init__(self) -> None:
        name = f"{_PREFIX}{os.getpid()}-{next(_counted)}"
        parents = _parents()
        if not parents:
            raise FileNotFoundError(errno.ENOENT, "no control groups of our own", CONTROL_GROUP)
        self._folders = {kind: parent / name for kind, parent in parents.items()}
        self._limit = "memory.limit_in_bytes" if "memory" in parents else "memory.max"
        try:
            for folder in self._folders.values():
                folder.mkdir()
            memory = self._folders.get("memory") or self._folders[""]
            (memory / self._limit).read_text()
        except OSError:
            self.remove()
            raise

    def entering(self) -> list[str]:
        """The beginning of a command, whose rest then runs in the group."""
        lists = [str(folder / "cgroup.procs") for folder in self._folders.values()]
        return ["/bin/sh", "-c", _ENTER, "sh", *lists, "--"]

    def binds(self) -> list[str]:
        """The part of it that bubblewrap is to show: all of it to be read, the limit of memory to be set as well."""
        shown: list[str] = []
        for kind, folder in self._folders.items():
            place = Path(CONTROL_GROUP, kind)
            shown += ["--ro-bind", str(folder), str(place)]
            if kind in ("memory", ""):
                shown += ["--bind", str(folder / self._limit), str(place / self._limit)]
        return shown

    def limit_memory(self, memory_bytes: int) -> None:
        """Bound the memory of all that is in it."""
        folder = self._folders.get("memory") or self._folders[""]
        (folder / self._limit).write_text(str(memory_bytes))

    def remove(self) -> None:
        """Remove it, once its processes have ended."""
        deadline = time.monotonic() + _GONE_WITHIN_SECONDS
        for folder in self._folders.values():
            while not _removed(folder) and time.monotonic() < deadline:
                time.sleep(0.005)


def remove_abandoned() -> None:
    """Remove the groups of processes that have been killed."""
    for parent in _parents().values():
        for folder in parent.glob(f"{_PREFIX}*-*"):
            owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", owner).exists():
                _removed(folder)


def _parents() -> dict[str, Path]:
    """Our own control groups, by kind; the second version has one, of no kind."""
    root = Path(CONTROL_GROUP)
    ours: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            ours |= dict.fromkeys(kinds.split(","), path)
    kinds = ("",) if (root / "cgroup.controllers").exists() else _KINDS
    found = {kind: root / kind / ours[kind].lstrip("/") for kind in kinds if kind in ours}
    return found if len(found) == len(kinds) and all(path.is_dir() for path in found.values()) else {}


def _removed(folder: Path) -> bool:
    """Return True once it is gone, or will not go; False while a process is in it."""
    try:
        folder.rmdir()
    except OSError as error:
        return error.errno != errno.EBUSY
    return True
