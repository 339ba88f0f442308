"""Runs of the trainer as an experiment needs them: from a warm start made once, silent, forgotten when measured."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rlvr_trainers.learner.policy import LoadedModel
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import merge
from rlvr_gym.environments.base import Environment
from rlvr_gym.files import read_lines

CACHE = Path(__file__).parents[1] / "build" / "experiments"
Rows = list[dict[str, Any]]
"""The figures of each step, as in metrics.jsonl; those of step 0 are of the held-out evaluation before the first."""


def kept(name: str, settings: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled for these settings, now or in an earlier run of any process."""
    print_ = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{print_}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "whole").touch()
    return folder


def warm_start(settings: Mapping[str, Any]) -> Path:
    """The model that a warm-up with these settings leaves, made once."""

    def make(folder: Path) -> None:
        more = {
            "run": {"dir": folder / "run", "steps": 1, "seed": 0},
            "batch": {"prompts": 1, "group_size": 2, "minibatches": 1},
        }
        to_the_end(Trainer(load_recipe("grpo", merge(merge({"eval": None}, dict(settings)), more))))

    return kept("warm", settings, make) / "run" / "checkpoints" / "step-0"


def trained(
    recipe: str,
    settings: Mapping[str, Any],
    seed: int,
    *,
    env: Environment | None = None,
    held_out: Environment | None = None,
    model: LoadedModel | None = None,
    look: Callable[[Trainer], None] = lambda trainer: None,
) -> Rows:
    """Train in a folder that is thrown away; returns what each step logged. `look` sees the trainer at its end."""
    with tempfile.TemporaryDirectory() as folder:
        run = {"dir": folder, "seed": seed, "checkpoint_every": 100_000, "samples_per_step": 0}
        config = load_recipe(recipe, merge(dict(settings), {"run": run}))
        trainer = Trainer(config, env=env, held_out=held_out, model=model)
        to_the_end(trainer)
        look(trainer)
        return list(read_lines(Path(folder) / "metrics.jsonl"))


def to_the_end(trainer: Trainer) -> None:
    """Train to the last step. Raises KeyboardInterrupt where that was stopped: half a run is no measurement."""
    if not trainer.run().finished:
        raise KeyboardInterrupt


def mean(rows: Rows, name: str, last: int) -> float:
    """The mean of a figure over the last so many steps that logged it."""
    values = [row[name] for row in rows if row["step"] and name in row][-last:]
    return sum(values) / len(values)


def held_out(rows: Rows) -> list[float]:
    """Held-out pass@1 of every evaluation."""
    return [row["eval/pass@1"] for row in rows if "eval/pass@1" in row]
