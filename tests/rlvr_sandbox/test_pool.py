"""Programs whose sandboxes fail under them: real ones, ended from outside."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rlvr_sandbox import (
    BlockingSandbox,
    Limits,
    Program,
    ProgramOutcome,
    Sandbox,
    SandboxClosed,
    SandboxUnavailable,
    StdioTest,
    StdioTests,
)
from rlvr_sandbox.backends.bubblewrap import BubblewrapBackend
from rlvr_sandbox.backends.process import ProcessChannel

TESTS = StdioTests(tests=(StdioTest(input="21\n", expected="42\n"),))
DOUBLE = Program(source="print(2 * int(input()))", tests=TESTS)
SLOW_DOUBLE = Program(source="import time\ntime.sleep(1.0)\nprint(2 * int(input()))", tests=TESTS)


class Watched(BubblewrapBackend):
    """bubblewrap that remembers what it started, and can be told to be away, or that it has been."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: list[ProcessChannel] = []
        self.away = False
        self.had_been_away = False

    def start(self) -> ProcessChannel:
        if self.away:
            raise SandboxUnavailable("away for the moment")
        self.channels.append(super().start())
        return self.channels[-1]

    def wait_until_available(self, timeout_seconds: float) -> bool:
        if self.away:
            raise SandboxUnavailable("away for the moment")
        return self.had_been_away

    def end_running(self) -> None:
        for channel in self.channels:
            channel.interrupt()


@pytest.fixture
def backend() -> Watched:
    try:
        return Watched()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def box(backend: Watched) -> Iterator[BlockingSandbox]:
    with Sandbox.open_sync(backend, slots=1) as box:
        yield box


def test_a_program_whose_sandbox_is_ended_is_run_again(box: BlockingSandbox, backend: Watched) -> None:
    future = box.submit(SLOW_DOUBLE)
    time.sleep(0.5)
    backend.end_running()
    result = future.result(30)
    assert result.outcome is ProgramOutcome.PASSED
    assert result.retries == 1


