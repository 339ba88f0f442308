"""Measure the sandbox's programs per second, and the cost of one.

    python benchmarks/sandbox.py [--rounds N] [--backend docker|bubblewrap ...] [--programs N]

On every backend that works here: a program with one stdio test, one with one call, and one with three asserts; one
at a time, and one for each CPU. Beside them, in turns with them: `docker run`, `docker exec`, a fresh `python3 -I -S`,
each running the stdio program on the same input, and a bare fork that executes its compiled code, which is what no
sandbox can beat. Each line is the median over the rounds; the ratio to `docker exec` is taken within each round.

CPU time is that of all processes that take part: this one, the sandboxes' with all their children, and the Docker
engine, whose own share also holds whatever others ask of it meanwhile. On a machine that is busy otherwise it says
more than programs per second; it too rises, up to twice, when caches and hyperthreads are shared. The targets, on two
free cores: 300 stdio/s and 150 asserts/s (6.6 and 13 ms of CPU), and 20 times `docker exec`.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from rlvr_sandbox import (
    AssertTests,
    BlockingSandbox,
    CallTest,
    CallTests,
    Program,
    ProgramOutcome,
    Sandbox,
    SandboxUnavailable,
    StdioTest,
    StdioTests,
)
from rlvr_sandbox.engines.build import image_tag
from rlvr_sandbox.engines.engine import DEFAULT_HOST
from rlvr_sandbox.engines.owners import Owner

SUM = "print(sum(map(int, input().split())))\n"
ADD = "def add(a, b):\n    return a + b\n"
INPUT, OUTPUT = "3 4\n", "7\n"
PROGRAMS = {
    "stdio": Program(source=SUM, tests=StdioTests(tests=(StdioTest(input=INPUT, expected=OUTPUT),))),
    "call": Program(
        source=ADD, tests=CallTests(function="add", tests=(CallTest(arguments=(3, 4), expected=7),))
    ),
    "asserts": Program(
        source=ADD,
        tests=AssertTests(
            tests=("assert add(3, 4) == 7", "assert add(10, -2) == 8", "assert add(0, 0) == 0"),
            names=("add",),
        ),
    ),
}
EXEC = "docker exec"
CORES = len(os.sched_getaffinity(0))
TICKS = os.sysconf("SC_CLK_TCK")

FORKS = """
import os, resource, sys
source, given = sys.argv[1], sys.argv[2].encode()
code = compile(source, "program", "exec")

