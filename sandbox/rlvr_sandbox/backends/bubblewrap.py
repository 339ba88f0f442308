"""The sandbox in bubblewrap: namespaces, a file system of its own, and the limits of rlimits.

As root there are uids to give away, and one bubblewrap holds the supervisor and everything it forks. Any
other user has one uid, which no process can be kept from another by: then the supervisor runs outside, and
each program, and each test run, in a bubblewrap of its own that is used once.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr_sandbox.backends.groups import Group, remove_abandoned
from rlvr_sandbox.backends.process import ProcessChannel
from rlvr_sandbox.errors import SandboxUnavailable
from rlvr_sandbox.image.layout import SITE, WORK
from rlvr_sandbox.programs import MIB
from rlvr_sandbox.results import Trust

_IMAGE = Path(__file__).resolve().parents[1] / "image"
_SUPERVISOR = "/opt/rlvr/rlvr_sandbox/image"
_ROOT = "/opt/rlvr"
_PYTHON = "/opt/python"
_PARENTS = ("/opt", SITE, _PYTHON, "/opt/rlvr", "/opt/rlvr/rlvr_sandbox")
_OF_PYTHON = ("bin", "lib", "lib64")
"""The folders that a Python outside /usr needs to run; beside them there may be caches and packages."""
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")
_SCRATCH_BYTES = 64 * MIB
_NOBODY = ("--unshare-user", "--uid", "65534", "--gid", "65534")
_CAPABILITIES = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL")


@dataclass(frozen=True, kw_only=True)
class Walled:
    """A sandbox for one use: the command that runs Python in it, to which arguments of Python's are added."""

    python: Sequence[str]
    image: str
    """The folder, as the sandbox sees it, that its part of this package can be imported from."""
    privileged: bool
    """True where there are uids to give away inside."""
    ended: Callable[[], None]
    """Called once nothing is left of it."""


