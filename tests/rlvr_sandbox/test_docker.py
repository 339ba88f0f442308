"""Containers: what they are denied, how they end, and what an engine's failures are called.

The supervisor is a stand-in here that runs what the test tells it to: a sandbox must hold even then.
"""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from rlvr_sandbox.backends.attached import AttachedContainer
from rlvr_sandbox.backends.docker import DockerBackend
from rlvr_sandbox.engines.build import image_tag
from rlvr_sandbox.engines.engine import Engine
from rlvr_sandbox.engines.owners import Owner
from rlvr_sandbox.errors import (
    DaemonUnreachable,
    ImageMismatch,
    ImageMissing,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
)
from rlvr_sandbox.programs import MIB

from tests.rlvr_sandbox.engines import (
    Dockerd,
    ask,
    copy_image,
    needs_docker,
    needs_own_engine,
    sandboxes,
    shared_daemon,
    small_engine,
    stand_in,
    tell,
    wait_until_no_sandboxes,
)

pytestmark = needs_docker


@pytest.fixture(scope="module")
def image() -> str:
    with contextlib.closing(Engine()) as engine:
        return stand_in(engine)


@pytest.fixture(scope="module")
def backend(image: str) -> Iterator[DockerBackend]:
    with contextlib.closing(DockerBackend(image=image)) as backend:
        yield backend


@pytest.fixture(scope="module")
def container(backend: DockerBackend) -> Iterator[AttachedContainer]:
    container = backend.start()
    yield container
    container.kill()


@pytest.fixture
def engine() -> Iterator[Engine]:
    with contextlib.closing(Engine()) as engine:
        yield engine


@contextlib.contextmanager
def killed_in_the_end(container: AttachedContainer) -> Iterator[AttachedContainer]:
    try:
        yield container
    finally:
        container.kill()


# -- what a container is denied ------------------------------------------------------------------------------


def test_nothing_gains_a_privilege(container: AttachedContainer):
    status = dict(
        line.split(":\t", 1) for line in str(ask(container, "open('/proc/self/status').read()")).splitlines()
    )
    kill, setgid, setuid = 1 << 5, 1 << 6, 1 << 7
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == kill | setgid | setuid
    assert int(status["CapAmb"], 16) == 0
    assert status.get("NoNewPrivs", "1") == "1"


def test_there_is_no_network_but_the_loopback(container: AttachedContainer):
    assert ask(container, "os.listdir('/sys/class/net')") == ["lo"]


def test_nothing_can_be_written_but_scratch_folders_that_run_no_native_code(container: AttachedContainer):
    lines = str(ask(container, "open('/proc/mounts').read()")).splitlines()
    mounts = {line.split()[1]: set(line.split()[3].split(",")) for line in lines}
    assert "ro" in mounts["/"]
    for scratch in ("/work", "/tmp"):
        assert {"rw", "nosuid", "nodev", "noexec"} <= mounts[scratch]
    assert ask(
        container, "[os.statvfs(path).f_blocks * 4096 >> 20 for path in ('/work', '/tmp', '/dev/shm')]"
    ) == [
        64,
        64,
        16,
    ]


def test_nothing_of_system_v_outlives_a_program(container: AttachedContainer):
    tell(container, "import ctypes; libc = ctypes.CDLL(None)")
    for create in ("shmget(1, 4096, 0o1600)", "semget(1, 1, 0o1600)", "msgget(1, 0o1600)"):
        assert ask(container, f"libc.{create}") == -1, create


def test_deep_stacks_are_allowed_and_core_dumps_are_not(container: AttachedContainer):
    limits = ask(container, "[__import__('resource').getrlimit(limit) for limit in (3, 4)]")
    unlimited = -1
    assert limits == [[1 << 30, unlimited], [0, 0]]


def test_the_supervisor_sees_only_three_variables(container: AttachedContainer, engine: Engine):
    entrypoint = engine.api.inspect_image(image_tag())["Config"]["Entrypoint"]
    assert entrypoint[:2] == ["/usr/bin/env", "-i"]
    assert sorted(word.partition("=")[0] for word in entrypoint[2:]) == ["LANG", "PATH", "PYTHONHASHSEED"]