def once():
    given_end, in_end = os.pipe()
    out_end, taken_end = os.pipe()
    os.write(in_end, given)
    os.close(in_end)
    pid = os.fork()
    if pid == 0:
        os.dup2(given_end, 0)
        os.dup2(taken_end, 1)
        sys.stdin = open(0)
        exec(code, {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    os.close(given_end)
    os.close(taken_end)
    assert os.read(out_end, 100) == b"7\\n"
    os.close(out_end)
    os.waitpid(pid, 0)

def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)

while count := sys.stdin.readline():
    before = cpu()
    for _ in range(int(count)):
        once()
    print(cpu() - before, flush=True)
"""


@dataclass(kw_only=True)
class Case:
    """One line of the table: a way to run programs, so many at a time."""

    name: str
    slots: int
    count: int
    """Programs in each round."""
    run: Callable[[int], float | None]
    """Runs that many. Returns the CPU seconds they took where it knows better than the meter, NaN for unknown."""
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def measure(self, meter: Meter) -> None:
        """One round. Both lists are per program."""
        engine = self.name.startswith("docker")
        used, started = meter.cpu_seconds(engine=engine), time.perf_counter()
        cpu_seconds = self.run(self.count)
        self.seconds.append((time.perf_counter() - started) / self.count)
        if cpu_seconds is None:
            cpu_seconds = meter.cpu_seconds(engine=engine) - used
        self.cpu_seconds.append(cpu_seconds / self.count)

    @property
    def rate(self) -> float:
        """Programs per second."""
        return 1 / statistics.median(self.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--programs", type=int, default=60, help="in the sandbox, per line and round")
    parser.add_argument("--backend", nargs="*", default=["docker", "bubblewrap"])
    asked = parser.parse_args()
    with ExitStack() as opened:
        cases = [
            case
            for slots in sorted({1, CORES})
            for case in (
                *sandboxes(opened, asked.backend, slots, asked.programs),
                *docker_commands(opened, slots),
                interpreters(slots),
                forks(slots, asked.programs),
            )
        ]
        meter = Meter()
        for case in cases:
            case.run(case.slots)  # the first of everything is slower
        for number in range(asked.rounds):
            print(f"\rround {number + 1} of {asked.rounds}", end="", file=sys.stderr, flush=True)
            for case in cases:
                case.measure(meter)
    print_table(cases, asked.rounds)


def sandboxes(opened: ExitStack, backends: list[str], slots: int, count: int) -> Iterator[Case]:
    """A case for each backend that works here and each kind of tests."""
    for backend in backends:
        try:
            box = opened.enter_context(Sandbox.open_sync(backend, slots=slots))
        except SandboxUnavailable as error:
            print(f"without {backend}: {error}")
            continue
        for kind, program in PROGRAMS.items():
            run = partial(judge, box, program)
            yield Case(name=f"{backend}: {kind}", slots=slots, count=count, run=run)


def judge(box: BlockingSandbox, program: Program, count: int) -> None:
    for _, result in box.run_many([program] * count):
        assert result.outcome is ProgramOutcome.PASSED, result


def docker_commands(opened: ExitStack, slots: int) -> Iterator[Case]:
    """A container for each program, and a process in a container that runs already, by Docker's own command."""
    labels = [f"--label={name}={value}" for name, value in Owner.this_process().labels().items()]
    walls = ["--rm", "--network=none", *labels, "--entrypoint=python3", image_tag(), "-I", "-S", "-c"]
    try:
        started = subprocess.run(
            ["docker", "run", "--detach", *walls, "import time; time.sleep(1e6)"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"without docker run and docker exec: {getattr(error, 'stderr', None) or error}")
        return
    container = started.stdout.strip()
    opened.callback(subprocess.run, ["docker", "rm", "--force", container], stdout=subprocess.DEVNULL)
    run = partial(commands, ["docker", "run", "--interactive", *walls, SUM], slots, math.nan)
    yield Case(name="docker run", slots=slots, count=2 * slots, run=run)
    execute = ["docker", "exec", "--interactive", container, "python3", "-I", "-S", "-c", SUM]
    yield Case(name=EXEC, slots=slots, count=8 * slots, run=partial(commands, execute, slots, None))


def interpreters(slots: int) -> Case:
    command = [sys.executable, "-I", "-S", "-c", SUM]
    run = partial(commands, command, slots, None)
    return Case(name="fresh python3 -I -S", slots=slots, count=20 * slots, run=run)


def commands(command: list[str], slots: int, known: float | None, count: int) -> float | None:
    """Run a command for each program, `slots` at a time."""

    def once(_: int) -> None:
        done = subprocess.run(command, input=INPUT, capture_output=True, text=True, check=True)
        assert done.stdout == OUTPUT, done.stdout

    with ThreadPoolExecutor(slots) as threads:
        list(threads.map(once, range(count)))
    return known


def forks(slots: int, count: int) -> Case:
    """A bare fork for each program, of an interpreter that holds nothing but its compiled code."""

    def run(count: int) -> float:
        for forker in forkers:
            forker.ask(count // slots)
        return sum(forker.cpu_seconds() for forker in forkers)

    forkers = [Forker() for _ in range(slots)]
    return Case(name="bare fork", slots=slots, count=count // slots * slots, run=run)


class Forker:
    """The interpreter that forks, started once; a number on its input has it run that many programs."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", FORKS, SUM, INPUT]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def ask(self, count: int) -> None:
        """Begin to run that many."""
        assert self._process.stdin
        self._process.stdin.write(b"%d\n" % count)

    def cpu_seconds(self) -> float:
        """Wait for the processes, and return the processor time they used."""
        assert self._process.stdout
        return float(self._process.stdout.readline())


class Meter:
    """CPU time of this process and its descendants, of its containers, and of the Docker engine where it has a part."""

    def __init__(self) -> None:
        self._engine = engine_pids()
        self._roots = {os.getpid(), *shims()}

    def cpu_seconds(self, *, engine: bool) -> float:
        """Processor time used so far."""
        children: dict[int, list[int]] = {}
        used: dict[int, list[int]] = {}
        for pid, parent, _, times in processes():
            children.setdefault(parent, []).append(pid)
            used[pid] = times
        ticks = sum(sum(used[pid][:2]) for pid in self._engine if engine and pid in used)
        waiting = list(self._roots)
        while waiting:
            pid = waiting.pop()
            ticks += sum(used.get(pid, ()))
            waiting += children.get(pid, ())
        return ticks / TICKS


def processes() -> Iterator[tuple[int, int, str, list[int]]]:
    """Number, parent and name of all processes, and their CPU ticks: their own two, and those of ended children."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            start, _, rest = (folder / "stat").read_text().rpartition(")")
            fields = rest.split()
            yield int(folder.name), int(fields[1]), start.partition("(")[2], [*map(int, fields[11:15])]


def engine_pids() -> set[int]:
    """The processes of the Docker engine on this machine, if it has one: who holds the socket, and its containerd."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(urlsplit(DEFAULT_HOST).path)
        except OSError:
            return set()
        engine, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return {
        engine,
        *(pid for pid, parent, name, _ in processes() if parent == engine and name == "containerd"),
    }


def shims() -> set[int]:
    """The parents of the containers that this process started."""
    mine = [f"--filter=label={name}={value}" for name, value in Owner.this_process().labels().items()]
    try:
        listed = subprocess.run(
            ["docker", "ps", "--quiet", "--no-trunc", *mine], capture_output=True, text=True
        )
    except OSError:
        return set()
    ids = set(listed.stdout.split())
    shims = {pid for pid, _, name, _ in processes() if name.startswith("containerd-shim")}
    return {pid for pid in shims if ids & {*Path(f"/proc/{pid}/cmdline").read_text().split("\0")}}


def print_table(cases: list[Case], rounds: int) -> None:
    """A line for each case: medians over the rounds, and the median of each round's ratio to `docker exec`."""
    load = os.getloadavg()[0]
    print(f"\r{CORES} CPUs, load {load:.1f}, medians of {rounds} rounds\n")
    print(
        f"{'':22} {'at a time':>9} {'programs/s':>11} {'x docker exec':>14} {'CPU ms each':>12} {'exec /':>10}"
    )
    by_exec = {case.slots: case for case in cases if case.name == EXEC}
    for case in cases:
        cpu = 1000 * statistics.median(case.cpu_seconds)
        line = f"{case.name:22} {case.slots:9} {case.rate:11.1f}"
        if exec_case := by_exec.get(case.slots):
            rates = times(exec_case.seconds, case.seconds)
            line += f" {rates:14.1f} {cpu:12.1f} {times(exec_case.cpu_seconds, case.cpu_seconds):10.1f}"
        else:
            line += f" {'-':>14} {cpu:12.1f} {'-':>10}"
        print(line.replace("nan", "  -"))


def times(one: list[float], other: list[float]) -> float:
    """Median ratio of `other` to `one`, taken round by round."""
    return statistics.median(mine / others for mine, others in zip(one, other, strict=True))


if __name__ == "__main__":
    main()
