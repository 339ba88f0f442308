"""A program that the warm server runs is, to whoever started it, a process of its own."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import warm

PYTHONS = ["real", "warm"]
TELLS = "import os; print(os.getppid())"


def python(kind: str) -> str:
    return sys.executable if kind == "real" else str(warm.commands(**warm.ONE_THREAD) / "python")


def environment() -> dict[str, str]:
    """Return the variables of now: tests of other files may have left some."""
    return {**os.environ, **warm.ONE_THREAD}


def run(kind: str, code: str, *arguments: str, **more) -> subprocess.CompletedProcess[str]:
    more = {"env": environment(), **more}
    command = [python(kind), *arguments, "-c", code, "a word"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)


def is_warm(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether the parent of a program that reported it is not this process."""
    return int(done.stdout) != os.getpid()


def test_the_server_runs_what_it_can_and_a_new_process_what_it_cannot() -> None:
    assert not is_warm(run("real", TELLS))
    assert is_warm(run("warm", TELLS))
    assert is_warm(run("warm", TELLS, env={**environment(), "COLUMNS": "33", "PATH": "/bin"}))
    assert not is_warm(run("warm", TELLS, env={**environment(), "HF_HUB_OFFLINE": "other"}))
    assert not is_warm(run("warm", TELLS, env={**environment(), "NEVER_HEARD_OF": "1"}))
    assert not is_warm(run("warm", TELLS, env={**environment(), "OMP_NUM_THREADS": "2"}))
    assert not is_warm(run("warm", TELLS, "-P"))


@pytest.mark.parametrize("kind", PYTHONS)
@pytest.mark.parametrize(
    ("code", "status", "said", "complained"),
    [
        ("pass", 0, "", ""),
        ("raise SystemExit(7)", 7, "", ""),
        ("raise SystemExit(257)", 1, "", ""),
        ("raise SystemExit('no')", 1, "", "no\n"),
        ("raise SystemExit", 0, "", ""),
        ("1 / 0", 1, "", "ZeroDivisionError: division by zero\n"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "", "KeyboardInterrupt\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, "", ""),
        ("import os; os.abort()", -signal.SIGABRT, "", ""),
        ("import atexit; atexit.register(print, 'bye'); print('hi')", 0, "hi\nbye\n", ""),
        ("import threading as t; t.Timer(0.2, print, ['late']).start()", 0, "late\n", ""),
        ("import sys; print(sys.argv, sys.stdin.read())", 0, "['-c', 'a word'] from stdin\n", ""),
        ("import sys; print(sys.warnoptions, __name__, sys.path[0] == '')", 0, "[] __main__ True\n", ""),
        ("import warnings; warnings.warn('x', DeprecationWarning)", 0, "", "DeprecationWarning: x\n"),
        ("open('/dev/null').read()", 0, "", ""),
        ("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:3])", 0, "[0, 1, 2]\n", ""),
        ("import os; print(len(os.listdir('/proc/self/fd')))", 0, "4\n", ""),
        ("import os; print(os.umask(0o22))", 0, f"{0o27}\n", ""),
        ("import os, torch; print(os.getcwd(), torch.get_num_threads())", 0, "/ 1\n", ""),
        ("import signal; print(signal.getsignal(2) is signal.default_int_handler)", 0, "True\n", ""),
    ],
)  # fmt: skip
def test_it_ends_and_says_what_a_new_process_would(kind, code, status, said, complained) -> None:
    done = run(kind, code, cwd="/", umask=0o27, input="from stdin")
    assert (done.returncode, done.stdout) == (status, said), done.stderr
    assert done.stderr.endswith(complained)
    assert bool(done.stderr) == bool(complained), done.stderr


@pytest.mark.parametrize("kind", PYTHONS)
def test_warnings_are_errors_where_it_is_asked(kind: str) -> None:
    done = run(kind, "import warnings; warnings.warn('x')", "-W", "error")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "UserWarning: x")
    done = run(kind, "forgotten = open('/dev/null')", "-W", "error")
    assert "ResourceWarning: unclosed file" in done.stderr


@pytest.mark.parametrize("kind", PYTHONS)
def test_its_limits_are_its_callers(kind: str) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))

    done = run(kind, "import resource as r; print(r.getrlimit(r.RLIMIT_FSIZE))", preexec_fn=limited)
    assert done.stdout == "(20, 20)\n"
    assert run(kind, "import resource as r; print(r.getrlimit(r.RLIMIT_FSIZE))").stdout != "(20, 20)\n"


def test_output_that_cannot_be_written_ends_it_as_a_new_process() -> None:
    ends = []
    for kind in PYTHONS:
        with Path("/dev/full").open("w") as full:
            command = [python(kind), "-c", "print('x')"]
            done = subprocess.run(command, stdout=full, stderr=-1, text=True, env=environment(), check=False)
        ends.append((done.returncode, done.stderr.splitlines()[-1]))
    assert ends[0] == ends[1]
    assert ends[0][0] != 0
    assert ends[0][1].endswith("No space left on device")


WAITS = """
import os, time
try:
    print(os.getpid(), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("kind", PYTHONS)
@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGINT, 0, "interrupted\n"),
        (signal.SIGTERM, -signal.SIGTERM, ""),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_a_signal_reaches_the_program(kind: str, number: signal.Signals, status: int, said: str) -> None:
    command = [python(kind), "-c", WAITS]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environment()) as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        process.send_signal(number)
        assert process.communicate(timeout=30) == (said, "")
    assert process.returncode == status
    until = time.monotonic() + 30
    while Path(f"/proc/{program}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("kind", PYTHONS)
def test_a_script_finds_its_neighbours_and_its_name(kind: str, tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("word = 'found'")
    (tmp_path / "script.py").write_text("import sys, neighbour; print(neighbour.word, __file__, sys.argv)")
    command = [python(kind), "script.py", "-x"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment(), check=False
    )
    assert done.stdout.replace(f"{tmp_path}/", "") == "found script.py ['script.py', '-x']\n", done.stderr


def test_rlvr_is_the_installed_command() -> None:
    said = [
        subprocess.run([str(folder / "rlvr"), "--version"], capture_output=True, text=True, env=environment())
        for folder in (Path(sys.executable).parent, warm.commands(**warm.ONE_THREAD))
    ]
    assert said[0].stdout == said[1].stdout != ""
    assert (said[0].returncode, said[1].returncode) == (0, 0)
