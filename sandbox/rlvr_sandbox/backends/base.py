"""The seam between the sandbox and what isolates it."""

from __future__ import annotations

from typing import Protocol

from rlvr_sandbox.results import Trust


class Channel(Protocol):
    """A running supervisor (`image/mux.py`) and the two byte streams to it.

    The supervisor, and everything it started, must end when its input stream closes, however that comes:
    it is what remains of us when this process is killed.
    """

    def fileno(self) -> int:
        """A file descriptor that polls readable when the supervisor has written something, or is gone."""
        ...

    def read(self) -> bytes:
        """Return the supervisor's output, at least one byte; waits for it. Empty when the supervisor is gone."""
        ...

    def write(self, data: bytes) -> None:
        """Hand `data` to the supervisor, all of it. Raises SandboxLost when it is gone."""
        ...

    def interrupt(self) -> None:
        """Have the supervisor end, so that a `read` that waits, in whatever thread, returns empty."""
        ...

    def kill(self) -> None:
        """End the supervisor and everything in its sandbox, and leave nothing behind. May be called twice.

        Not while another thread reads or writes: that one is to be interrupted.
        """
        ...


class Backend(Protocol):
    """Starts supervisors. Used from several threads at once."""

    name: str
    """The name that `Result.backend` says."""
    trust: Trust

    def start(self) -> Channel:
        """A fresh supervisor in a sandbox of its own.

        Raises SandboxUnavailable, or one of its kinds that says why, where none can be started now.
        """
        ...

    def wait_until_available(self, timeout_seconds: float) -> bool:
        """Return as soon as `start` can be expected to work (at once, for most), else raise SandboxUnavailable.

        Asked after a supervisor was lost. Returns whether the backend had been away, as when a Docker daemon
        is started again: then the program in that supervisor is not to blame for its end.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Channels are killed by whoever started them."""
        ...