def test_the_engine_holds_it_to_its_share_of_the_machine(container: AttachedContainer, engine: Engine):
    host = engine.api.inspect_container(container.id)["HostConfig"]
    assert (host["PidsLimit"], host["NanoCpus"]) == (256, 1_000_000_000)
    assert host["Memory"] == host["MemorySwap"] == (512 + 256) * MIB
    assert (host["NetworkMode"], host["LogConfig"]["Type"]) == ("none", "none")


def test_a_process_that_takes_too_much_memory_is_killed_and_the_supervisor_lives(backend: DockerBackend):
    with killed_in_the_end(backend.start()) as container:
        tell(
            container,
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    open('/proc/self/oom_score_adj', 'w').write('1000')\n"
            "    held = bytearray(2 << 30)\n"
            "    os._exit(0)\n",
        )
        assert ask(container, "os.waitpid(pid, 0)[1]") == signal.SIGKILL


# -- the channel ---------------------------------------------------------------------------------------------


def test_many_megabytes_come_back_as_they_went(backend: DockerBackend):
    data = os.urandom(20 * MIB)
    with killed_in_the_end(backend.start()) as container:
        tell(
            container,
            f"left = {len(data)}\n"
            "while left:\n"
            "    some = sys.stdin.buffer.read1(min(left, 65536))\n"
            "    left -= len(some)\n"
            "    sys.stdout.buffer.write(some)\n"
            "sys.stdout.flush()",
        )
        writer = threading.Thread(target=container.write, args=(data,))
        writer.start()
        back = bytearray()
        while len(back) < len(data):
            more = container.read()
            assert more
            back += more
        writer.join()
    assert back == data


def test_a_supervisor_that_ends_is_reported_with_its_last_words(backend: DockerBackend):
    container = backend.start()
    tell(container, "sys.exit('out of ideas')")
    assert container.read() == b""
    with pytest.raises(SandboxLost, match=r"out of ideas"):
        container.write(b"more")
    container.kill()


# -- how it ends ---------------------------------------------------------------------------------------------


def test_killing_leaves_no_container_and_may_be_repeated(backend: DockerBackend, engine: Engine):
    container = backend.start()
    assert container.id in sandboxes(engine)
    container.kill()
    assert container.id not in sandboxes(engine)
    container.kill()


def test_a_container_killed_by_someone_else_reads_as_ended(backend: DockerBackend, engine: Engine):
    container = backend.start()
    engine.api.kill(container.id)
    assert container.read() == b""
    container.kill()


CLIENT = """
import sys, time
from rlvr_sandbox.backends.docker import DockerBackend
backend = DockerBackend(sys.argv[1], image=sys.argv[2])
containers = [backend.start() for _ in range(2)]
print(*[container.id for container in containers], flush=True)
time.sleep(60)
"""


