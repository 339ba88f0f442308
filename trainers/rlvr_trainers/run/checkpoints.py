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
from rlvr_trainers.disk import DISK_ERRORS, not_written
from rlvr_trainers.mesh import Mesh

State = dict[str, Any]

SHARDS = "optimizer"
"""Folder within a checkpoint of what processes write in parts."""


@final
class Checkpoints:
    """`checkpoints/step-N/`: the last `keep` of a run, and the best.

    Each is an ordinary `save_pretrained` folder with `optimizer.pt` (tensors: optimizer, RNG) and
    `trainer.json` (everything else). Of a model that is sharded over the processes of `mesh`, the optimizer's state
    and a critic are in `optimizer/`, in parts. A folder appears under its name only when it is complete and on disk.
    """

    def __init__(self, run_dir: Path, *, keep: int, mesh: Mesh | None = None) -> None:
        self.folder = run_dir / "checkpoints"
        self._keep, self._mesh = keep, mesh

    def steps(self) -> list[int]:
        """Steps that have a complete checkpoint, in order."""
        names = (path.name.removeprefix("step-") for path in self.folder.glob("step-*"))
        return sorted(int(name) for name in names if name.isdecimal())

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.folder / f"step-{step}"

    def save(
        self,
        step: int,
        save_model: Callable[[Path], None],
        tensors: State,
        state: State,
        *,
        save_shards: Callable[[Path], None] | None = None,
    ) -> Path:
        """Write a checkpoint, then delete those that need not be kept.

        `state["best"]` is {"step": ..., "score": ...} or None. Where the model is sharded, all processes call this
        together; `save_model`, and `save_shards` for `optimizer/`, are then called in each of them. Raises
        TrainingError when it cannot be written; the checkpoints already there stay as they are.
        """
        temporary = self.folder / f".step-{step}.tmp"

        def begin() -> None:
            self.clear_away()
            temporary.mkdir(parents=True)

        def finish() -> None:
            torch.save(tensors, temporary / "optimizer.pt")
            (temporary / "trainer.json").write_text(json.dumps(state), encoding="utf-8")
            for path in temporary.rglob("*"):
                _sync(path)
            _sync(temporary)
            self._remove(step)
            os.replace(temporary, self.path(step))
            _sync(self.folder)
            self._prune(state.get("best"))

        self._do(step, begin, alone=True)
        self._do(step, lambda: save_model(temporary))
        if save_shards is not None:
            self._do(step, lambda: save_shards(temporary / SHARDS))
        self._do(step, finish, alone=True)
        return self.path(step)

    def _do(self, step: int, work: Callable[[], object], *, alone: bool = False) -> None:
        """Do a part of a checkpoint's writing, `alone` on the first process; it fails on all or on none."""
        together = self._mesh if self._mesh and self._mesh.sharded else None
        first = together is None or together.first

        def attempt() -> None:
            try:
                if first or not alone:
                    work()
            except DISK_ERRORS as error:
                raise TrainingError(self._failure(step, error)) from error

        try:
            together.together(attempt) if together else attempt()
        except TrainingError:
            if first:
                self.clear_away()
            raise

    def shards(self, step: int) -> Path | None:
        """The folder of the optimizer's state where it is in parts."""
        folder = self.path(step) / SHARDS
        return folder if folder.is_dir() else None

    def load(self, step: int) -> tuple[State, State]:
        """(tensors, state) of a checkpoint."""
        folder = self.path(step)
        try:
            tensors = torch.load(folder / "optimizer.pt", weights_only=True, map_location="cpu")
            return tensors, json.loads((folder / "trainer.json").read_text(encoding="utf-8"))
        except (OSError, EOFError, RuntimeError, ValueError, UnpicklingError) as error:
            raise TrainingError(
                f"the checkpoint {folder} is damaged ({type(error).__name__}); delete that folder to resume from an "
                "earlier one"
            ) from error

    def clear(self) -> None:
        """Delete all of them: a run begins anew."""
        self.clear_away()
        for step in self.steps():
            self._remove(step)

    def clear_away(self) -> None:
        """Delete what was half written, or half deleted, when an earlier attempt or process ended."""
        for path in self.folder.glob(".step-*"):
            shutil.rmtree(path, ignore_errors=True)

    def _prune(self, best: dict[str, Any] | None) -> None:
        steps = self.steps()
        kept = {*steps[-self._keep :], best["step"] if best else -1}
        for step in steps:
            if step not in kept:
                self._remove(step)

    def _remove(self, step: int) -> None:
        """Take a checkpoint's name away before its files, so that none is ever seen half deleted."""
        if self.path(step).exists():
            doomed = self.folder / f".step-{step}.old"
            os.replace(self.path(step), doomed)
            shutil.rmtree(doomed)

    def _failure(self, step: int, error: Exception) -> str:
        last = self.steps()
        resume = (
            f"the same command resumes from step {last[-1]}" if last else "there is no earlier checkpoint"
        )
        return f"{not_written(f'the checkpoint of step {step}', self.folder, error)}. Make room; {resume}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