class BubblewrapBackend:
    """Sandboxes on this machine without a daemon.

    Args:
        packages: folders of packages that programs may import besides the standard library, as they lie in a
            `site-packages`; without: numpy's, where the Python that runs us has it.
    """

    name = "bubblewrap"
    trust = Trust.NAMESPACE

    def __init__(self, packages: Sequence[Path] | None = None) -> None:
        found = shutil.which("bwrap")
        if found is None:
            raise SandboxUnavailable("bubblewrap is not installed: there is no `bwrap` on the path")
        self._bwrap = found
        self._packages = _numpy() if packages is None else tuple(packages)
        self._privileged = os.geteuid() == 0
        nothing = "/usr/bin/true" if os.path.exists("/usr/bin/true") else "/bin/true"
        _try([*self._walls(), nothing])
        remove_abandoned()
        self._grouped = self._privileged and self._can_be_grouped(nothing)

    def start(self) -> ProcessChannel:
        """A fresh supervisor."""
        if self._privileged:
            return self._start_inside()
        supervisor = [sys.executable, "-I", "-S", str(_IMAGE / "mux.py"), "--one-uid"]
        inside = {
            "wrapper": [*self._walls(), "--as-pid-1"],
            "python": self._python(),
            "supervisor": _SUPERVISOR,
        }
        return ProcessChannel([*supervisor, "--zygote", json.dumps(inside)])

    def _start_inside(self) -> ProcessChannel:
        """With bubblewrap's word on which process is the supervisor: killed, it takes its namespace with it."""
        group = Group() if self._grouped else None
        command = [*group.entering(), *self._walls(group.binds())] if group else self._walls()
        reader, writer = os.pipe()
        supervisor = ["--as-pid-1", "--info-fd", str(writer), *self._python(), f"{_SUPERVISOR}/mux.py"]
        with open(reader) as told, open(writer, "w") as ours:

            def inner_pid() -> int:
                ours.close()
                return json.load(told)["child-pid"]

            return ProcessChannel(
                [*command, *supervisor],
                pass_fds=(writer,),
                inner_pid=inner_pid,
                ended=group.remove if group else lambda: None,
            )

    def walled(self, more: Sequence[str], *, memory_bytes: int) -> Walled:
        """A sandbox for one process, with `more` of bubblewrap's arguments.

        Its processes have `memory_bytes` together, where this system gives sandboxes control groups.
        """
        group = Group() if self._grouped else None
        if group is not None:
            group.limit_memory(memory_bytes)
        entering = group.entering() if group else []
        return Walled(
            python=[*entering, *self._walls(more), "--as-pid-1", *self._python()],
            image=_ROOT,
            privileged=self._privileged,
            ended=group.remove if group else lambda: None,
        )

    def wait_until_available(self, timeout_seconds: float) -> bool:
        """Always there."""
        return False

    def close(self) -> None:
        """Nothing to let go of."""

    def contents(self) -> str:
        """Name what programs find inside: the Python that runs us, and the packages by path and date."""
        packages = (f"{path} of {path.stat().st_mtime_ns}" for path in self._packages)
        return ", ".join([f"Python {sys.version}", *packages])

    def _can_be_grouped(self, command: str) -> bool:
        """Return True where this system gives sandboxes control groups of their own."""
        try:
            group = Group()
        except OSError:
            return False
        try:
            _try([*group.entering(), *self._walls(group.binds()), command])
        except SandboxUnavailable:
            return False
        finally:
            group.remove()
        return True

    def _walls(self, more: Sequence[str] = ()) -> list[str]:
        """bubblewrap with everything but the command."""
        as_whom = _CAPABILITIES if self._privileged else _NOBODY
        return [
            self._bwrap,
            *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
            *("--cap-drop", "ALL"),
            *as_whom,
            *("--hostname", "sandbox", "--chdir", "/", "--unsetenv", "PWD"),
            *(part for folder in _PARENTS for part in ("--perms", "0755", "--dir", folder)),
            *self._system(),
            *("--ro-bind", str(_IMAGE), _SUPERVISOR),
            *(part for path in self._packages for part in ("--ro-bind", str(path), f"{SITE}/{path.name}")),
            *("--proc", "/proc", "--dev", "/dev"),
            *(part for folder in (WORK, "/tmp", "/dev/shm") for part in _scratch(folder)),
            *more,
            *("--remount-ro", "/dev", "--remount-ro", "/"),
        ]

    def _system(self) -> list[str]:
        """The C library, and the Python that runs us without what is installed beside it."""
        binds = ["--ro-bind", "/usr", "/usr"]
        for name in ("lib", "lib64", "bin", "sbin"):
            path = Path("/", name)
            if path.is_symlink():
                binds += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                binds += ["--ro-bind", str(path), str(path)]
        if not _in_usr(sys.base_prefix):
            for name in _OF_PYTHON:
                if (path := Path(sys.base_prefix, name)).is_dir():
                    binds += ["--ro-bind", str(path), f"{_PYTHON}/{name}"]
        for folder in _packages_beside(sys.base_prefix):
            binds += ["--perms", "0755", "--tmpfs", folder, "--remount-ro", folder]
        return binds

    def _python(self) -> list[str]:
        binary = Path(os.path.realpath(sys.executable))
        if not _in_usr(sys.base_prefix):
            binary = Path(_PYTHON, binary.relative_to(os.path.realpath(sys.base_prefix)))
        return [str(binary), "-I", "-S"]


def _numpy() -> tuple[Path, ...]:
    """numpy and the libraries that its wheels bring, without importing it."""
    found = importlib.util.find_spec("numpy")
    if found is None or found.origin is None:
        return ()
    folder = Path(found.origin).parent
    return tuple(path for path in (folder, folder.with_name("numpy.libs")) if path.is_dir())


@functools.cache
def _packages_beside(prefix: str) -> list[str]:
    """The folders, as the sandbox sees them, of packages installed for any Python of what it sees: to be hidden."""
    shown = {"/usr": "/usr"}
    if not _in_usr(prefix):
        shown |= {os.path.join(prefix, name): f"{_PYTHON}/{name}" for name in _OF_PYTHON}
    return sorted(
        place + folder.removeprefix(root)
        for root, place in shown.items()
        for folder in _package_folders(root)
    )


def _package_folders(root: str) -> Iterator[str]:
    unseen = [root]
    while unseen:
        with contextlib.suppress(OSError), os.scandir(unseen.pop()) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    continue
                if entry.name in _PACKAGE_FOLDERS:
                    yield entry.path
                else:
                    unseen.append(entry.path)


def _in_usr(prefix: str) -> bool:
    return Path("/usr") in (Path(prefix), *Path(prefix).parents)


def _scratch(folder: str) -> tuple[str, ...]:
    return ("--perms", "1777", "--size", str(_SCRATCH_BYTES), "--tmpfs", folder)


def _try(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        said = done.stderr.strip() or f"it ended with status {done.returncode}"
        raise SandboxUnavailable(f"bubblewrap cannot make a sandbox here: {said}")
