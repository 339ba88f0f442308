"""`rlvr train --processes`: the processes of a run, and the run's own word as the last one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlvr_gym.files import read_lines

pytestmark = pytest.mark.long

SMALL = [
    *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols"],
    *["sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=4", "run.checkpoint_every=100000"],
]


def start(run_dir: Path, *more: str) -> subprocess.Popen[str]:
    """A run of two processes, in a process group of its own, as a terminal would start it."""
    rlvr = str(Path(sys.executable).with_name("rlvr"))
    command = [rlvr, "train", "dr_grpo", "--processes", "2", *SMALL, f"run.dir={run_dir}", *more]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def test_several_processes_finish_a_run_and_say_so_once(tmp_path: Path) -> None:
    process = start(tmp_path, "run.steps=2")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert output.count("run folder") == 1
    assert "torchrun" not in output
    assert [row["step"] for row in read_lines(tmp_path / "metrics.jsonl")] == [0, 1, 2]


@pytest.mark.parametrize("stop", ["ctrl-c", "sigterm"])
def test_when_several_processes_are_stopped_the_last_word_is_the_runs_own(stop: str, tmp_path: Path) -> None:
    process = start(tmp_path, "run.steps=100000")
    until = time.monotonic() + 120
    while not any(row["step"] >= 2 for row in read_lines(tmp_path / "metrics.jsonl")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
    if stop == "ctrl-c":  # a terminal sends it to all of them
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    saved = max(int(path.name[5:]) for path in (tmp_path / "checkpoints").glob("step-*"))
    assert output.splitlines()[-1] == f"stopped after step {saved}; the same command resumes {tmp_path}"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("batch.promts=3", "no such setting; did you mean 'prompts'?"),
        ("mesh.shard=4", "mesh.shard=4 splits the model over 4 processes, and this run has 2"),
    ],
)
def test_what_cannot_work_is_said_once_before_any_process_is_started(
    setting: str, told: str, tmp_path: Path
) -> None:
    process = start(tmp_path / "run", setting)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert " ".join(output.split()).count(told) == 1
    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_has_the_exit_status_of_a_failure(tmp_path: Path) -> None:
    process = start(tmp_path, "algorithm.entropy_coefficient=1e308")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "the loss of optimizer step 1 is" in output
    assert "Traceback" not in output


def test_the_page_that_torchrun_ends_with_says_what_was_wrong(tmp_path: Path) -> None:
    rlvr = str(Path(sys.executable).with_name("rlvr"))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", rlvr]
    done = subprocess.run(
        [*torchrun, "train", "dr_grpo", *SMALL, f"run.dir={tmp_path}", "batch.minibatches=3"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    page = done.stderr.rpartition("Root Cause")[2]
    assert "traceback : error: batch: 4 prompts do not divide into 3 minibatches" in page