def client(host: str, image: str) -> tuple["subprocess.Popen[str]", set[str]]:
    process = subprocess.Popen([sys.executable, "-c", CLIENT, host, image], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        return process, set(process.stdout.readline().split())


def test_containers_end_when_their_client_is_killed(image: str, engine: Engine):
    process, ids = client(engine.host, image)
    assert len(ids) == 2
    assert ids <= set(sandboxes(engine))
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while ids & set(sandboxes(engine)):
        assert time.monotonic() < deadline, "containers outlive their client"
        time.sleep(0.1)


def test_the_next_client_removes_what_a_killed_one_created_and_never_started(
    image: str, backend: DockerBackend, engine: Engine
):
    code = (
        "import json; from rlvr_sandbox.engines.owners import Owner; "
        "print(json.dumps(Owner.this_process().labels()))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    left = engine.api.create_container(image, labels=json.loads(said))["Id"]
    living = engine.api.create_container(image, labels=Owner.this_process().labels())["Id"]
    DockerBackend(image=image).close()
    found = sandboxes(engine)
    engine.api.remove_container(living)
    assert left not in found
    assert living in found


def test_a_container_whose_creation_was_never_confirmed_is_removed(
    backend: DockerBackend, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    before = set(sandboxes(engine))
    api = backend._engine.api
    create = api.create_container

    def broken_off(*args, **options):
        create(*args, **options)
        raise requests.exceptions.ConnectionError("the engine was killed")

    monkeypatch.setattr(api, "create_container", broken_off)
    with pytest.raises(DaemonUnreachable):
        backend.start()
    assert set(sandboxes(engine)) <= before  # others may have ended meanwhile


# -- what an engine's failures are called --------------------------------------------------------------------


def test_no_engine_is_daemon_unreachable(tmp_path: Path):
    with pytest.raises(DaemonUnreachable, match=r"no Docker engine answers at unix:.*is dockerd running"):
        DockerBackend(f"unix://{tmp_path}/docker.sock")
    with pytest.raises(DaemonUnreachable, match=r"no Docker engine answers at tcp://127.0.0.1:9"):
        DockerBackend("tcp://127.0.0.1:9")


def test_an_address_elsewhere_without_certificates_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("DOCKER_CERT_PATH", raising=False)
    with pytest.raises(DaemonUnreachable, match=r"only with TLS.*no ca.pem and no cert.pem and no key.pem"):
        DockerBackend("tcp://198.51.100.7:2376", certificates=tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_an_engine_that_lets_us_not_in_says_so(engine: Engine):
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            DockerBackend()
        except DaemonUnreachable as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        assert "does not let user 65534 in: permission denied" in said.read()


def test_an_image_that_was_never_built_is_image_missing():
    with pytest.raises(ImageMissing, match=r"no image not-there:1; build it with `rlvr sandbox build"):
        DockerBackend(image="not-there:1")


def test_an_image_of_another_supervisor_is_image_mismatch(engine: Engine):
    recipe = f"FROM {image_tag()}\nLABEL rlvr_sandbox.supervisor=0123456789abcdef\n"
    for _ in engine.api.build(fileobj=io.BytesIO(recipe.encode()), tag="rlvr-other:1", rm=True):
        pass
    with pytest.raises(ImageMismatch, match=r"rlvr-other:1 .* holds supervisor 0123456789abcdef, not"):
        DockerBackend(image="rlvr-other:1")
    engine.api.remove_image("rlvr-other:1")


def test_an_unknown_runtime_is_refused_with_those_that_there_are(image: str):
    with pytest.raises(SandboxUnavailable, match=r"no runtime 'qemu'; it has .*runc"):
        DockerBackend(image=image, runtime="qemu")


# -- an engine that goes away --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def daemon() -> Dockerd:
    return shared_daemon()


@needs_own_engine
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_killed_and_started_again_is_found_again_and_keeps_nothing(
    daemon: Dockerd, how: signal.Signals
):
    with contextlib.closing(Engine(daemon.host)) as engine:
        image = stand_in(engine)
        with contextlib.closing(DockerBackend(daemon.host, image=image)) as backend:
            lost = backend.start()
            assert ask(lost, "6 * 7") == 42
            daemon.kill(how)
            assert lost.read() == b""
            lost.kill()
            with pytest.raises(DaemonUnreachable):
                backend.wait_until_available(0.3)
            again = threading.Timer(0.5, daemon.start)
            again.start()
            backend.wait_until_available(30)
            fresh = backend.start()
            assert ask(fresh, "6 * 7") == 42
            again.join()
            fresh.kill()
            wait_until_no_sandboxes(engine, 20)


@needs_own_engine
def test_the_next_client_removes_containers_of_one_killed_while_its_engine_was_away(daemon: Dockerd):
    with contextlib.closing(Engine(daemon.host)) as engine:
        image = stand_in(engine)
        process, _ = client(daemon.host, image)
        daemon.kill()
        process.kill()
        process.wait()
        daemon.start()  # which mostly removes them itself, and not always
        DockerBackend(daemon.host, image=image).close()
        wait_until_no_sandboxes(engine, 60)


@needs_own_engine
def test_a_full_disk_is_named():
    with small_engine(900) as daemon:
        copy_image(daemon.host)
        with contextlib.closing(Engine(daemon.host)) as engine:
            image = stand_in(engine)
            with contextlib.closing(DockerBackend(daemon.host, image=image)) as backend:
                data = daemon.folder / "data"
                with (data / "filler").open("wb") as filler, contextlib.suppress(OSError):
                    while True:
                        filler.write(bytes(MIB))
                        filler.flush()
                with pytest.raises(SandboxUnavailable, match=r"no room left on its disk"):
                    backend.start()
                (data / "filler").unlink()
                backend.start().kill()


def test_every_error_of_the_backend_is_one_of_the_sandbox():
    for error in (DaemonUnreachable, ImageMissing, ImageMismatch, SandboxLost):
        assert issubclass(error, SandboxError)