def _wait_for_the_program() -> Path:
    """The process of the one program that runs, which alone of our processes has a uid of its own."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in _ours():
            with contextlib.suppress(OSError):
                if int((process / "status").read_text().partition("Uid:")[2].split()[0]) >= 1 << 16:
                    return process
        time.sleep(0.02)
    raise AssertionError("no program runs")


def _ours() -> list[Path]:
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [path for path in processes if _came_from(path, os.getpid())]


def test_a_program_under_which_two_sandboxes_end_has_killed_them(
    box: BlockingSandbox, backend: Watched
) -> None:
    future = box.submit(Program(source="import time\ntime.sleep(15)", tests=TESTS))
    for _ in range(2):
        running = _wait_for_the_program()
        backend.end_running()
        while running.exists():
            time.sleep(0.01)
    future.result(60)
    assert future.result().outcome is ProgramOutcome.KILLED_SANDBOX
    assert future.result().reward == 0.0
    assert box.run(DOUBLE).outcome is ProgramOutcome.PASSED


def test_no_program_is_blamed_for_a_backend_that_was_away(box: BlockingSandbox, backend: Watched) -> None:
    backend.had_been_away = True
    future = box.submit(SLOW_DOUBLE)
    for _ in range(3):
        time.sleep(0.4)
        backend.end_running()
    result = future.result(60)
    assert result.outcome is ProgramOutcome.PASSED
    assert result.retries >= 1


def test_programs_wait_for_a_backend_that_comes_back(box: BlockingSandbox, backend: Watched) -> None:
    future = box.submit(SLOW_DOUBLE)
    time.sleep(0.4)
    backend.away = True
    backend.end_running()
    waiting = box.submit(DOUBLE)
    time.sleep(1.0)
    assert not future.done()
    backend.away = False
    assert future.result(60).outcome is ProgramOutcome.PASSED
    assert waiting.result(60).outcome is ProgramOutcome.PASSED


def test_programs_have_no_verdict_when_the_backend_stays_away(
    box: BlockingSandbox, backend: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlvr_sandbox.pool.AWAY_SECONDS", 0.5)
    future = box.submit(SLOW_DOUBLE)
    time.sleep(0.4)
    backend.away = True
    backend.end_running()
    result = future.result(60)
    assert result.outcome is ProgramOutcome.UNSCORED
    assert result.reward is None
    assert "away for the moment" in result.reason


def test_a_program_is_not_charged_for_the_time_it_waits(box: BlockingSandbox) -> None:
    short = Program(source=DOUBLE.source, tests=TESTS, limits=Limits(wall_seconds=1.0, cpu_seconds=1.0))
    futures = [box.submit(SLOW_DOUBLE), box.submit(SLOW_DOUBLE), box.submit(short)]
    assert [future.result(60).outcome for future in futures] == [ProgramOutcome.PASSED] * 3


def test_two_hundred_programs_at_once_from_threads_all_have_their_own_verdicts(backend: Watched) -> None:
    results: dict[int, ProgramOutcome] = {}
    with Sandbox.open_sync(backend, slots=2) as box:

        def run(number: int) -> None:
            tests = StdioTests(
                tests=(StdioTest(input=f"{number}\n", expected=f"{2 * number + number % 2}\n"),)
            )
            results[number] = box.run(Program(source=DOUBLE.source, tests=tests)).outcome

        threads = [threading.Thread(target=run, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {n: ProgramOutcome.FAILED if n % 2 else ProgramOutcome.PASSED for n in range(200)}


async def _many(count: int) -> list[tuple[int, ProgramOutcome]]:
    programs = [DOUBLE] * count
    async with Sandbox.open("bubblewrap", slots=2) as box:
        return [(index, result.outcome) async for index, result in box.run_many(programs)]


def test_two_hundred_programs_at_once_from_asyncio(backend: Watched) -> None:
    import asyncio

    assert sorted(asyncio.run(_many(200))) == [(index, ProgramOutcome.PASSED) for index in range(200)]


def test_a_closed_sandbox_takes_no_programs_and_leaves_nothing(backend: Watched) -> None:
    box = Sandbox.open_sync(backend, slots=2)
    running = box.submit(SLOW_DOUBLE)
    time.sleep(0.3)
    box.close()
    with pytest.raises(SandboxClosed):
        running.result(5)
    with pytest.raises(SandboxClosed):
        box.submit(DOUBLE)
    assert all(channel._process.poll() is not None for channel in backend.channels)


def test_a_sandbox_that_cannot_start_says_why_at_once(backend: Watched) -> None:
    backend.away = True
    with pytest.raises(SandboxUnavailable, match="away for the moment"):
        Sandbox.open_sync(backend)


CLIENT = """
import sys, time
from rlvr_sandbox import *
box = Sandbox.open_sync("bubblewrap", slots=2)
tests = StdioTests(tests=(StdioTest(input="", expected=""),))
futures = [box.submit(Program(source="import time; time.sleep(60)", tests=tests)) for _ in range(2)]
time.sleep(1)
print("running", flush=True)
time.sleep(60)
"""


def test_nothing_is_left_of_a_client_that_was_killed(backend: Watched) -> None:
    client = subprocess.Popen([sys.executable, "-c", CLIENT], stdout=subprocess.PIPE, start_new_session=True)
    assert client.stdout is not None
    assert client.stdout.readline() == b"running\n"
    group = {
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and _came_from(path, client.pid)
    }
    assert len(group) > 4
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    client.stdout.close()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}/exe").exists() and _alive(pid) for pid in group - {client.pid}):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _came_from(process: Path, ancestor: int) -> bool:
    pid = int(process.name)
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:
            return False
    return False


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_hundreds_of_programs_in_a_row_leave_no_descriptors_and_no_processes(box: BlockingSandbox) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    box.run(DOUBLE)
    before = held()
    for _ in range(300):
        assert box.run(DOUBLE).outcome is ProgramOutcome.PASSED
    assert held() == before


def test_a_checker_that_fails_is_an_error_and_leaves_nothing_for_the_next_program(
    box: BlockingSandbox,
) -> None:
    def checker(given: str, expected: str, got: str) -> bool:
        raise ZeroDivisionError(got)

    several = tuple(StdioTest(input=f"{number}\n", expected="") for number in range(3))
    program = Program(source=DOUBLE.source, tests=StdioTests(tests=several, checker=checker))
    wrong = Program(source="print(input())", tests=TESTS)
    futures = [box.submit(each) for each in (program, wrong, DOUBLE)]
    with pytest.raises(ZeroDivisionError, match="0"):
        futures[0].result(60)
    assert [future.result(60).outcome for future in futures[1:]] == [
        ProgramOutcome.FAILED,
        ProgramOutcome.PASSED,
    ]
