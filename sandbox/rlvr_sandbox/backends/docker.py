"""The sandbox in a Docker container: behind gVisor's kernel where the engine has `runsc`, else namespaces and seccomp.

A container outlives its client in no way: its input closes with our connection, which ends the supervisor,
which is process 1; an engine removes ended containers by itself. What can be left all the same (a container
that was created but not yet started, one whose engine was down) carries labels that say whose it was, and
the next client removes it.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from datetime import datetime
from pathlib import Path

import docker.errors

from rlvr_sandbox.backends.attached import AttachedContainer, attach
from rlvr_sandbox.engines.build import LABEL, REPOSITORY, image_tag
from rlvr_sandbox.engines.engine import Engine
from rlvr_sandbox.engines.owners import OWNED, Owner, abandoned
from rlvr_sandbox.errors import ImageMismatch, ImageMissing, SandboxError, SandboxUnavailable
from rlvr_sandbox.image.layout import WORK
from rlvr_sandbox.image.version import supervisor_version
from rlvr_sandbox.programs import MIB
from rlvr_sandbox.results import Trust

logger = logging.getLogger(__name__)

GVISOR = "runsc"
SUPERVISOR_BYTES = 256 * MIB
"""Room for the supervisor's own processes and files beside the program's memory."""

PIDS = 256
"""Processes and threads of the container: those of a program, its tests and the supervisor."""

SCRATCH = f"rw,nosuid,nodev,noexec,mode=1777,size={64 * MIB},nr_inodes=16384"
"""Python files need no permission to execute; native code that a program unpacks gets none."""

NO_SYSV_IPC = {"kernel.shmmni": "0", "kernel.msgmni": "0", "kernel.sem": "0 0 0 0"}
"""Segments, queues and semaphores would outlive the program that made them, for the next one to find."""


class DockerBackend:
    """Sandboxes on one Docker engine. Its errors are those of `rlvr_sandbox.errors`.

    Args:
        host: as for `Engine`.
        certificates: as for `Engine`.
        runtime: the engine's runtime to use; without: `runsc` where the engine has it and it works, else its
            default.
        image: without: that of this package's supervisor, made by `rlvr sandbox build`.
        memory_bytes: what a program and its files may take, of all its processes together.
    """

    def __init__(
        self,
        host: str | None = None,
        *,
        certificates: Path | None = None,
        runtime: str | None = None,
        image: str | None = None,
        memory_bytes: int = 512 * MIB,
    ) -> None:
        self._engine = Engine(host, certificates=certificates)
        try:
            self._runtime = _runtime(self._engine, runtime)
            self._image = image or image_tag()
            _check_image(self._engine, self._image)
            self._owner = Owner.this_process()
            self._memory_bytes = memory_bytes
            self._left: set[str] = set()
            self._lock = threading.Lock()
            self._reap()
            if runtime is None and self._runtime == GVISOR:
                self._fall_back_unless_it_starts()
        except BaseException:
            self._engine.close()
            raise
        gvisor = self._runtime == GVISOR
        self.trust = Trust.MICROVM if gvisor else Trust.CONTAINER
        self.name = "docker-gvisor" if gvisor else "docker"

    @property
    def host(self) -> str:
        """The engine's address."""
        return self._engine.host

    def start(self) -> AttachedContainer:
        """A fresh supervisor in a container of its own.

        Raises DaemonUnreachable, ImageMissing, ImageMismatch, or SandboxUnavailable with the engine's words.
        """
        self._remove_left()
        name = f"rlvr-sandbox-{uuid.uuid4().hex}"
        try:
            id = self._create(name)
            with self._engine.asked():
                channel = attach(self._engine, id, self._remove)
                try:
                    self._engine.api.start(id)
                except BaseException:
                    channel.kill()
                    raise
        except BaseException:
            self._remove(name)  # an engine that broke off its answer may have created it
            raise
        return channel

    def wait_until_available(self, timeout_seconds: float) -> bool:
        """Return as soon as the engine answers, and whether it did not at first. Raises DaemonUnreachable."""
        deadline = time.monotonic() + timeout_seconds
        pause, away = 0.05, False
        while True:
            try:
                with self._engine.asked():
                    self._engine.api.ping()
                return away
            except SandboxUnavailable:
                if time.monotonic() + pause > deadline:
                    raise
            away = True
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def close(self) -> None:
        """Let go of the engine, once what could not be removed before has been, if it can be."""
        self._remove_left()
        self._engine.close()

    def contents(self) -> str:
        """Name what programs find inside: the image, by the hash of its content."""
        with self._engine.asked():
            return f"image {self._engine.api.inspect_image(self._image)['Id']}"

    def _fall_back_unless_it_starts(self) -> None:
        try:
            self.start().kill()
        except SandboxUnavailable as error:
            logger.warning("gVisor is configured but does not work, so programs run without it: %s", error)
            self._runtime = None

    def _create(self, name: str) -> str:
        api = self._engine.api
        host_config = api.create_host_config(
            auto_remove=True,
            runtime=self._runtime,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=["SETUID", "SETGID", "KILL"],
            security_opt=["no-new-privileges"],
            pids_limit=PIDS,
            mem_limit=self._memory_bytes + SUPERVISOR_BYTES,
            memswap_limit=self._memory_bytes + SUPERVISOR_BYTES,
            nano_cpus=1_000_000_000,
            tmpfs={WORK: SCRATCH, "/tmp": SCRATCH},
            shm_size=16 * MIB,
            ipc_mode="private",
            sysctls=None if self._runtime == GVISOR else NO_SYSV_IPC,
            ulimits=[_ulimit("stack", 1024 * MIB, hard=-1), _ulimit("core", 0), _ulimit("msgqueue", 0)],
            log_config={"type": "none"},
        )
        with self._engine.asked():
            try:
                container = api.create_container(
                    self._image,
                    name=name,
                    hostname="sandbox",
                    stdin_open=True,
                    stop_signal="SIGKILL",
                    host_config=host_config,
                    labels=self._owner.labels(),
                )
            except docker.errors.ImageNotFound:
                _check_image(self._engine, self._image)
                raise
        return container["Id"]

    def _remove(self, container: str) -> None:
        """Kill and remove the container of that id or name, if there is one; if the engine is away, once it is back."""
        try:
            with self._engine.asked():
                _remove(self._engine, container)
        except SandboxError:
            with self._lock:
                self._left.add(container)

    def _remove_left(self) -> None:
        with self._lock:
            left, self._left = self._left, set()
        for container in left:
            self._remove(container)

    def _reap(self) -> None:
        """Remove what clients that are gone left behind."""
        with self._engine.asked():
            now = datetime.fromisoformat(self._engine.api.info()["SystemTime"]).timestamp()
            for container in self._engine.api.containers(all=True, filters={"label": OWNED}):
                if abandoned(container, now):
                    _remove(self._engine, container["Id"])


