"""Checkpoints: a model folder with the trainer's state beside it, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, final

import torch

from rlvr_gym.errors import TrainingError

State = dict[str, Any]


@final
class Checkpoints:
    """`checkpoints/step-N/`: the last `keep` of a run, and the best.

    Each is an ordinary `save_pretrained` folder with `optimizer.pt` (tensors: optimizer, RNG) and
    `trainer.json` (everything else). A folder appears under its name only when it is complete and on disk.
    """

    def __init__(self, run_dir: Path, *, keep: int) -> None:
        self.folder = run_dir / "checkpoints"
        self._keep = keep

    def steps(self) -> list[int]:
        """Steps that have a complete checkpoint, in order."""
        return sorted(int(path.name.removeprefix("step-")) for path in self.folder.glob("step-*"))

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.folder / f"step-{step}"

    def save(self, step: int, save_model: Callable[[Path], None], tensors: State, state: State) -> Path:
        """Write a checkpoint, then delete those that need not be kept.

        `state["best"]` is {"step": ..., "score": ...} or None. Raises TrainingError when it cannot be
        written; the checkpoints already there stay as they are.
        """
        temporary = self.folder / f".step-{step}.tmp"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            save_model(temporary)
            torch.save(tensors, temporary / "optimizer.pt")
            (temporary / "trainer.json").write_text(json.dumps(state), encoding="utf-8")
            for path in temporary.iterdir():
                _sync(path)
            _sync(temporary)
            shutil.rmtree(self.path(step), ignore_errors=True)
            os.replace(temporary, self.path(step))
            _sync(self.folder)
        except (OSError, RuntimeError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise TrainingError(self._failure(step, error)) from error
        self._prune(state.get("best"))
        return self.path(step)

    def load(self, step: int) -> tuple[State, State]:
        """(tensors, state) of a checkpoint."""
        folder = self.path(step)
        try:
            tensors = torch.load(folder / "optimizer.pt", weights_only=True, map_location="cpu")
            return tensors, json.loads((folder / "trainer.json").read_text(encoding="utf-8"))
        except (OSError, RuntimeError, ValueError, UnpicklingError) as error:
            raise TrainingError(
                f"the checkpoint {folder} is damaged ({type(error).__name__}); delete that folder to resume from an "
                "earlier one"
            ) from error

    def _prune(self, best: dict[str, Any] | None) -> None:
        steps = self.steps()
        kept = {*steps[-self._keep :], best["step"] if best else -1}
        for step in steps:
            if step not in kept:
                shutil.rmtree(self.path(step))

    def _failure(self, step: int, error: Exception) -> str:
        free = shutil.disk_usage(self.folder if self.folder.exists() else self.folder.parent).free
        last = self.steps()
        resume = (
            f"the same command resumes from step {last[-1]}" if last else "there is no earlier checkpoint"
        )
        return (
            f"cannot write the checkpoint of step {step} to {self.folder}: {error} "
            f"({free / 1e6:,.0f} MB free there). Make room; {resume}"
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
