"""Whole runs with a critic, a teacher or a reward model in parts: killed, moved, and the run of one process."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from safetensors.torch import load_file

from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.verifiers.process_reward.verifier import STEP_HEAD
from rlvr_gym.verifiers.reward_model import HEAD
from tests.rlvr_trainers.test_process_reward_model import ALPHABET, labelled
from tests.rlvr_trainers.test_ranks import SMALL, measured
from tests.rlvr_trainers.test_reward_model import NUMBERS, pairs
from tests.rlvr_trainers.test_sharding import ranks_of
from tests.rlvr_trainers.test_trainer import same_weights

pytestmark = pytest.mark.long

COMMON = [*SMALL, "run.checkpoint_every=1", "run.keep=9", "optimizer.schedule=constant"]
WARM = ["warmup.steps=1", "warmup.batch_size=8"]
RUNS = {
    "critic": ["ppo", *WARM, "algorithm.critic_learning_rate=1e-3", "algorithm.kl_coefficient=0.1"],
    "critic head": ["ppo", *WARM, "algorithm.critic=head", "algorithm.critic_learning_rate=1e-3"],
    "teacher": ["distill", *WARM, "algorithm.teacher=tiny:0123456789>"],
    "sampled teacher": ["distill", "algorithm.teacher=tiny:0123456789>", "algorithm.vocabulary=sampled"],
    # Of a head of zeros the layers' first gradients are 0: Adam makes whole steps of rounding errors, so small ones.
    "rewards": ["reward_model", "optimizer.learning_rate=1e-4", "algorithm.measure_every=1"],
    "steps": ["prm", f"model.path={ALPHABET}", "optimizer.learning_rate=1e-4", "algorithm.measure_every=1"],
}

HEADS = {"rewards": HEAD, "steps": STEP_HEAD}
"""Files of the heads that runs train beside a model's layers."""

QUICK = ("critic", "teacher", "rewards", "steps")
SOME = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]


def settings(name: str, run_dir: Path) -> list[str]:
    """The recipe of a run, and its settings; of a reward model, with data in files beside the run."""
    recipe, *more = RUNS[name]
    if recipe in ("reward_model", "prm"):
        write = pairs if recipe == "reward_model" else labelled
        data = write(run_dir.parent / "data.jsonl", NUMBERS[:24])
        held_out = write(run_dir.parent / "held-out.jsonl", NUMBERS[24:31])
        more += [f"data.path={data}", f"algorithm.held_out={held_out}"]
    return [recipe, *COMMON, *more, f"run.dir={run_dir}"]


def alone(name: str, run_dir: Path, steps: int) -> None:
    recipe, *more = settings(name, run_dir)
    Trainer(load_recipe(recipe, parse_overrides([*more, f"run.steps={steps}"]))).run()


def sharded(name: str, run_dir: Path, steps: int, *, killed: str = "-", after: int = 0) -> list[int]:
    """Exit statuses of two processes that share the models of a run."""
    recipe, *more = settings(name, run_dir)
    both = ranks_of(
        "sharded_run_rank.py", [recipe, killed, after, *more, "mesh.shard=2", f"run.steps={steps}"], 2
    )
    if killed == "-":
        assert [status for status, _ in both] == [0, 0], both
    return [status for status, _ in both]


def figures(run_dir: Path) -> list[dict[str, Any]]:
    rows = [measured(row) for row in read_lines(run_dir / "metrics.jsonl")]
    for row in rows:
        row.pop("preference/accuracy", None)  # the sign of what is 0 but for rounding
    return rows


def test_a_critic_in_parts_goes_on_bit_for_bit_after_a_process_was_killed(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert sharded("critic", killed, 3, killed="1", after=2) == [1, -signal.SIGKILL]
    assert (killed / "checkpoints" / "step-2" / "optimizer" / "critic_weights" / ".metadata").exists()
    for run_dir in (killed, whole):
        sharded("critic", run_dir, 3)
    assert same_weights(killed / "model", whole / "model")
    assert figures(killed) == figures(whole)
    assert figures(killed)[-1]["critic/loss"] > 0


@pytest.mark.parametrize("name", SOME)
def test_a_run_goes_on_with_another_number_of_processes(name: str, tmp_path: Path) -> None:
    moved, whole = tmp_path / "moved", tmp_path / "whole"
    sharded(name, moved, 1)
    alone(name, moved, 2)
    sharded(name, moved, 3)
    alone(name, whole, 3)
    one, other = (load_model(folder / "model")[0].state_dict() for folder in (moved, whole))
    for weights, expected in zip(one.values(), other.values(), strict=True):
        torch.testing.assert_close(weights, expected, rtol=0, atol=1e-3)
    for row, as_expected in zip(figures(moved), figures(whole), strict=True):
        assert row == pytest.approx(as_expected, rel=1e-3, abs=1e-4)
    for kind, file in HEADS.items():
        assert (moved / "model" / file).exists() is (name == kind)
    if name in HEADS:
        head, as_expected = (load_file(folder / "model" / HEADS[name]) for folder in (moved, whole))
        for part in as_expected:
            torch.testing.assert_close(head[part], as_expected[part], rtol=0, atol=1e-6)
            assert head[part].abs().max() > 1e-5
