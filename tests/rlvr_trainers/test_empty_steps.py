"""A step without one token to learn from teaches nothing: it is counted and said, and the run goes on."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.display import Display
from rlvr_trainers.run.plot import plot
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.verifiers.base import FunctionVerifier

SMALL = [
    *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols"],
    *["env.reward=per_digit", "sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=4"],
    *["optimizer.learning_rate=1e-3", "run.steps=3", "run.max_unscored=1"],
]


def config(run_dir: Path, *more: str, recipe: str = "dr_grpo") -> TrainConfig:
    return load_recipe(recipe, parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path) -> list[dict[str, Any]]:
    return list(read_lines(run_dir / "metrics.jsonl"))


def unjudged_in(trainer: Trainer, *steps: int) -> Trainer:
    """In these steps, counted from 0, the verifier fails for every sample."""
    judging = trainer.env.verifier

    def judge(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        if trainer.step in steps:
            raise OSError("the verifier's disk is gone")
        return judging.verify(task, completion)

    trainer.env.verifier = FunctionVerifier(judge)
    return trainer


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [weight.clone() for weight in trainer.models.policy.model.state_dict().values()]


@pytest.mark.parametrize("recipe", ["dr_grpo", "grpo", "rloo", "gspo"])
def test_a_step_in_which_nothing_was_judged_changes_no_weight_and_is_counted(
    recipe: str, tmp_path: Path
) -> None:
    out = io.StringIO()
    settings = config(tmp_path, recipe=recipe)
    trainer = unjudged_in(Trainer(settings, display=Display(Console(file=out, width=80))), 0, 1, 2)
    before = weights(trainer)
    assert trainer.run().finished
    assert trainer.learner.updates == 0
    assert all(map(torch.equal, before, weights(trainer)))
    assert [row.get("steps/empty") for row in rows(tmp_path)[1:]] == [1, 2, 3]
    assert rows(tmp_path)[-1]["tokens/trained"] == rows(tmp_path)[-1]["updates"] == 0
    assert (
        "step 2 taught nothing: not one token to learn from in 16 samples: 16 not judged; so far 2"
        in out.getvalue()
    )


def test_a_step_in_which_all_was_truncated_and_filtered_says_so(tmp_path: Path) -> None:
    out = io.StringIO()
    settings = config(tmp_path, "overlong.filter=true", "run.steps=2")
    trainer = Trainer(settings, display=Display(Console(file=out, width=80)))
    forbid_ends(trainer)
    assert trainer.run().finished
    assert [row.get("steps/empty") for row in rows(tmp_path)[1:]] == [1, 2]
    assert rows(tmp_path)[-1]["truncation/share"] == 1
    assert "16 samples: 16 truncated and filtered out; so far 1" in out.getvalue()


def forbid_ends(trainer: Trainer) -> None:
    """Let no completion end: the end token's logit is far below every other one."""
    end = torch.tensor([trainer.models.policy.end_id])
    head = trainer.models.policy.model.get_output_embeddings()
    head.register_forward_hook(lambda module, inputs, logits: logits.index_fill(-1, end, -100.0))


def test_a_run_with_an_empty_step_resumes_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = unjudged_in(Trainer(config(tmp_path / "whole", "run.steps=4")), 1)
    whole.run()
    unjudged_in(Trainer(config(tmp_path / "parts", "run.steps=2")), 1).run()
    parts = unjudged_in(Trainer(config(tmp_path / "parts", "run.steps=4")), 1)
    assert (parts.resumed_from, parts.empty_steps) == (2, 1)
    parts.run()
    assert all(map(torch.equal, weights(whole), weights(parts)))
    assert [row.get("steps/empty") for row in rows(tmp_path / "parts")] == [None, None, 1, None, None]
    assert parts.learner.updates == 3


def test_the_curves_of_such_a_run_can_be_drawn(tmp_path: Path) -> None:
    unjudged_in(Trainer(config(tmp_path)), 0, 1, 2).run()
    plot(tmp_path, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 0


def test_a_step_of_several_updates_skips_those_without_a_token(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path, "batch.minibatches=4", "run.steps=1"))
    judging = trainer.env.verifier
    judged: dict[str, None] = {}

    def judge(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        judged.setdefault(task.id)
        if task.id != next(iter(judged)):
            raise OSError("gone")
        return judging.verify(task, completion)

    trainer.env.verifier = FunctionVerifier(judge)
    trainer.run()
    assert rows(tmp_path)[-1]["updates"] == 1
    assert "steps/empty" not in rows(tmp_path)[-1]
