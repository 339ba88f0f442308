"""Many Docker hosts as one sandbox: each is given programs only while it does well.

    async with Sandbox.open(docker_hosts(["ssh://a", "ssh://b", "tcp://c:2376"]), slots=16) as box: ...

Slots belong to hosts and pull programs when they are free, so the fastest host gets the most. A host that
fails three times in a row is out: its slots wait, their programs go to the others, and it is asked again
after a pause that doubles.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rlvr_sandbox.backends.base import Backend, Channel
from rlvr_sandbox.backends.docker import DockerBackend
from rlvr_sandbox.errors import SandboxUnavailable
from rlvr_sandbox.programs import MIB
from rlvr_sandbox.results import Trust

MOST_FAILURES = 3
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0

logger = logging.getLogger(__name__)


def docker_hosts(
    addresses: Sequence[str],
    *,
    certificates: Path | None = None,
    runtime: str | None = None,
    memory_bytes: int = 512 * MIB,
) -> tuple[Host, ...]:
    """A backend for each address, as `DockerBackend` takes them, for `Sandbox.open`.

    A host that does not answer, or has no image, is left out until it does. Raises SandboxUnavailable when
    that is true of all of them.
    """

    def host(address: str) -> Host:
        return Host(
            address,
            lambda: DockerBackend(
                address, certificates=certificates, runtime=runtime, memory_bytes=memory_bytes
            ),
        )

    hosts = tuple(host(address) for address in addresses)
    with ThreadPoolExecutor(max(1, len(hosts))) as threads:
        problems = list(threads.map(Host.try_to_connect, hosts))
    if not any(problem is None for problem in problems):
        for one in hosts:
            one.close()
        raise SandboxUnavailable("no Docker host can be used:\n  " + "\n  ".join(map(str, problems)))
    return hosts


class Host:
    """A backend that may fail and come back, connected to when it is first needed.

    Failures are: it cannot be connected to, it starts no supervisor, or a supervisor of its ended by itself.
    They are forgotten as soon as one of its supervisors answers. Its `name` and `trust` are its backend's.

    Args:
        address: what to call it.
        connect: makes the backend. Raises SandboxUnavailable.
    """

    def __init__(self, address: str, connect: Callable[[], Backend]) -> None:
        self.address = address
        self.name = "docker"
        self.trust = Trust.CONTAINER
        self._connect = connect
        self._lock = threading.Lock()
        self._backend: Backend | None = None
        self._failures = 0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._out_until = 0.0
        self._problem = ""

    @property
    def out_seconds(self) -> float:
        """For how long it is still left alone; 0.0 for a host in use."""
        return max(0.0, self._out_until - time.monotonic())

    def try_to_connect(self) -> SandboxUnavailable | None:
        """Return the reason why it cannot be used now, None when it can."""
        try:
            self._connected()
        except SandboxUnavailable as error:
            self._failed(str(error))
            return error
        return None

    def start(self) -> Channel:
        """A fresh supervisor there. Raises SandboxUnavailable, without asking the host while it is out."""
        self._raise_if_out()
        try:
            channel = self._connected().start()
        except SandboxUnavailable as error:
            self._failed(str(error))
            raise
        return _WatchedChannel(channel, self)

    def wait_until_available(self, timeout_seconds: float) -> bool:
        """Return as soon as the host is not out and answers, and whether it had not. Raises SandboxUnavailable."""
        deadline = time.monotonic() + timeout_seconds
        was_out = self.out_seconds > 0
        if was_out and self.out_seconds <= timeout_seconds:
            time.sleep(self.out_seconds)
        self._raise_if_out()
        left = max(0.0, deadline - time.monotonic())
        return self._connected().wait_until_available(left) or was_out

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._backend is not None:
                self._backend.close()
                self._backend = None

    def answered(self) -> None:
        """One of its supervisors did what it was told."""
        if self._failures:
            with self._lock:
                self._failures, self._pause_seconds = 0, FIRST_PAUSE_SECONDS

    def lost_one(self) -> None:
        """One of its supervisors ended by itself."""
        self._failed("a supervisor ended by itself")

    def _connected(self) -> Backend:
        with self._lock:
            if self._backend is None:
                self._backend = self._connect()
                self.name, self.trust = self._backend.name, self._backend.trust
            return self._backend

    def _raise_if_out(self) -> None:
        if (left := self.out_seconds) > 0:
            raise SandboxUnavailable(f"{self.address} is left alone for {left:.0f} s more: {self._problem}")

    def _failed(self, problem: str) -> None:
        with self._lock:
            self._failures += 1
            self._problem = problem
            if self._failures < MOST_FAILURES or self.out_seconds > 0:
                return
            pause = self._pause_seconds
            self._out_until = time.monotonic() + pause
            self._pause_seconds = min(2 * pause, LONGEST_PAUSE_SECONDS)
        logger.warning("%s gets no programs for %.0f s: %s", self.address, pause, problem)


class _WatchedChannel:
    """A channel that tells its host how it fares."""

    def __init__(self, channel: Channel, host: Host) -> None:
        self._channel = channel
        self._host = host
        self._told = False
        self._killed = False
        self.fileno = channel.fileno

    def read(self) -> bytes:
        data = self._channel.read()
        if not data and not self._killed:
            self._killed = True
            self._host.lost_one()
        elif self._told:
            self._told = False
            self._host.answered()
        return data

    def write(self, data: bytes) -> None:
        self._channel.write(data)
        self._told = True

    def interrupt(self) -> None:
        self._killed = True
        self._channel.interrupt()

    def kill(self) -> None:
        self._killed = True
        self._channel.kill()