def _ulimit(name: str, value: int, hard: int | None = None) -> dict[str, object]:
    return {"name": name, "soft": value, "hard": value if hard is None else hard}


def _runtime(engine: Engine, asked: str | None) -> str | None:
    """The runtime to ask for; None for the engine's default."""
    with engine.asked():
        has = engine.api.info().get("Runtimes", {})
    if asked is None:
        return GVISOR if GVISOR in has else None
    if asked not in has:
        raise SandboxUnavailable(
            f"the Docker engine at {engine.host} has no runtime '{asked}'; it has {', '.join(sorted(has))}"
        )
    return asked


def _check_image(engine: Engine, image: str) -> None:
    """Raise unless the engine has `image`, and it holds this package's supervisor."""
    ours = supervisor_version()
    build = f"build it with `rlvr sandbox build --host {engine.host}`"
    with engine.asked():
        try:
            labels = engine.api.inspect_image(image)["Config"].get("Labels") or {}
        except docker.errors.ImageNotFound:
            others = [tag for found in engine.api.images(REPOSITORY) for tag in found["RepoTags"] or ()]
            if not others or image != image_tag():
                raise ImageMissing(
                    f"the Docker engine at {engine.host} has no image {image}; {build}"
                ) from None
            raise ImageMismatch(
                f"the Docker engine at {engine.host} has {len(others)} images of other versions of this package "
                f"(`docker images {REPOSITORY}` lists them), but not {image}; {build}"
            ) from None
    if labels.get(LABEL) != ours:
        holds = f"supervisor {labels[LABEL]}" if LABEL in labels else "no supervisor"
        raise ImageMismatch(f"{image} at {engine.host} holds {holds}, not {ours}; {build}")


def _remove(engine: Engine, id: str) -> None:
    """Kill and remove a container that may be going, or gone, by itself."""
    try:
        engine.api.remove_container(id, force=True, v=True)
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise
