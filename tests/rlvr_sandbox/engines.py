"""Docker engines to test with: the one of this machine, and ones of our own that may be broken."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rlvr_sandbox.backends.base import Channel
from rlvr_sandbox.engines.build import LABEL, image_tag
from rlvr_sandbox.engines.engine import Engine
from rlvr_sandbox.engines.owners import OWNED, Owner
from rlvr_sandbox.errors import SandboxError, SandboxUnavailable
from rlvr_sandbox.image.version import supervisor_version

STAND_IN = "rlvr-sandbox-stand-in"
_OBEY = """
import json, os, sys, time
while line := sys.stdin.buffer.readline():
    exec(json.loads(line), globals())
"""


@functools.cache
def why_not_docker() -> str | None:
    """Return why tests that need a Docker engine with the sandbox image cannot run; None when they can."""
    try:
        with contextlib.closing(Engine()) as engine, engine.asked():
            engine.api.inspect_image(image_tag())
    except SandboxError as error:
        return f"{error}; the image is built by `rlvr sandbox build`"
    return None


needs_docker = pytest.mark.skipif(why_not_docker() is not None, reason=why_not_docker() or "")
needs_own_engine = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("dockerd") is None or why_not_docker() is not None,
    reason="an engine of the tests' own takes root, dockerd, and one with the image to copy it from",
)


def stand_in(engine: Engine) -> str:
    """An image whose supervisor does what it is told: each line on its input is Python code, as a JSON string."""
    recipe = f"FROM {image_tag()}\nENTRYPOINT []\nCMD {json.dumps(['python3', '-I', '-S', '-c', _OBEY])}\n"
    tag = f"{STAND_IN}:{supervisor_version()}"
    built = engine.api.build(
        fileobj=io.BytesIO(recipe.encode()),
        tag=tag,
        labels={LABEL: supervisor_version()},
        rm=True,
        decode=True,
    )
    assert [line["error"] for line in built if "error" in line] == []
    return tag


def tell(channel: Channel, code: str) -> None:
    """Have the stand-in run `code`."""
    channel.write(json.dumps(code).encode() + b"\n")


def ask(channel: Channel, expression: str) -> object:
    """Return the stand-in's value of `expression`."""
    tell(channel, f"print(json.dumps({expression}), flush=True)")
    said = b""
    while not said.endswith(b"\n"):
        more = channel.read()
        assert more, "the stand-in ended"
        said += more
    return json.loads(said)


def sandboxes(engine: Engine, *, ours: bool = False) -> list[str]:
    """The containers of sandboxes, running or not; only those of this process when it says `ours`."""
    labels = [f"{name}={value}" for name, value in Owner.this_process().labels().items()] if ours else [OWNED]
    with engine.asked():
        return [found["Id"] for found in engine.api.containers(all=True, filters={"label": labels})]


def wait_until_no_sandboxes(engine: Engine, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while left := sandboxes(engine):
        assert time.monotonic() < deadline, f"{len(left)} containers are left after {timeout_seconds} s"
        time.sleep(0.1)


class Dockerd:
    """A Docker engine of the tests' own, with its own socket and store, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        command = ["dockerd", "--iptables=false", "--bridge=none", f"--host={self.host}"]
        command += [f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec"]
        command += [f"--pidfile={self.folder}/pid", *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                Engine(self.host).close()
                return
            except SandboxUnavailable:
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "dockerd does not answer"
                time.sleep(0.1)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it; its containers outlive a SIGKILL."""
        assert self._process is not None
        containerd = self.folder / "exec/containerd/containerd.pid"
        pid = containerd.read_text() if containerd.exists() else "none"
        self._process.send_signal(how)
        self._process.wait()
        self._process = None
        deadline = time.monotonic() + 20
        while Path("/proc", pid).exists():  # one that starts now would take it for its own
            assert time.monotonic() < deadline, "containerd does not end with its dockerd"
            time.sleep(0.05)

    def remove(self) -> None:
        """End it and all that it started, and remove its store."""
        if self._process is not None:
            self.kill()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((mount for mount in mounts if mount.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared_daemon() -> Dockerd:
    """The one engine of the tests' own in this process, with the image; whoever kills it starts it again."""
    daemon = _on_a_disk_of(4000)
    atexit.register(daemon.remove)
    daemon.start()
    copy_image(daemon.host)
    return daemon


@contextlib.contextmanager
def small_engine(megabytes: int) -> Iterator[Dockerd]:
    """An engine without images whose disk holds only so much, gone in the end."""
    daemon = _on_a_disk_of(megabytes)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.remove()


def _on_a_disk_of(megabytes: int) -> Dockerd:
    """An engine whose store is in memory, where it is gone in a moment."""
    daemon = Dockerd(Path(tempfile.mkdtemp(prefix="rlvr-dockerd-")))
    data = daemon.folder / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(data)], check=True)
    return daemon


def copy_image(host: str) -> None:
    """Copy the sandbox image from this machine's engine to another."""
    with contextlib.closing(Engine()) as ours, contextlib.closing(Engine(host)) as theirs:
        theirs.api.load_image(ours.api.get_image(image_tag()))
