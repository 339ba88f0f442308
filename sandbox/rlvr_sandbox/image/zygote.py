"""ZYGOTE: forks the processes that run programs and tests, and reaps whatever they leave behind.

It is told only whom to fork, with which limits, and is handed file descriptors that it passes on unread: as
a fork's heap can be searched for what the forking process ever held, it must never hold a program, a test
or an expected output.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] - what `signal` wraps in enums, in every fork anew
import _sitebuiltins
import builtins
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

if __name__ == "__main__":  # the package around this folder is the host's, and may not be here
    _package = types.ModuleType("rlvr_sandbox")
    _package.__path__ = [str(Path(__file__).parents[1])]
    sys.modules["rlvr_sandbox"] = _package

    from rlvr_sandbox.image.forks.hooks import PutOff

    _put_off = PutOff()  # before what follows imports the modules that have hooks

from rlvr_sandbox.image.forks.limits import limit, limit_all_forks, set_thread_stacks
from rlvr_sandbox.image.forks.rehearsal import rehearse
from rlvr_sandbox.image.forks.seccomp import Filter
from rlvr_sandbox.image.layout import SITE, WRITABLE
from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.sides import program, tests

MAX_ORDER_BYTES = 1 << 16
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_CAPSET_SELF = (ctypes.c_uint32 * 2)(0x20080522, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_libc = ctypes.CDLL(None)
_capset, _prctl = _libc.capset, _libc.prctl  # looked up here once, not in every fork

# What most programs import: imported once here, not once in every program.
_COMMON = tuple(
    "bisect collections collections.abc contextlib copy dataclasses datetime decimal enum fractions functools "  # noqa: SIM905
    "hashlib heapq inspect itertools math operator random re statistics string textwrap typing".split()
)


def serve(orders: socket.socket, preload: Sequence[str], *, one_uid: bool, memory_files: bool) -> NoReturn:
    """Take orders until the other side is gone.

    Args:
        preload: modules for programs that import them, loaded before the first fork.
        one_uid: every process has the uid that we have; there is no other to change to.
        memory_files: whether programs may make files in memory that have no name.
    """
    _become_a_zygote(preload, one_uid=one_uid, memory_files=memory_files)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    zygote = Zygote(orders, one_uid, (woken, wake))
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    poll.register(woken, select.POLLIN)
    zygote.say({"said": "ready"})
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if woken in ready:
            _drain(woken)
            zygote.reap()
        if orders.fileno() in ready:
            zygote.take_order()


def _become_a_zygote(preload: Sequence[str], *, one_uid: bool, memory_files: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # out of reach of programs that have our uid
    set_thread_stacks(libc)
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")  # what `site` would have set
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    program.prepare_streams()
    if os.path.isdir(SITE):
        sys.path.append(SITE)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for name in [*_COMMON, *preload]:
        importlib.import_module(name)
    del os.environ["OPENBLAS_NUM_THREADS"]
    if not one_uid:  # else it forks once only
        rehearse()
    program.settle()
    tests.settle()
    limit_all_forks()
    Filter(memory_files=memory_files).put_on()
    gc.collect()
    gc.freeze()


class Zygote:
    """Forks on order. Its children are the processes of one program and one test run, and their orphans."""

    def __init__(self, orders: socket.socket, one_uid: bool, private: tuple[int, ...]) -> None:
        self._orders = orders
        self._one_uid = one_uid
        self._private = private
        self._running: dict[int, tuple[str, float]] = {}

    def say(self, message: Message) -> None:
        """Tell MUX."""
        self._orders.send(json.dumps(message).encode())

    def take_order(self) -> None:
        """Carry out one order."""
        data, descriptors, _, _ = socket.recv_fds(self._orders, MAX_ORDER_BYTES, 8)
        if not data:
            os._exit(0)
        order = json.loads(data)
        if order["do"] == "fork":
            self._fork(order, descriptors)
        elif order["do"] == "kill":
            for pid in self._running:
                _kill(pid)
        else:
            self.say({"said": "clean", "clean": self._clean(order["uids"], order["within_seconds"])})

    def reap(self) -> None:
        """Collect every child that has ended, and report those that were forked on order."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            role, started = self._running.pop(pid, (None, 0.0))
            if role is not None:
                self.say(
                    {
                        "said": "ended",
                        "role": role,
                        "status": os.waitstatus_to_exitcode(status),
                        "cpu_seconds": usage.ru_utime + usage.ru_stime,
                        "wall_seconds": time.monotonic() - started,
                        "memory_bytes": usage.ru_maxrss * 1024,
                    }
                )

    def _fork(self, order: Message, descriptors: list[int]) -> None:
        started = time.monotonic()
        try:
            pid = os.fork()
        except OSError as error:
            self.say({"said": "fault", "reason": f"fork: {error.strerror}"})
            pid = -1
        if pid == 0:
            self._become(order, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            self._running[pid] = (order["role"], started)

    def _become(self, order: Message, descriptors: list[int]) -> NoReturn:
        """In the child: take the uid and the limits, let go of everything of the zygote's, and run."""
        try:
            self._set_up(order, descriptors[:3])
        except BaseException as error:  # noqa: BLE001 - this process must end here, whatever happened
            self.say({"said": "fault", "reason": f"cannot set up a process: {error!r}"})
            os._exit(1)
        try:
            self._let_go()
            ROLES[order["kind"]](*descriptors[3:])
        finally:
            os._exit(1)

    def _set_up(self, order: Message, streams: list[int]) -> None:
        _prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        program.take_streams(*streams)
        os.setsid()
        os.chdir(order["folder"])
        limit(order["limits"])
        if not self._one_uid:
            _take_uid(order["uid"])
        _put_off.register()

    def _let_go(self) -> None:
        self._orders.close()
        for descriptor in self._private:
            os.close(descriptor)

    def _clean(self, uids: list[int], within_seconds: float) -> bool:
        """Return True once nothing is left of the processes of `uids`, nor of what they wrote.

        A process may kill the one that is to end it, as both have its uid: so that is tried again.
        """
        deadline = time.monotonic() + within_seconds
        while self._children_left() and time.monotonic() < deadline:
            for uid in uids:
                self._run_as(uid, _kill_all_of_this_uid)
        if self._children_left():
            return False
        if not _written():
            return True  # and there is no process left that could write
        for uid in uids:
            self._run_as(uid, _remove_all_of_this_uid)
        return not _written()

    def _children_left(self) -> bool:
        self.reap()
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _run_as(self, uid: int, act: Callable[[], None]) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                self._let_go()
                signal.alarm(5)
                _take_uid(uid)
                act()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)


