import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlvr_gym.errors import VerifierFault
from rlvr_gym.verifiers.workers import Overrun, WorkerPool

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    sys.path.insert(0, HERE)
    pool = WorkerPool("worker_functions:misbehave")
    sys.path.remove(HERE)
    yield pool
    pool.close()


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not running(pid)


def test_a_worker_gives_back_what_its_function_says(pool: WorkerPool):
    assert pool.call(["echo", {"a": [1, "½", None]}], timeout_seconds=5) == {"a": [1, "½", None]}


def test_a_megabyte_goes_there_and_back(pool: WorkerPool):
    text = "x" * 3_000_000
    assert pool.call(["echo", text], timeout_seconds=10) == text


def test_a_task_that_holds_the_interpreter_is_killed_at_its_deadline(pool: WorkerPool):
    pool.call(["echo", 1], timeout_seconds=5)
    start = time.monotonic()
    with pytest.raises(Overrun, match="out of time"):
        pool.call(["spin"], timeout_seconds=0.3)
    assert time.monotonic() - start < 0.8
    assert pool.call(["echo", 2], timeout_seconds=5) == 2


def test_a_worker_that_dies_is_the_tasks_doing(pool: WorkerPool):
    with pytest.raises(Overrun, match="died"):
        pool.call(["die"], timeout_seconds=5)


def test_a_worker_killed_from_outside_is_not_the_tasks_doing(pool: WorkerPool):
    pid = pool.call(["pid"], timeout_seconds=5)
    killer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(VerifierFault, match="killed from outside"):
        pool.call(["sleep", 20], timeout_seconds=30)
    assert pool.call(["echo", 3], timeout_seconds=5) == 3


def test_a_worker_that_died_while_idle_is_nobodys_fault(pool: WorkerPool):
    for pid in [pool.call(["pid"], timeout_seconds=5) for _ in range(3)]:
        if running(pid):
            os.kill(pid, signal.SIGKILL)
            assert wait_until_gone(pid)
    assert pool.call(["echo", 4], timeout_seconds=5) == 4


def test_memory_is_limited(pool: WorkerPool):
    with pytest.raises(Overrun, match="memory"):
        pool.call(["hoard"], timeout_seconds=5)


def test_an_exception_in_the_function_is_a_fault_that_names_it(pool: WorkerPool):
    with pytest.raises(VerifierFault, match="ValueError: no such thing"):
        pool.call(["raise"], timeout_seconds=5)


def test_printing_does_not_disturb_the_replies(pool: WorkerPool):
    assert pool.call(["print"], timeout_seconds=5) == 10
    assert pool.call(["echo", 3], timeout_seconds=5) == 3


def test_a_worker_writes_no_files(pool: WorkerPool, tmp_path: Path):
    assert pool.call(["write", str(tmp_path / "out")], timeout_seconds=5) == "refused"


def test_a_worker_sees_nothing_of_the_environment(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOKEN", "s3cret")
    assert "TOKEN" not in pool.call(["environment"], timeout_seconds=5)


def test_what_a_worker_started_dies_with_it(pool: WorkerPool):
    child = pool.call(["fork"], timeout_seconds=5)
    assert running(child)
    with pytest.raises(Overrun):
        pool.call(["spin"], timeout_seconds=0.1)
    assert wait_until_gone(child)


def test_workers_are_recycled():
    sys.path.insert(0, HERE)
    pool = WorkerPool("worker_functions:misbehave", recycle_after=2)
    sys.path.remove(HERE)
    pids = [pool.call(["pid"], timeout_seconds=5) for _ in range(6)]
    pool.close()
    assert len(set(pids)) == 3
    assert all(wait_until_gone(pid) for pid in pids)


def test_many_threads_share_the_workers(pool: WorkerPool):
    with ThreadPoolExecutor(16) as threads:
        said = list(threads.map(lambda i: pool.call(["echo", i], timeout_seconds=5), range(300)))
    assert said == list(range(300))


def test_waiting_for_a_turn_is_not_charged_to_the_deadline(pool: WorkerPool):
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: pool.call(["sleep", 0.25], timeout_seconds=0.6), range(6)))


def test_kills_leak_neither_processes_nor_descriptors(pool: WorkerPool):
    def descriptors() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    with pytest.raises(Overrun):
        pool.call(["die"], timeout_seconds=5)
    before, threads = descriptors(), threading.active_count()
    for _ in range(5):
        with pytest.raises(Overrun):
            pool.call(["die"], timeout_seconds=5)
    assert descriptors() <= before
    assert threading.active_count() <= threads


def test_a_function_that_does_not_exist_is_a_fault_not_a_wrong_answer():
    pool = WorkerPool("json:no_such_function")
    with pytest.raises(VerifierFault, match=r"could not load its function.*no_such_function"):
        pool.call(1, timeout_seconds=5)
    with pytest.raises(VerifierFault, match="no file behind"):
        WorkerPool("no_such_module:f")


def test_a_worker_that_cannot_start_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    pool = WorkerPool("json:loads")
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(VerifierFault, match="cannot start a worker process"):
        pool.call("1", timeout_seconds=5)


def test_an_interpreter_that_ends_at_once_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    pool = WorkerPool("json:loads")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(VerifierFault, match="did not get ready"):
        pool.call("1", timeout_seconds=5)
    pool.close()


SCRIPT = f"""
import sys, os, threading, time
sys.path.insert(0, {HERE!r})
from rlvr_gym.verifiers.workers import WorkerPool
pool = WorkerPool("worker_functions:misbehave")
print(pool.call(["pid"], timeout_seconds=20), flush=True)
"""


def run_script(more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT + more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_busy_workers_die_when_their_parent_is_killed():
    script = """
threading.Thread(target=lambda: pool.call(["spin"], timeout_seconds=600), daemon=True).start()
time.sleep(0.5)
print(*(worker._process.pid for worker in pool._alive), flush=True)
time.sleep(600)
"""
    with run_script(script) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) >= 2
        assert all(running(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
        assert all(wait_until_gone(pid) for pid in pids)


def test_a_script_ends_quietly_without_closing_its_pool():
    with run_script("") as parent:
        out, err = parent.communicate(timeout=60)
    assert (parent.returncode, err) == (0, "")
    assert wait_until_gone(int(out))


def test_a_forked_child_has_workers_of_its_own():
    script = """
child = os.fork()
if child == 0:
    print(pool.call(["pid"], timeout_seconds=20), flush=True)
    sys.exit(0)
os.waitpid(child, 0)
print(pool.call(["pid"], timeout_seconds=20), flush=True)
"""
    with run_script(script) as parent:
        out, err = parent.communicate(timeout=60)
    first, child, again = json.loads("[" + ",".join(out.split()) + "]")
    assert err == ""
    assert first == again != child
