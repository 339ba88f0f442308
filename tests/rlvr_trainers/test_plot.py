"""Learning curves as a picture."""

import json
from pathlib import Path

import pytest
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.plot import IMITATION, PANELS, draw
from rlvr_trainers.trainer import Trainer

from rlvr_gym import ConfigError
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps of a run, evaluated."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    settings = [
        *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols"],
        *["env.reward=per_digit", "sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=4"],
        *["run.steps=2", "eval.every=1", "eval.tasks=4", f"run.dir={folder}", "optimizer.learning_rate=1e-2"],
    ]
    Trainer(load_recipe("dr_grpo", parse_overrides(settings))).run()
    return folder


def test_a_run_becomes_a_picture(run: Path, tmp_path: Path) -> None:
    assert draw(run, tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_every_panel_draws_metrics_that_runs_log(run: Path) -> None:
    logged = {name for row in read_lines(run / "metrics.jsonl") for name in row} | {"length/correct"}
    assert {name for _, names in PANELS for name in names} <= logged


def test_an_imitation_is_drawn_with_its_likelihood(tmp_path: Path) -> None:
    settings = [
        *[
            "model.path=tiny:0123456789>",
            "env.id=reverse",
            "env.digits=2",
            "env.style=symbols",
            "batch.prompts=4",
        ],
        *["sampling.max_tokens=4", "run.steps=2", f"run.dir={tmp_path}"],
    ]
    Trainer(load_recipe("sft", parse_overrides(settings))).run()
    (name,) = IMITATION[1]
    assert all(name in row for row in read_lines(tmp_path / "metrics.jsonl") if row["step"])
    assert draw(tmp_path, tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_a_run_without_evaluation_is_drawn_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, "reward/mean": 0.5}) + "\n")
    assert draw(tmp_path, tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_a_folder_without_metrics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no metrics in .*: is it the folder of a training run"):
        draw(tmp_path, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_a_picture_that_cannot_be_written_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write the picture .*none/curves\.png"):
        draw(run, tmp_path / "none" / "curves.png")
