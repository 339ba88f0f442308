"""Engines elsewhere: through a real SSH server, and over TCP with certificates for both sides."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rlvr_sandbox import Program, ProgramOutcome, Sandbox, StdioTest, StdioTests
from rlvr_sandbox.backends.docker import DockerBackend
from rlvr_sandbox.engines.engine import Engine
from rlvr_sandbox.engines.ssh import Tunnel
from rlvr_sandbox.errors import DaemonUnreachable

from tests.rlvr_sandbox.engines import Dockerd, needs_docker, needs_own_engine, sandboxes, shared_daemon

DOUBLE = Program(
    source="print(2 * int(input()))", tests=StdioTests(tests=(StdioTest(input="21", expected="42"),))
)
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"

needs_sshd = pytest.mark.skipif(
    os.getuid() != 0 or not Path(SSHD).exists() or shutil.which("ssh") is None,
    reason="a tunnel takes ssh, and an SSH server of the tests' own takes root and openssh-server",
)
pytestmark = needs_docker


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def ssh_server() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """An address of this machine as if it were another, for whoever has the key in the `ssh` of PATH."""
    with tempfile.TemporaryDirectory(prefix="rlvr-sshd-") as name:
        folder, port = Path(name), free_port()
        for key in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True
            )
        (folder / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {folder}/user.pub\nPermitRootLogin yes\nUsePAM no\n"
        )
        client = folder / "bin/ssh"
        client.parent.mkdir()
        client.write_text(
            f"#!/bin/sh\nexec {shutil.which('ssh')} -F none -i {folder}/user -o UserKnownHostsFile={folder}/known "
            '-o StrictHostKeyChecking=accept-new "$@"\n'
        )
        client.chmod(0o755)
        Path("/run/sshd").mkdir(exist_ok=True)
        server = subprocess.Popen([SSHD, "-D", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not listens(port):
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
            try:
                yield f"ssh://root@127.0.0.1:{port}", server
            finally:
                server.kill()
                server.wait()


@needs_sshd
def test_programs_run_on_an_engine_behind_ssh(ssh_server: tuple[str, object]):
    host, _ = ssh_server
    with contextlib.closing(Engine()) as engine:
        before = sandboxes(engine, ours=True)
    with Sandbox.open_sync(DockerBackend(host), slots=2) as box:
        assert [result.outcome for _, result in box.run_many([DOUBLE] * 20)] == [ProgramOutcome.PASSED] * 20
    with contextlib.closing(Engine()) as engine:
        assert set(sandboxes(engine, ours=True)) <= set(before)


@needs_sshd
def test_a_tunnel_that_was_cut_is_opened_again(ssh_server: tuple[str, object]):
    host, _ = ssh_server
    with contextlib.closing(DockerBackend(host)) as backend:
        lost = backend.start()
        assert lost.read()
        tunnel = backend._engine._tunnel
        assert tunnel is not None
        assert tunnel._process is not None
        subprocess.run(["pkill", "-KILL", "-P", str(tunnel._process.pid)], check=True)
        while lost.read():
            pass
        lost.kill()
        backend.wait_until_available(20)
        again = backend.start()
        assert again.read()
        again.kill()
    assert not tunnel.socket.parent.exists()


@needs_sshd
def test_a_killed_client_leaves_no_tunnel_behind(ssh_server: tuple[str, object]):
    host, _ = ssh_server
    code = (
        "import sys, time; from rlvr_sandbox.backends.docker import DockerBackend\n"
        "backend = DockerBackend(sys.argv[1]); channel = backend.start(); channel.read()\n"
        "print(backend._engine._tunnel._process.pid, backend._engine._tunnel.socket.parent, flush=True)\n"
        "time.sleep(60)\n"
    )
    client = subprocess.Popen([sys.executable, "-c", code, host], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    with client.stdout:
        pid, folder = client.stdout.readline().split()
    client.kill()
    client.wait()
    deadline = time.monotonic() + 30
    while Path(folder).exists() or Path("/proc", pid).exists():
        assert time.monotonic() < deadline, "the tunnel outlives its client"
        time.sleep(0.1)


@needs_sshd
def test_a_host_that_ssh_does_not_reach_is_named_with_ssh_s_words(ssh_server: tuple[str, object]):
    with pytest.raises(DaemonUnreachable, match=r"ssh://root@127\.0\.0\.1:1: .*Connection refused"):
        DockerBackend("ssh://root@127.0.0.1:1")


def test_an_address_without_a_host_is_refused():
    with pytest.raises(DaemonUnreachable, match="names no host"):
        Tunnel("ssh://")


# -- TLS -----------------------------------------------------------------------------------------------------


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    """A certificate authority, and what it says of a server and of a client."""
    with tempfile.TemporaryDirectory(prefix="rlvr-tls-") as name:
        folder = Path(name)
        new = ["req", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
        openssl(folder, *new, "/CN=authority", "-x509", "-keyout", "ca-key.pem", "-out", "ca.pem")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        for who in ("server", "client"):
            openssl(folder, *new, f"/CN={who}", "-keyout", f"{who}-key.pem", "-out", f"{who}.csr")
            sign = [
                "x509",
                "-req",
                "-in",
                f"{who}.csr",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca-key.pem",
                "-days",
                "2",
            ]
            openssl(folder, *sign, "-CAcreateserial", "-extfile", "names", "-out", f"{who}.pem")
        shutil.copy(folder / "client.pem", folder / "cert.pem")
        shutil.copy(folder / "client-key.pem", folder / "key.pem")
        yield folder


@pytest.fixture(scope="module")
def behind_tls(certificates: Path) -> Iterator[tuple[Dockerd, str]]:
    """The tests' own engine, listening with TLS too."""
    daemon, port = shared_daemon(), free_port()
    daemon.kill()
    tls = [f"--tls{key}={certificates / file}" for key, file in TLS_FILES.items()]
    daemon.start(f"--host=tcp://127.0.0.1:{port}", "--tlsverify", *tls)
    yield daemon, f"tcp://127.0.0.1:{port}"
    daemon.kill()
    daemon.start()


TLS_FILES = {"cacert": "ca.pem", "cert": "server.pem", "key": "server-key.pem"}


@needs_own_engine
def test_programs_run_on_an_engine_behind_tls(behind_tls: tuple[Dockerd, str], certificates: Path):
    daemon, address = behind_tls
    long = Program(
        source="print('x' * 3_000_000)",
        tests=StdioTests(tests=(StdioTest(input="y" * 3_000_000, expected="x" * 3_000_000),)),
    )
    with Sandbox.open_sync(DockerBackend(address, certificates=certificates), slots=2) as box:
        outcomes = [result.outcome for _, result in box.run_many([DOUBLE, long] * 10)]
        assert outcomes == [ProgramOutcome.PASSED] * 20
    with contextlib.closing(Engine(daemon.host)) as engine:
        assert not sandboxes(engine)


@needs_own_engine
def test_an_engine_that_another_authority_vouches_for_is_refused(
    behind_tls: tuple[Dockerd, str], certificates: Path, tmp_path: Path
):
    _, address = behind_tls
    for name in ("cert.pem", "key.pem"):
        shutil.copy(certificates / name, tmp_path / name)
    openssl(
        tmp_path,
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-x509",
        "-subj",
        "/CN=other",
        "-keyout",
        "k",
        "-out",
        "ca.pem",
    )
    with pytest.raises(DaemonUnreachable, match="certificate verify failed"):
        DockerBackend(address, certificates=tmp_path)
