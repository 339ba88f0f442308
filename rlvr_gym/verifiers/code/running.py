"""The sandbox of this process: opened by the first program, shared by all threads, closed at the end.

Which one it is is a fact about the machine and not about the task, so the environment says it: RLVR_SANDBOX names
the backend (`auto`, `docker`, `bubblewrap`), RLVR_SANDBOX_SLOTS how many programs run at a time.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING

from rlvr_gym.errors import ConfigError, VerifierFault

if TYPE_CHECKING:
    from rlvr_sandbox import BlockingSandbox, Program, Result


class Unjudgeable(VerifierFault):
    """The task is at fault, and will be another time: by its tests or its solution no program can be judged."""


def run(program: Program) -> Result:
    """Run a program in the sandbox.

    Raises Unjudgeable where its tests cannot judge, VerifierFault where the sandbox fails, or there is none.
    """
    from rlvr_sandbox import BadTests, ProgramOutcome, SandboxError

    try:
        result = shared_sandbox().run(program)
    except BadTests as error:
        raise Unjudgeable(f"the tests cannot judge: {error}") from error
    except SandboxError as error:
        raise VerifierFault(f"no program can be run here: {error}") from error
    if result.outcome is ProgramOutcome.UNSCORED:
        fault = Unjudgeable if result.tests_cannot_judge else VerifierFault
        raise fault(f"the sandbox has no verdict: {result.reason}")
    return result


def shared_sandbox() -> BlockingSandbox:
    """The sandbox that RLVR_SANDBOX asks for, opened unless it is open.

    Raises SandboxUnavailable, which says of every backend why it cannot be used.
    """
    from rlvr_sandbox import Sandbox

    asked = _backend(), _slots()
    with _state.lock:
        if asked not in _state.open:
            _state.open[asked] = Sandbox.open_sync(asked[0], slots=asked[1])
        return _state.open[asked]


def sandbox_identity() -> str | None:
    """Name the sandbox that RLVR_SANDBOX asks for, by all that decides its verdicts; None where machines may differ.

    Nothing is started. Raises SandboxUnavailable as `shared_sandbox` does.
    """
    from rlvr_sandbox.identity import identity

    return identity(_backend())


def _backend() -> str:
    return os.environ.get("RLVR_SANDBOX") or "auto"


def _slots() -> int | None:
    asked = os.environ.get("RLVR_SANDBOX_SLOTS")
    if not asked:
        return None
    if not (asked.isascii() and asked.isdigit() and int(asked) > 0):
        raise ConfigError(f"RLVR_SANDBOX_SLOTS must be a number of programs, at least 1, not '{asked}'")
    return int(asked)


class _State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: dict[tuple[str, int | None], BlockingSandbox] = {}


_state = _State()
_inherited: list[_State] = []


def _begin_anew_after_fork() -> None:
    # The threads behind an inherited sandbox are the parent's, and so are its containers: it is kept as it
    # stands, neither used nor closed nor collected.
    global _state
    _inherited.append(_state)
    _state = _State()


def _close() -> None:
    while _state.open:
        _, sandbox = _state.open.popitem()
        sandbox.close()


os.register_at_fork(after_in_child=_begin_anew_after_fork)
atexit.register(_close)
