"""A Docker engine on another machine, reached through one `ssh` that forwards its socket.

One process for a host, however many containers: starting a container costs no new login. The far end needs
an SSH server and a user who may open the engine's socket; nothing of ours, and no `docker` command.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import tempfile
import threading
import weakref
from pathlib import Path
from urllib.parse import urlsplit

from rlvr_sandbox.errors import DaemonUnreachable

ENGINE_SOCKET = "/var/run/docker.sock"
CONNECT_SECONDS = 20.0

# The far end repeats nothing until our input closes, which it does however this process ends. The shell
# around ssh then takes the folder with the socket away.
_SCRIPT = 'ssh "$@"; status=$?; rm -rf "$RLVR_TUNNEL"; exit $status'
_READY = b"forwarding\n"
_FAR_END = "echo forwarding; exec cat >/dev/null"


class Tunnel:
    """The engine's socket on `ssh://[user@]host[:port][/path/of/docker.sock]`, as a socket on this machine.

    Who one is, and which hosts are known, is `ssh`'s own configuration; it is never asked for a password.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        if not parts.hostname:
            raise DaemonUnreachable(f"'{url}' names no host: ssh://[user@]host[:port]")
        target = f"{parts.username}@{parts.hostname}" if parts.username else parts.hostname
        self._destination = (["-p", str(parts.port)] if parts.port else []) + ["--", target, _FAR_END]
        self._far_socket = parts.path if parts.path.strip("/") else ENGINE_SOCKET
        self._folder = Path(tempfile.mkdtemp(prefix="rlvr-ssh-"))
        self.socket = self._folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        _tunnels.add(self)

    def open(self) -> None:
        """Connect, where there is no connection. Raises DaemonUnreachable."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._end()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._process = self._start()
            self._wait_for(self._process)

    def close(self) -> None:
        """Disconnect; what was going through the tunnel is cut."""
        with self._lock:
            self._end()
            shutil.rmtree(self._folder, ignore_errors=True)

    def let_go(self) -> None:
        """In a fork: leave the tunnel to the process that opened it, and to its end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        options = ["BatchMode=yes", "ExitOnForwardFailure=yes", "StreamLocalBindUnlink=yes", "LogLevel=ERROR"]
        options += [
            "ServerAliveInterval=10",
            "ServerAliveCountMax=3",
            f"ConnectTimeout={CONNECT_SECONDS:.0f}",
        ]
        arguments = [word for option in options for word in ("-o", option)]
        arguments += ["-T", "-L", f"{self.socket}:{self._far_socket}", *self._destination]
        return subprocess.Popen(
            ["sh", "-c", _SCRIPT, "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "RLVR_TUNNEL": str(self._folder)},
            start_new_session=True,
        )

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        said = b""
        while not said.endswith(_READY):
            readable, _, _ = select.select([process.stdout], [], [], CONNECT_SECONDS)
            more = os.read(process.stdout.fileno(), 4096) if readable else b""
            said += more
            if not more:
                self._end()
                reason = said.decode(errors="replace").strip() or f"no answer in {CONNECT_SECONDS:.0f} s"
                raise DaemonUnreachable(f"{self.url}: {reason}; `ssh` must get there without a password")

    def _end(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


_tunnels: weakref.WeakSet[Tunnel] = weakref.WeakSet()


def _let_go_in_forks() -> None:
    for tunnel in list(_tunnels):
        tunnel.let_go()


os.register_at_fork(after_in_child=_let_go_in_forks)
