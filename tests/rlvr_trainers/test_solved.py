"""A run that has learned everything ends well: nothing informative is left, because nearly all is right."""

import io
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.display import Display
from rlvr_trainers.trainer import Trainer, TrainResult

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.verifiers.base import FunctionVerifier
from tests import warm

pytestmark = pytest.mark.long

SMALL = [
    *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols"],
    *["env.reward=per_digit", "sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=4"],
    *["batch.minibatches=1", "optimizer.learning_rate=1e-3", "run.steps=6", "run.checkpoint_every=100"],
    *["eval.every=100", "eval.tasks=4", "dynamic_sampling.max_rounds=8"],
]


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("dapo", parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def run(settings: TrainConfig, *, right_from: int, display: Display | None = None) -> TrainResult:
    """A run in which every answer is right once `right_from` steps are done."""
    trainer = Trainer(settings, name="dapo", display=display)
    judging = trainer.env.verifier

    def judge(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        return rg.Verdict.right() if trainer.step >= right_from else judging.verify(task, completion)

    trainer.env.verifier = FunctionVerifier(judge)
    return trainer.run()


def rows(run_dir: Path) -> list[dict[str, Any]]:
    return list(read_lines(run_dir / "metrics.jsonl"))


def saved(run_dir: Path) -> list[str]:
    return sorted(path.name for path in (run_dir / "checkpoints").iterdir())


def screen() -> tuple[Display, io.StringIO]:
    """A display, and what it writes to."""
    out = io.StringIO()
    return Display(Console(file=out, width=80)), out


def test_where_all_is_right_the_run_evaluates_writes_its_model_and_says_solved(tmp_path: Path) -> None:
    display, out = screen()
    result = run(config(tmp_path / "run"), right_from=2, display=display)
    assert (result.finished, result.solved, result.step) == (True, True, 2)
    assert result.after is not None
    assert result.after.step == 2
    assert [row["step"] for row in rows(tmp_path / "run")] == [0, 1, 2]
    assert rows(tmp_path / "run")[2]["eval/pass@1"] == result.after.value
    assert saved(tmp_path / "run") == ["step-0", "step-2"]
    assert load_model(tmp_path / "run" / "model")[0].num_parameters() > 0
    said = "solved at step 2: of 32 prompts, 100.00% were answered right by all of their samples"
    assert said in out.getvalue()


def test_the_same_command_again_says_that_it_is_solved_and_samples_nothing(tmp_path: Path) -> None:
    display, out = screen()
    first = run(config(tmp_path / "run"), right_from=2)
    before = rows(tmp_path / "run")
    trainer = Trainer(config(tmp_path / "run"), name="dapo", display=display)
    trainer.env.verifier = FunctionVerifier(lambda task, completion: pytest.fail("something was sampled"))
    assert trainer.run() == first
    assert rows(tmp_path / "run") == before
    assert "solved at step 2" in out.getvalue()


def test_with_other_rounds_a_solved_run_looks_again_and_may_go_on(tmp_path: Path) -> None:
    run(config(tmp_path), right_from=2)
    result = run(config(tmp_path, "dynamic_sampling.max_rounds=10"), right_from=4)
    assert (result.solved, result.step) == (True, 4)
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2, 3, 4]


def test_a_step_with_a_checkpoint_already_is_known_to_be_solved_after_resuming(tmp_path: Path) -> None:
    run(config(tmp_path, "run.checkpoint_every=2"), right_from=2)
    assert Trainer(config(tmp_path, "run.checkpoint_every=2"), name="dapo").solved is not None


def test_a_policy_that_has_nothing_to_learn_is_solved_at_step_0(tmp_path: Path) -> None:
    result = run(config(tmp_path, "eval=null"), right_from=0)
    assert (result.finished, result.solved, result.step) == (True, True, 0)
    assert (tmp_path / "model").is_dir()


def test_a_run_that_the_monitor_is_told_to_stop_does_not_end_well_because_all_is_paid(tmp_path: Path) -> None:
    """A verifier that pays one of four, then three of four, then all, whatever is said: nothing is learned by it."""
    more = ["run.steps=20", "eval.tasks=100", "monitor.stop=[held_out]", "monitor.max_held_out_gap=0.05"]
    trainer = Trainer(config(tmp_path, *more), name="dapo")
    judged: Counter[str] = Counter()

    def judge(task: rg.Task, completion: rg.Completion) -> bool:
        judged[task.id] += 1
        last_of_four = judged[task.id] % 4 == 0
        return trainer.step >= 10 or last_of_four == (trainer.step < 5)

    trainer.env.verifier = FunctionVerifier(judge)
    with pytest.raises(rg.TrainingError, match=r"held_out: .*The reward is being hacked"):
        trainer.run()
    assert trainer.step == 10
    assert not (tmp_path / "model").exists()


def test_where_all_is_wrong_the_run_fails_without_a_model(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path))
    trainer.env.verifier = FunctionVerifier(lambda task, completion: rg.Verdict.wrong())
    with pytest.raises(rg.TrainingError, match=r"100% all wrong.*easier tasks"):
        trainer.run()
    assert not (tmp_path / "model").exists()


SCRIPT = """
import sys
from rlvr_gym.cli.main import main
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.base import FunctionVerifier
from tests import warm
from rlvr_trainers import trainer

def always_right(*given, built=trainer.environments):
    env, held_out = built(*given)
    env.verifier = FunctionVerifier(lambda task, completion: Verdict.right())
    return env, held_out

trainer.environments = always_right
main(sys.argv[1:])
"""


def test_the_command_line_exits_with_0_both_times(tmp_path: Path) -> None:
    python = str(warm.commands(**warm.ONE_THREAD) / "python")
    command = [python, "-c", SCRIPT, "train", "dapo", *SMALL, "eval=null", f"run.dir={tmp_path}"]
    for _ in range(2):
        done = subprocess.run(
            command, env=os.environ | warm.ONE_THREAD, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert "solved at step 0: of 32 prompts, 100.00% were answered right" in done.stdout
        assert f"model       {tmp_path / 'model'}" in done.stdout
