"""Count what a program has used: CPU time and memory of all its processes, those that nobody waited for included.

The sandbox's own control group knows both, to the last buffer of a socket. Where there is none, the processes are
looked at: that finds less of what lasts less long than a look at them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rlvr_sandbox.image.layout import CONTROL_GROUP, WRITABLE

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_SLACK_BYTES = 64 << 20
"""Beside a program's memory, for what the supervisor itself comes to hold: outputs, reports, a process that cleans."""
_RARELY_BYTES = 16 << 20
"""By how much the kernel's limit may be off before it is set anew: it costs as much as ten looks."""

Pids = Callable[[], set[int]]


class Account(Protocol):
    """Counts from `begin` on."""

    counts_memory_files: bool
    """True where it sees files in memory that no process has mapped."""

    def begin(self, may_hold_bytes: int) -> None:
        """Start at nothing; whatever is there now is not the program's. The kernel holds it to that, if it can."""
        ...

    def cpu_seconds(self) -> float:
        """CPU time of all processes since, but the supervisor's own."""
        ...

    def memory_bytes(self) -> int:
        """Return the bytes they hold now: their own pages, files in memory, shared maps, buffers."""
        ...


def account(zygotes: Pids, *, alone: bool) -> Account:
    """The most exact account there is.

    Args:
        zygotes: their processes, at any time.
        alone: nobody but us and what we start is in our control group and process namespace.
    """
    found = ControlGroup.found(Path(CONTROL_GROUP), zygotes) if alone else None
    return found or Processes(zygotes, folders=WRITABLE if alone else ())


@dataclass(frozen=True, kw_only=True)
class _Names:
    """A control group's files, and how their words are read."""

    cpu: str
    cpu_word: bytes
    cpu_units: float
    memory: str
    stat: str
    limit: str
    all_files: bytes
    """The word for pages of files, those in memory included."""


_VERSIONS = (
    _Names(
        cpu="cpuacct/cpuacct.usage",
        cpu_word=b"",
        cpu_units=1e9,
        memory="memory/memory.usage_in_bytes",
        stat="memory/memory.stat",
        limit="memory/memory.limit_in_bytes",
        all_files=b"cache ",
    ),
    _Names(
        cpu="cpu.stat",
        cpu_word=b"usage_usec ",
        cpu_units=1e6,
        memory="memory.current",
        stat="memory.stat",
        limit="memory.max",
        all_files=b"file ",
    ),
)


class ControlGroup:
    """The account of the control group that the whole sandbox, and nothing else, is in."""

    counts_memory_files = True

    def __init__(self, folder: Path, names: _Names, zygotes: Pids) -> None:
        self._names = names
        self._zygotes = zygotes
        self._cpu, self._memory, self._stat = (
            os.open(folder / name, os.O_RDONLY) for name in (names.cpu, names.memory, names.stat)
        )
        self._own_statm = os.open("/proc/self/statm", os.O_RDONLY)
        self._limit_file = folder / names.limit
        self._limit = 0
        # Read at once, as it raises where anything is not told.
        self._cpu_before = _word(self._cpu, names.cpu_word) / names.cpu_units
        self._memory_before = self._not_files()

    @classmethod
    def found(cls, folder: Path, zygotes: Pids) -> ControlGroup | None:
        """That in `folder`; None where it is not there, or does not tell everything."""
        for names in _VERSIONS:
            with contextlib.suppress(OSError, ValueError):
                return cls(folder, names, zygotes)
        return None

    def begin(self, may_hold_bytes: int) -> None:
        """See Account."""
        there = self._not_files()
        self._hold(there + may_hold_bytes + _SLACK_BYTES)
        self._memory_before = there - self._own_bytes()
        self._cpu_before = self._programs_cpu()

    def cpu_seconds(self) -> float:
        """See Account."""
        return self._programs_cpu() - self._cpu_before

    def memory_bytes(self) -> int:
        """See Account."""
        return self._not_files() - self._own_bytes() - self._memory_before

    def _programs_cpu(self) -> float:
        supervisors = time.process_time() + sum(map(_cpu_of_process, self._zygotes()))
        return _word(self._cpu, self._names.cpu_word) / self._names.cpu_units - supervisors

    def _not_files(self) -> int:
        """All but what the kernel keeps of files on disks, and lets go of when it must."""
        files = _word(self._stat, self._names.all_files) - _word(self._stat, b"shmem ")
        return _word(self._memory) - files

    def _own_bytes(self) -> int:
        return _own_pages(os.pread(self._own_statm, 200, 0)) * _PAGE_BYTES

    def _hold(self, limit: int) -> None:
        if abs(limit - self._limit) < _RARELY_BYTES:
            return
        self._limit = limit
        try:
            self._limit_file.write_text(str(limit))
        except OSError:
            return  # a container's is set by its engine, and can be read only


