"""Whole runs of two processes: as one process would have done it, and together whatever happens to one."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from tests import warm

pytestmark = pytest.mark.long

SMALL = [
    "model.path=tiny:0123456789>",
    "env.id=reverse",
    "env.digits=2",
    "env.style=symbols",
    "env.reward=per_digit",
    "sampling.max_tokens=4",
    "batch.prompts=6",
    "batch.group_size=4",
    "batch.minibatches=2",
    "batch.microbatch_tokens=40",
    "optimizer.learning_rate=1e-3",
    "optimizer.warmup_steps=0",
]


def start(recipe: str, run_dir: Path, *more: str, fault: str = "none") -> list[subprocess.Popen[str]]:
    """Two processes of one run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("training_rank.py")
    python = str(warm.commands(**warm.ONE_THREAD) / "python")
    command = [python, str(script), recipe, fault, *SMALL, f"run.dir={run_dir}", *more]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **warm.ONE_THREAD}
    pipe = subprocess.PIPE
    return [
        subprocess.Popen(
            command, env={**os.environ, **group, "RANK": rank}, stdout=pipe, stderr=pipe, text=True
        )
        for rank in ("0", "1")
    ]


def outcomes(processes: list[subprocess.Popen[str]], seconds: float = 120) -> list[tuple[int, str]]:
    """(exit status, output) of each; a process that does not end fails the test."""
    try:
        said = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, out + err) for p, (out, err) in zip(processes, said, strict=True)]


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def measured(row: dict[str, Any]) -> dict[str, float]:
    return {k: v for k, v in row.items() if not k.startswith(("seconds/", "tokens_per_second/", "memory/"))}


def assert_same_but_for_rounding(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    for name, weight in one.items():
        difference = two[name] - weight
        # Adam makes steps out of the rounding errors of gradients near zero. That of the keys' bias is zero.
        if name.endswith("attn.c_attn.bias"):
            assert difference.abs().max() < 1e-3, name
        else:
            assert difference.norm() < 2e-6 * weight.norm() + 1e-6, name
            assert difference.abs().max() < 2e-5, name


def test_two_processes_train_the_model_that_one_would_have_trained(tmp_path: Path) -> None:
    settings = [
        *["run.steps=1", "warmup.steps=1", "warmup.batch_size=8", "eval.every=1", "eval.tasks=6"],
        *["algorithm.kl_coefficient=0.1", "algorithm.entropy_top_share=0.5", "run.checkpoint_every=1"],
    ]
    both = outcomes(start("dapo", tmp_path / "two", *settings))
    assert [status for status, _ in both] == [0, 0], both
    Trainer(load_recipe("dapo", parse_overrides([*SMALL, *settings, f"run.dir={tmp_path / 'one'}"]))).run()

    one, two = (load_model(tmp_path / name / "model")[0].state_dict() for name in ("one", "two"))
    assert_same_but_for_rounding(one, two)
    for left, right in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        assert measured(right) == pytest.approx(measured(left), rel=1e-3, abs=1e-4)
    one_samples, two_samples = (rows(tmp_path / name, "samples.jsonl") for name in ("one", "two"))
    assert [s["messages"] for s in two_samples] == [s["messages"] for s in one_samples]
    assert len(list((tmp_path / "two" / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("sft", []),
        ("rft", ["algorithm.least_score=0.25", "batch.group_size=32", "sampling.max_tokens=6"]),
        ("online_dpo", ["batch.group_size=16", "dynamic_sampling=null"]),
        ("ppo", ["algorithm.critic_learning_rate=1e-3", "batch.group_size=8"]),
        ("distill", ["algorithm.teacher=tiny:0123456789>"]),
        ("distill", ["algorithm.teacher=tiny:0123456789>", "algorithm.vocabulary=sampled"]),
    ],
)
def test_two_processes_learn_what_one_would_have_learned(
    recipe: str, more: list[str], tmp_path: Path
) -> None:
    settings = ["run.steps=2", "run.samples_per_step=1000", *more]
    both = outcomes(start(recipe, tmp_path / "two", *settings))
    assert [status for status, _ in both] == [0, 0], both
    Trainer(load_recipe(recipe, parse_overrides([*SMALL, *settings, f"run.dir={tmp_path / 'one'}"]))).run()

    one, two = (load_model(tmp_path / name / "model")[0].state_dict() for name in ("one", "two"))
    assert_same_but_for_rounding(one, two)
    for left, right in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        of_both = [measured(row) for row in (left, right)]
        for figures in of_both if left["step"] == 1 else []:
            figures.pop("preference/accuracy", None)  # the sign of what is 0 but for rounding
        assert of_both[1] == pytest.approx(of_both[0], rel=1e-3, abs=1e-4)
    assert rows(tmp_path / "one")[-1]["tokens/trained"] > 0
    one, two = (rows(tmp_path / name, "samples.jsonl") for name in ("one", "two"))
    assert [(s["task"], s["messages"]) for s in one] == [(s["task"], s["messages"]) for s in two]
    assert [s["advantage"] for s in two] == pytest.approx([s["advantage"] for s in one], abs=1e-3)


def test_what_one_process_reports_stops_both_and_keeps_the_last_whole_step(tmp_path: Path) -> None:
    settings = ["run.steps=5", "run.checkpoint_every=100"]
    both = outcomes(start("dr_grpo", tmp_path, *settings, fault="reported"))
    assert [status for status, _ in both] == [1, 1]
    assert all("error: after step 1: reported" in output for _, output in both)
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["step-0", "step-1"]


def test_a_process_that_breaks_down_does_not_leave_the_other_waiting(tmp_path: Path) -> None:
    both = outcomes(start("dr_grpo", tmp_path, "run.steps=5", "run.checkpoint_every=100", fault="unforeseen"))
    (first, said), (second, traceback) = both
    assert first != 0
    assert second != 0
    assert "RuntimeError: unforeseen" in traceback
    assert "error: another process of this run has ended" in said
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["step-0", "step-1"]


def test_a_stop_asked_of_one_process_stops_both_after_the_same_step(tmp_path: Path) -> None:
    processes = start("dr_grpo", tmp_path, "run.steps=100000", "run.checkpoint_every=100000")
    until = time.monotonic() + 100
    while not any(row["step"] >= 2 for row in rows(tmp_path)):
        assert time.monotonic() < until
        assert processes[0].poll() is None, processes[0].communicate()
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGINT)
    both = outcomes(processes)
    assert [status for status, _ in both] == [0, 0], both
    saved = max(int(path.name[5:]) for path in (tmp_path / "checkpoints").glob("step-*"))
    assert [output.splitlines()[-1] for _, output in both] == [f"finished False after {saved}"] * 2
