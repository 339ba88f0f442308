"""Whatever is killed, a batch completes, nothing is judged wrong, and nothing is left behind."""

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rlvr_sandbox import BlockingSandbox, Program, ProgramOutcome, Sandbox, StdioTest, StdioTests
from rlvr_sandbox.backends.docker import DockerBackend
from rlvr_sandbox.engines.engine import Engine

from tests.rlvr_sandbox.engines import (
    Dockerd,
    needs_docker,
    needs_own_engine,
    sandboxes,
    shared_daemon,
    wait_until_no_sandboxes,
)

pytestmark = [needs_docker, pytest.mark.long]

TESTS = StdioTests(tests=(StdioTest(input="21", expected="42"),))
RIGHT = Program(source="print(2 * int(input()))", tests=TESTS)
WRONG = Program(source="print(int(input()))", tests=TESTS)
SLOW = Program(source="import time; time.sleep(0.2); print(2 * int(input()))", tests=TESTS)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with contextlib.closing(Engine()) as engine:
        yield engine


@pytest.fixture(scope="module")
def box() -> Iterator[BlockingSandbox]:
    with Sandbox.open_sync("docker", slots=2) as box:
        yield box


def test_two_hundred_programs_at_once_from_threads(box: BlockingSandbox):
    programs = [RIGHT, WRONG] * 100
    with ThreadPoolExecutor(200) as threads:
        results = list(threads.map(box.run, programs))
    assert [result.outcome for result in results] == [ProgramOutcome.PASSED, ProgramOutcome.FAILED] * 100


def test_two_hundred_programs_at_once_from_asyncio():
    async def all_of_them() -> list[ProgramOutcome]:
        async with Sandbox.open("docker", slots=2) as box:
            results = await asyncio.gather(*[box.run(program) for program in [RIGHT, WRONG] * 100])
        return [result.outcome for result in results]

    assert asyncio.run(all_of_them()) == [ProgramOutcome.PASSED, ProgramOutcome.FAILED] * 100


def test_containers_killed_under_load_are_replaced_and_their_programs_judged(engine: Engine):
    others = set(sandboxes(engine, ours=True))
    with Sandbox.open_sync("docker", slots=2) as box:
        futures = [box.submit(SLOW) for _ in range(20)]
        for done in (3, 10):
            while sum(future.done() for future in futures) < done:
                time.sleep(0.01)
            engine.api.kill((set(sandboxes(engine, ours=True)) - others).pop())
        results = [future.result(timeout=60) for future in futures]
    assert Counter(result.outcome for result in results) == {ProgramOutcome.PASSED: 20}
    assert set(sandboxes(engine, ours=True)) == others


CLIENT = """
import sys, time
from rlvr_sandbox import Sandbox, Program, StdioTest, StdioTests
program = Program(source="import time; time.sleep(60)", tests=StdioTests(tests=(StdioTest(input="", expected=""),)))
with Sandbox.open_sync("docker", slots=2) as box:
    futures = [box.submit(program) for _ in range(4)]
    time.sleep(1)
    from rlvr_sandbox.engines.owners import Owner, PROCESS
    print(Owner.this_process().labels()[PROCESS], flush=True)
    time.sleep(60)
"""


def test_a_client_killed_while_programs_run_leaves_nothing_behind(engine: Engine, tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    with process.stdout:
        owner = process.stdout.readline().strip()
    label = {"label": f"rlvr_sandbox.process={owner}"}
    assert len(engine.api.containers(filters=label)) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while engine.api.containers(all=True, filters=label):
        assert time.monotonic() < deadline, "containers are left a minute after their client was killed"
        time.sleep(0.2)
    assert not list(tmp_path.iterdir())


# -- with an engine of the tests' own ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def daemon() -> Dockerd:
    return shared_daemon()


@needs_own_engine
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_batch_completes_when_the_engine_is_killed_in_the_middle_and_started_again(
    daemon: Dockerd, how: signal.Signals
):
    with Sandbox.open_sync(DockerBackend(daemon.host), slots=2) as box:
        futures = [box.submit(program) for program in [SLOW, WRONG] * 15]
        while sum(future.done() for future in futures) < 8:
            time.sleep(0.01)
        daemon.kill(how)
        time.sleep(1)
        daemon.start()
        results = [future.result(timeout=120) for future in futures]
    assert [result.outcome for result in results] == [ProgramOutcome.PASSED, ProgramOutcome.FAILED] * 15
    assert sum(result.retries > 0 for result in results) >= 1
    with contextlib.closing(Engine(daemon.host)) as engine:
        wait_until_no_sandboxes(engine, 30)


# -- a long run ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_programs_in_a_row_leave_no_trace_in_client_or_engine(engine: Engine):
    with Sandbox.open_sync("docker", slots=2) as box:
        _run(box, 1000)
        before = _uses(engine)
        for _ in range(10):  # as many at a time as before: what is held while they wait is not the question
            _run(box, 1000)
        after = _uses(engine)
    assert after["descriptors"] <= before["descriptors"] + 2
    assert after["threads"] <= before["threads"]
    assert after["containers"] <= before["containers"]
    assert after["zombies"] == 0
    assert after["kilobytes"] <= before["kilobytes"] + 8_000
    assert after["kilobytes in containers"] <= before["kilobytes in containers"] + 8_000


def _run(box: BlockingSandbox, count: int) -> None:
    outcomes = Counter(result.outcome for _, result in box.run_many([RIGHT, WRONG] * (count // 2)))
    assert outcomes == {ProgramOutcome.PASSED: count // 2, ProgramOutcome.FAILED: count // 2}


def _uses(engine: Engine) -> dict[str, int]:
    """Count the resources that this process and its containers hold now."""
    gc.collect()
    containers = sandboxes(engine, ours=True)
    processes = [
        title for id in containers for title in engine.api.top(id, ps_args="-o pid,stat,rss")["Processes"]
    ]
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "containers": len(containers),
        "zombies": sum(stat.startswith("Z") for _, stat, _ in processes),
        "kilobytes": int(status["VmRSS"].split()[0]),
        "kilobytes in containers": sum(int(rss) for _, _, rss in processes),
    }
