"""A supervisor that is a child process of ours, and the pipes to it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence

from rlvr_sandbox.errors import SandboxLost, SandboxUnavailable

_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


class ProcessChannel:
    """A command that runs a supervisor. It ends by itself when its input closes, as when we are killed.

    Args:
        pass_fds: descriptors that the command may write to.
        ended: told of the end, once there is nothing left of it.
        inner_pid: told, once the command runs, which process the supervisor is, where that is another one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        pass_fds: Sequence[int] = (),
        inner_pid: Callable[[], int] | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._tell_ended = ended
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=_ENVIRONMENT,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except OSError as error:
            ended()
            raise SandboxUnavailable(f"cannot start {command[0]}: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin, self._stdout, self._stderr = (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        )
        os.set_blocking(self._stderr.fileno(), False)
        self._pidfds = [os.pidfd_open(self._process.pid)]
        if inner_pid is not None:
            self._find_inner(inner_pid)

    def _find_inner(self, inner_pid: Callable[[], int]) -> None:
        try:
            self._pidfds.append(os.pidfd_open(inner_pid()))
        except (ValueError, OSError) as error:
            said = self.last_words()
            self.kill()
            raise SandboxUnavailable(f"the supervisor did not start{said}") from error

    def fileno(self) -> int:
        """Readable when the supervisor has written something, or is gone."""
        return self._stdout.fileno()

    def read(self) -> bytes:
        """Return its output; empty when it is gone."""
        return os.read(self._stdout.fileno(), 1 << 20)

    def write(self, data: bytes) -> None:
        """Hand it `data`. Raises SandboxLost when it is gone."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._stdin.fileno(), view) :]
        except (BrokenPipeError, ValueError) as error:
            raise SandboxLost(f"the supervisor has ended{self.last_words()}") from error

    def last_words(self) -> str:
        """Its standard error, ready to be put behind a sentence."""
        if not select.select([self._stderr], [], [], 0.2)[0]:
            return ""
        said = (self._stderr.read(1 << 16) or b"").decode(errors="replace").strip()
        return f": {said[-500:]}" if said else ""

    def interrupt(self) -> None:
        """Kill it, and the process inside."""
        for pidfd in self._pidfds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def kill(self) -> None:
        """End it, and wait for its end."""
        self.interrupt()
        for pidfd in self._pidfds:
            os.close(pidfd)
        self._pidfds.clear()
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            pipe.close()
        self._tell_ended()