ROLES: dict[str, Callable[..., object]] = {
    "stdio": program.run_stdio,
    "call": program.run_call,
    "asserts": program.run_asserts,
    "in_process": program.run_in_process,
    "session": program.run_session,
    "tests": tests.run,
}


def _take_uid(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # Changing uid leaves the inheritable capabilities, which a file with capabilities would bring to life.
    _capset(_CAPSET_SELF, _NO_CAPABILITIES)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _kill_all_of_this_uid() -> None:
    """SIGKILL to everything this uid may signal: all of its own processes, however fast they fork."""
    for _ in range(100):
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(0.001)


def _written() -> list[str]:
    return [os.path.join(folder, name) for folder in WRITABLE for name in _listed(folder)]


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _remove_all_of_this_uid() -> None:
    """Remove what this uid wrote. Without privileges, so that a link can lead it to nothing that is not its own."""
    folders, unseen = [], _written()
    while unseen:
        path = unseen.pop()
        with contextlib.suppress(OSError):
            if os.path.isdir(path) and not os.path.islink(path):
                folders.append(path)
                os.chmod(path, 0o700)
                unseen.extend(os.path.join(path, name) for name in os.listdir(path))
            else:
                os.unlink(path)
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            continue
    except BlockingIOError:
        return


if __name__ == "__main__":
    _socket, _preload, _one_uid, _memory_files = sys.argv[1:]
    serve(
        socket.socket(fileno=int(_socket)),
        [name for name in _preload.split(",") if name],
        one_uid=_one_uid == "1",
        memory_files=_memory_files == "1",
    )
