"""Several hosts as one sandbox: a sick one gets nothing to do, and is taken back when it is well."""

import contextlib
import logging
import os
import time

import pytest
from rlvr_sandbox import Program, ProgramOutcome, Sandbox, StdioTest, StdioTests, Trust
from rlvr_sandbox.backends import hosts as hosts_module
from rlvr_sandbox.backends.hosts import Host, docker_hosts
from rlvr_sandbox.engines.engine import Engine
from rlvr_sandbox.errors import SandboxLost, SandboxUnavailable

from tests.rlvr_sandbox.engines import Dockerd, needs_own_engine, sandboxes, shared_daemon

DOUBLE = Program(
    source="print(2 * int(input()))", tests=StdioTests(tests=(StdioTest(input="21", expected="42"),))
)


class Echo:
    """A supervisor that answers what it is told, until the backend's switch is off."""

    def __init__(self, backend: "Switched") -> None:
        self._backend = backend
        self._reader, self._writer = os.pipe()
        self.killed = False

    def fileno(self) -> int:
        return self._reader

    def read(self) -> bytes:
        return os.read(self._reader, 100) if self._backend.keeps else b""

    def write(self, data: bytes) -> None:
        if not self._backend.keeps:
            raise SandboxLost("gone")
        os.write(self._writer, data)

    def interrupt(self) -> None:
        raise AssertionError("nobody waits here")

    def kill(self) -> None:
        if not self.killed:
            os.close(self._reader)
            os.close(self._writer)
        self.killed = True


class Switched:
    """A backend that can be told to fail."""

    name = "switched"
    trust = Trust.NAMESPACE

    def __init__(self) -> None:
        self.connects = self.starts = self.keeps = True
        self.asked = 0

    def connect(self) -> "Switched":
        self.asked += 1
        if not self.connects:
            raise SandboxUnavailable("cannot be connected to")
        return self

    def start(self) -> Echo:
        self.asked += 1
        if not self.starts:
            raise SandboxUnavailable("starts nothing")
        return Echo(self)

    def wait_until_available(self, timeout_seconds: float) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts_module, "FIRST_PAUSE_SECONDS", 0.2)


def fails(host: Host) -> str:
    with pytest.raises(SandboxUnavailable) as failed:
        host.start()
    return str(failed.value)


def test_a_host_that_fails_three_times_is_not_asked_again_for_a_while(short_pauses: None, caplog):
    backend = Switched()
    backend.starts = False
    host = Host("a", backend.connect)
    for _ in range(3):
        assert fails(host) == "starts nothing"
    asked = backend.asked
    assert "a is left alone for 0 s more: starts nothing" in fails(host)
    assert backend.asked == asked
    assert [record.message for record in caplog.records] == ["a gets no programs for 0 s: starts nothing"]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_host_is_taken_back_and_one_more_failure_puts_it_out_for_twice_as_long(short_pauses: None):
    backend = Switched()
    backend.starts = False
    host = Host("a", backend.connect)
    for _ in range(3):
        fails(host)
    assert 0.1 < host.out_seconds <= 0.2
    time.sleep(host.out_seconds)
    assert fails(host) == "starts nothing"
    assert 0.3 < host.out_seconds <= 0.4
    backend.starts = True
    time.sleep(host.out_seconds)
    channel = host.start()
    channel.write(b"x")
    assert channel.read() == b"x"
    channel.kill()
    backend.starts = False
    fails(host)
    fails(host)
    assert host.out_seconds == 0


def test_a_host_whose_supervisors_start_and_then_end_is_put_out_too(short_pauses: None):
    backend = Switched()
    host = Host("a", backend.connect)
    for _ in range(3):
        assert host.out_seconds == 0
        channel = host.start()
        backend.keeps = False
        assert channel.read() == b""
        assert channel.read() == b""
        channel.kill()
        backend.keeps = True
    assert host.out_seconds > 0
    with pytest.raises(SandboxUnavailable, match="a supervisor ended by itself"):
        host.wait_until_available(0.0)
    assert host.wait_until_available(1.0)


def test_supervisors_that_we_kill_are_no_failures_of_their_host():
    host = Host("a", Switched().connect)
    for _ in range(5):
        host.start().kill()
    assert host.out_seconds == 0


def test_a_host_is_what_its_backend_is():
    host = Host("a", Switched().connect)
    assert (host.name, host.trust) == ("docker", Trust.CONTAINER)
    assert host.try_to_connect() is None
    assert (host.name, host.trust) == ("switched", Trust.NAMESPACE)


def test_no_host_at_all_is_refused_with_the_reason_for_each(tmp_path):
    with pytest.raises(
        SandboxUnavailable, match=r"(?s)no Docker host.*at unix://.*/one.sock.*'two' is no address"
    ):
        docker_hosts([f"unix://{tmp_path}/one.sock", "two"])


# -- two engines ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def second() -> Dockerd:
    return shared_daemon()


@needs_own_engine
def test_a_batch_is_shared_by_two_engines_and_outlives_one_of_them(second: Dockerd):
    with contextlib.closing(Engine()) as first:
        before = sandboxes(first, ours=True)
        addresses = [first.host, second.host]
        with Sandbox.open_sync(docker_hosts(addresses), slots=1) as box:
            futures = [box.submit(DOUBLE) for _ in range(60)]
            while sum(future.done() for future in futures) < 15:
                time.sleep(0.01)
            second.kill()
            results = [future.result(timeout=120) for future in futures]
            assert {result.outcome for result in results} == {ProgramOutcome.PASSED}
            second.start()
            with contextlib.closing(Engine(second.host)) as engine:
                deadline = time.monotonic() + 150  # pauses double while it is away
                while not sandboxes(engine):
                    assert time.monotonic() < deadline, "the second engine was not taken back"
                    time.sleep(0.1)
        assert set(sandboxes(first, ours=True)) <= set(before)


@needs_own_engine
def test_a_host_that_is_down_at_first_is_left_out_and_the_others_do_the_work(second: Dockerd, tmp_path):
    with Sandbox.open_sync(f"unix://{tmp_path}/down.sock, {second.host}", slots=1) as box:
        assert box.run(DOUBLE).outcome is ProgramOutcome.PASSED
