"""Resources that programs use are counted, whoever they leave them with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rlvr_sandbox import Limits, Program, ProgramOutcome, Sandbox, SandboxUnavailable, StdioTest, StdioTests
from rlvr_sandbox.backends import groups
from rlvr_sandbox.backends.bubblewrap import BubblewrapBackend
from rlvr_sandbox.image.forks.seccomp import build
from rlvr_sandbox.image.supervisor.accounts import Account, ControlGroup, Processes, account

MIB = 1 << 20
SPIN = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN if "ignored" in sys.argv else signal.SIG_DFL)
if "orphaned" in sys.argv and os.fork():
    os._exit(0)
if os.fork() == 0:
    while time.process_time() < 0.5:
        pass
    os._exit(0)
time.sleep(0.2 if "orphaned" in sys.argv else 60)
"""


@pytest.fixture
def bubblewrap() -> BubblewrapBackend:
    try:
        return BubblewrapBackend()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def first_version(folder: Path, *, cpu: float, memory: int, files: int, in_memory: int) -> None:
    for name in ("cpuacct", "memory"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "cpuacct/cpuacct.usage").write_text(f"{int(cpu * 1e9)}\n")
    (folder / "memory/memory.usage_in_bytes").write_text(f"{memory}\n")
    (folder / "memory/memory.stat").write_text(f"cache {files}\nrss 5\nshmem {in_memory}\ntotal_cache 9\n")


def second_version(folder: Path, *, cpu: float, memory: int, files: int, in_memory: int) -> None:
    (folder / "cpu.stat").write_text(f"usage_usec {int(cpu * 1e6)}\nuser_usec 7\n")
    (folder / "memory.current").write_text(f"{memory}\n")
    (folder / "memory.stat").write_text(f"anon 5\nfile {files}\nkernel 3\nshmem {in_memory}\nfile_mapped 1\n")


@pytest.mark.parametrize("write", [first_version, second_version])
def test_a_control_group_tells_all_but_what_the_supervisor_and_files_on_disks_take(write, tmp_path: Path):
    write(tmp_path, cpu=10.0, memory=700 * MIB, files=300 * MIB, in_memory=100 * MIB)
    group = ControlGroup.found(tmp_path, set)
    assert group is not None
    group.begin(512 * MIB)
    write(tmp_path, cpu=13.0, memory=900 * MIB, files=350 * MIB, in_memory=120 * MIB)
    assert group.cpu_seconds() == pytest.approx(3.0, abs=0.5)  # less what this process has used in between
    assert group.memory_bytes() == pytest.approx((670 - 500) * MIB, abs=8 * MIB)


def test_the_kernel_is_told_to_hold_programs_to_their_limit_where_it_can_be(tmp_path: Path):
    first_version(tmp_path, cpu=1.0, memory=40 * MIB, files=20 * MIB, in_memory=0)
    group = ControlGroup.found(tmp_path, set)
    assert group is not None
    group.begin(512 * MIB)
    assert int((tmp_path / "memory/memory.limit_in_bytes").read_text()) == (20 + 512 + 64) * MIB


def test_a_control_group_that_tells_half_is_none(tmp_path: Path):
    assert ControlGroup.found(tmp_path, set) is None
    second_version(tmp_path, cpu=1.0, memory=1, files=1, in_memory=1)
    (tmp_path / "memory.current").unlink()
    assert ControlGroup.found(tmp_path, set) is None


def test_a_supervisor_that_is_not_alone_does_not_take_the_machine_for_its_programs():
    assert isinstance(account(set, alone=False), Processes)