def _word(descriptor: int, word: bytes = b"") -> int:
    """The number behind a word at the beginning of a line."""
    data = b"\n" + os.pread(descriptor, 1 << 13, 0)
    return int(data[data.index(b"\n" + word) + 1 + len(word) :].split(None, 1)[0])


def _cpu_of_process(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid makes the clock's number


def _own_pages(statm: bytes) -> int:
    """Pages resident and not backed by a file."""
    _, resident, shared, *_ = map(int, statm.split())
    return resident - shared


@dataclass(frozen=True)
class _Process:
    parent: int
    cpu_seconds: float
    """With that of the children that it waited for."""


class Processes:
    """An account made by looking at the zygotes and all that descends from them.

    A process that ends under a parent that ignores its children leaves nothing behind: what was seen of it stays
    in the account, as the time of all together never gets less.

    Args:
        zygotes: see `account`.
        folders: file systems in memory that nobody but the program writes to.
    """

    counts_memory_files = False

    def __init__(self, zygotes: Pids, folders: tuple[str, ...] = ()) -> None:
        self._zygotes = zygotes
        self._folders = [folder for folder in folders if os.path.isdir(folder)]
        self._supervisors: set[int] = set()
        self._shared_with_zygote = 0
        self._before = self._highest = self._lost = 0.0

    def begin(self, may_hold_bytes: int) -> None:
        """See Account."""
        tree = self._tree()
        self._supervisors = set(tree)
        self._shared_with_zygote = max((_held_bytes(pid) for pid in tree), default=0)
        self._before = self._highest = sum(process.cpu_seconds for process in tree.values())
        self._lost = 0.0

    def cpu_seconds(self) -> float:
        """See Account."""
        used = self._all_cpu()
        if used + self._lost < self._highest:
            # A process may have been waited for between the look at its parent and the one at itself.
            used = max(used, self._all_cpu())
            self._lost = max(self._lost, self._highest - used)
        self._highest = max(self._highest, used + self._lost)
        return self._highest - self._before

    def memory_bytes(self) -> int:
        """See Account."""
        programs = self._tree().keys() - self._supervisors
        pages = sum(
            max(0, _held_bytes(pid) - self._shared_with_zygote) + _shared_bytes(pid) for pid in programs
        )
        return pages + sum(map(_used_bytes, self._folders))

    def _all_cpu(self) -> float:
        return sum(process.cpu_seconds for process in self._tree().values())

    def _tree(self) -> dict[int, _Process]:
        """The zygotes, and all that descends from them."""
        there = dict(_processes())
        found = {pid: there[pid] for pid in self._zygotes() if pid in there}
        children: dict[int, list[int]] = {}
        for pid, process in there.items():
            children.setdefault(process.parent, []).append(pid)
        unseen = list(found)
        while unseen:
            for child in children.get(unseen.pop(), ()):
                if child not in found:
                    found[child] = there[child]
                    unseen.append(child)
        return found


def _processes() -> Iterator[tuple[int, _Process]]:
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                after_name = stat.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(name), _Process(int(after_name[1]), sum(map(int, after_name[11:15])) / _TICKS)


def _held_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return _own_pages(statm.read()) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _shared_bytes(pid: int) -> int:
    """Return the bytes it holds of shared maps and of files in memory."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            return int(status.read().partition(b"\nRssShmem:")[2].split(None, 1)[0]) << 10
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0


def _used_bytes(folder: str) -> int:
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize
