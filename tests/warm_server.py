"""A Python that has imported the heavy libraries, and forks a copy of itself for every program that it is to run.

Started by `warm.py` with the descriptor of a listening socket; `warm_client.py`, which stands in for `python` and for
`rlvr`, connects to it. A copy runs its program as a new process would: with the caller's arguments, folder,
environment, limits and open files, to the same end (exit status, signal, traceback, what runs at exit). It differs
in what is imported already, in the seed of string hashes, which all copies share, in its parent, and in that the
libraries are not taken down when it has exited well. The server ends when its standard input does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import types
import warnings
from dataclasses import dataclass, field
from pathlib import Path

HEAVY = (
    "numpy", "torch", "torch.distributed.tensor", "transformers", "transformers.generation", "accelerate",
    "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto",
    "transformers.models.gpt2.modeling_gpt2", "gymnasium", "jsonschema", "pydantic", "rich.console", "rich.live",
    "rich.markdown", "rich.table", "sympy", "typer", "yaml", "torch.utils.tensorboard", "rlvr_gym.cli.main",
    "rlvr_gym.cli.commands.eval.command", "rlvr_gym.cli.commands.report", "rlvr_gym.evaluation",
    "rlvr_gym.generation.transformers", "rlvr_trainers.cli", "rlvr_trainers.trainer",
)  # fmt: skip
FIRST = 3
"""The first descriptor that a new process does not have."""


@dataclass
class Calls:
    """The programs that run: the process of each, and the connection of its caller."""

    listener: socket.socket
    running: dict[int, tuple[int, socket.socket]] = field(default_factory=dict)
    """By the descriptor that is readable when the process has ended."""

    def next(self) -> dict | None:
        """In a forked copy, what it is to run; None in the server, at its end."""
        while True:
            callers = {caller.fileno(): ended for ended, (_, caller) in self.running.items()}
            arriving = self.listener.fileno()
            ready: list[int] = select.select([0, arriving, *self.running, *callers], [], [])[0]
            if 0 in ready:
                for process, _ in self.running.values():
                    os.kill(process, signal.SIGKILL)
                return None
            for descriptor in ready:
                if descriptor in self.running:
                    self._tell(descriptor)
            for descriptor in ready:
                if callers.get(descriptor) in self.running:
                    self._pass_on(callers[descriptor])
            if arriving in ready and (asked := self._begin()) is not None:
                return asked

    def _begin(self) -> dict | None:
        caller, _ = self.listener.accept()
        size = int.from_bytes(caller.recv(4, socket.MSG_WAITALL), "big")
        message, files, _, _ = socket.recv_fds(caller, size, 3)
        while len(message) < size:
            message += caller.recv(size - len(message))
        process = os.fork()
        if process == 0:
            self._forget(caller)
            for number, file in enumerate(files):
                os.dup2(file, number)
            os.closerange(FIRST, max(files) + 1)
            return json.loads(message)
        for file in files:
            os.close(file)
        self.running[os.pidfd_open(process)] = process, caller
        return None

    def _forget(self, *more: socket.socket) -> None:
        for one in (self.listener, *more, *(caller for _, caller in self.running.values())):
            one.close()

    def _tell(self, ended: int) -> None:
        process, caller = self.running.pop(ended)
        os.close(ended)
        _, status = os.waitpid(process, 0)
        with contextlib.suppress(OSError):  # its caller may have been killed
            caller.sendall(status.to_bytes(4, "big"))
        caller.close()

    def _pass_on(self, ended: int) -> None:
        """A signal from the caller, or SIGKILL where there is no caller any more."""
        process, caller = self.running[ended]
        said = caller.recv(1)
        os.kill(process, said[0] if said else signal.SIGKILL)
        if not said:
            os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


def become(asked: dict) -> None:
    """Take over the surroundings of the caller."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    os.umask(asked["umask"])
    for kind, limits in asked["limits"]:
        if resource.getrlimit(kind) != tuple(limits):
            resource.setrlimit(kind, tuple(limits))
    sys.modules["numpy"].random.seed()
    if not asked["warnings_are_errors"]:
        sys.warnoptions.clear()
        own = [one for one in warnings.filters if one != ("error", None, Warning, None, 0)]
        warnings.filters[:] = [*own, *USUAL]  # pyright: ignore[reportIndexIssue]


def program(asked: dict) -> tuple[types.CodeType, dict]:
    """The code to run, and the module to run it in."""
    module = types.ModuleType("__main__")
    name, *arguments = asked["arguments"]
    sys.argv[:] = [name, *arguments]
    sys.orig_argv[:] = [sys.executable, name, *arguments]
    if asked["code"] is not None:
        sys.path[0], source, name = "", asked["code"], "<string>"
    else:
        sys.path[0], source = str(Path(name).resolve().parent), Path(name).read_bytes()
        module.__file__ = name
    sys.modules["__main__"] = module
    return compile(source, name, "exec", dont_inherit=True), module.__dict__


USUAL = [
    ("default", None, DeprecationWarning, "__main__", 0),
    *(
        ("ignore", None, kind, None, 0)
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning)
    ),
    ("ignore", None, ResourceWarning, None, 0),
]
"""The filters of an interpreter that was told nothing about warnings."""


def serve() -> dict | None:
    """In a forked copy, what it is to run; None at the end."""
    sys.path[0] = str(Path(sys.executable).parent)
    gc.disable()
    for name in HEAVY:
        __import__(name)
    # It evaluates source as the interpreter ends, which then forgets that it was interrupted.
    atexit.unregister(sys.modules["torch._dynamo.utils"].dump_compile_times)
    gc.freeze()
    gc.enable()
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, "a fork copies one thread alone"
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        return Calls(listener).next()


def run(asked: dict) -> None:
    """Run the program. Only where it exits of its own accord is the end quicker than the interpreter's."""
    code, names = program(asked)
    try:
        exec(code, names)
        status = 0
    except SystemExit as ended:
        if ended.code is not None and not isinstance(ended.code, int):
            raise
        status = ended.code or 0
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    names.clear()
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(status)  # the interpreter says what it makes of it
    os._exit(status & 0xFF)


if __name__ == "__main__":
    if (found := serve()) is None:
        os._exit(0)
    become(found)
    run(found)