class Kept:
    """A process whose children and their orphans are looked at, as a zygote's are."""

    def __init__(self) -> None:
        code = "import ctypes, os, sys\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
        code += "for line in sys.stdin:\n    if os.fork() == 0: exec(line.replace('|', chr(10)), {}); os._exit(0)\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, start_new_session=True
        )
        self.account: Account = Processes(lambda: {self.process.pid})
        self.fork("pass")
        time.sleep(0.3)
        self.account.begin(512 * MIB)

    def fork(self, code: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(code.strip().replace("\n", "|").encode() + b"\n")
        self.process.stdin.flush()

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    yield kept
    kept.end()


@pytest.mark.parametrize("how", ["waited", "orphaned", "ignored"])
def test_processes_that_nobody_waits_for_are_in_the_account(kept: Kept, how: str):
    kept.fork(SPIN.replace("sys.argv", repr([how])))
    deadline = time.monotonic() + 20
    seen = 0.0
    while seen < 0.4 and time.monotonic() < deadline:
        time.sleep(0.02)
        seen = kept.account.cpu_seconds()
    time.sleep(0.3)  # by now it has ended, and of one that is ignored there is nothing left
    assert 0.4 <= kept.account.cpu_seconds() < 1.0


def test_shared_maps_are_in_the_account(kept: Kept):
    kept.fork(
        "import mmap, time\nshared = mmap.mmap(-1, 30 << 20)\nshared.write(bytes(30 << 20))\ntime.sleep(60)"
    )
    deadline = time.monotonic() + 20
    while kept.account.memory_bytes() < 30 * MIB and time.monotonic() < deadline:
        time.sleep(0.02)
    assert 30 * MIB <= kept.account.memory_bytes() < 40 * MIB


def test_files_in_memory_are_refused_where_they_are_not_counted():
    for machine in ("x86_64", "aarch64"):
        extra = set(_instructions(build(machine, memory_files=False))) - set(_instructions(build(machine)))
        assert {value for _, _, _, value in extra} == {319 if machine == "x86_64" else 279}


def _instructions(code: bytes) -> Iterator[tuple[int, int, int, int]]:
    import struct

    return struct.iter_unpack("=HBBI", code)


# -- in bubblewrap -------------------------------------------------------------------------------------------


def groups_of_ours() -> list[Path]:
    parents = groups._parents().values()
    return [folder for parent in parents for folder in parent.glob(f"rlvr-sandbox-{os.getpid()}-*")]


def test_a_sandbox_in_bubblewrap_has_a_control_group_and_leaves_none(bubblewrap: BubblewrapBackend):
    if not bubblewrap._grouped:
        pytest.skip("there are no control groups to be had here")
    before = set(groups_of_ours())
    with Sandbox.open_sync(bubblewrap, slots=1):
        assert set(groups_of_ours()) - before
    assert set(groups_of_ours()) <= before


def test_groups_of_a_process_that_was_killed_are_removed_by_the_next(bubblewrap: BubblewrapBackend):
    if not bubblewrap._grouped:
        pytest.skip("there are no control groups to be had here")
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = [parent / f"rlvr-sandbox-{ended.pid}-0" for parent in groups._parents().values()]
    for folder in left:
        folder.mkdir()
    groups.remove_abandoned()
    assert [folder for folder in left if folder.exists()] == []


def test_bubblewrap_shows_no_package_but_those_it_is_told_of(tmp_path: Path, bubblewrap: BubblewrapBackend):
    (tmp_path / "given").mkdir()
    (tmp_path / "given/__init__.py").write_text("there = True\n")
    source = """
        import os, subprocess, sys
        import given
        found = [
            os.path.join(folder, name)
            for top in ("/usr", "/opt", "/lib", sys.prefix)
            for folder, names, _ in os.walk(top)
            if os.path.basename(folder) in ("site-packages", "dist-packages")
            for name in names
        ]
        code = "import importlib.util as u; print([n for n in ('pip', 'numpy', 'apt_pkg') if u.find_spec(n)])"
        for python in (sys.executable or "/opt/python/bin/python3", "/usr/bin/python3"):
            if os.path.exists(python):
                found += eval(subprocess.run([python, "-c", code], capture_output=True, text=True).stdout or "[]")
        print(given.there, found)
    """
    import textwrap

    tests = StdioTests(tests=(StdioTest(input="", expected="True []\n"),))
    backend = BubblewrapBackend(packages=[tmp_path / "given"])
    with Sandbox.open_sync(backend, slots=1) as box:
        result = box.run(Program(source=textwrap.dedent(source), tests=tests))
    assert (result.outcome, result.stdout) == (ProgramOutcome.PASSED, "True []\n"), result.stderr


# -- sessions ------------------------------------------------------------------------------------------------

HALF_A_MESSAGE = """
import os, stat
for fd in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.write(fd, b"\\x00\\x00\\x10\\x00half")
    except OSError:
        continue
while True:
    pass
"""


def test_a_cell_that_says_half_a_message_is_ended_with_its_time(bubblewrap: BubblewrapBackend):
    with Sandbox.open_sync(bubblewrap, slots=1) as box:
        session = box.session(Limits(cpu_seconds=1.0, wall_seconds=1.0))
        started = time.monotonic()
        result = session.execute(HALF_A_MESSAGE)
        assert (result.outcome, result.ended) == (ProgramOutcome.CRASHED, True)
        assert time.monotonic() - started < 10
        session.close()
