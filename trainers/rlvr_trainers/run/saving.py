"""The choice of weights for checkpoints, and the writing of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch

from rlvr_gym.environments.settings import TrainedModel
from rlvr_gym.errors import TrainingError
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.disk import writing
from rlvr_trainers.learner.learner import Learner
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.run.checkpoints import Checkpoints
from rlvr_trainers.run.stage import Stage
from rlvr_trainers.sampling.collector import UnusableWeights

State = dict[str, Any]


@final
class Saver:
    """Writes checkpoints of whole steps, on the first process, or on all of them where the model is sharded.

    A checkpoint holds the model, the random state of torch, what `stage` has beside it (optimizers, a critic), and what
    `state` gives.
    `trained` says how the model was prompted and sampled; None where no environment is named.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        stage: Stage,
        mesh: Mesh,
        trained: TrainedModel | None,
        state: Callable[[], State],
    ) -> None:
        self.checkpoints = checkpoints
        self._stage, self._mesh, self._trained, self._state = stage, mesh, trained, state
        self._whole_at: int | None = None
        """`learner.updates` when the weights were last those of a whole number of steps."""

    def whole(self) -> None:
        """Note that the weights are now those of a whole number of steps."""
        self._whole_at = self._learner.updates

    def save(self, *, anew: bool = False) -> None:
        """Save this step, `anew` also where it has a checkpoint already; all processes call it together."""
        whole_at, self._whole_at = self._whole_at, None  # what cannot be written now is not tried again
        if self._mesh.sharded:
            self._write(anew=anew)
        else:
            self._mesh.together(lambda: self._write(anew=anew))
        self._whole_at = whole_at

    def save_if_whole(self) -> None:
        """Save unless the weights are those of a half-done step, which is done again from the last checkpoint.

        Waits for no other process, which may be anywhere, or gone; but of a sharded model all processes must call it.
        """
        if self._whole_at == self._learner.updates:
            self._write(anew=False)

    def save_after(self, error: BaseException) -> Path | None:
        """Keep what is whole although the run failed; returns the latest checkpoint.

        A failure to keep it is told together with `error`. Weights that cannot be sampled from are not kept, nor are
        sharded ones where another process may not have come to the same end.
        """
        if self._may_keep(error):
            try:
                self.save_if_whole()
            except TrainingError as another:
                raise TrainingError(f"{error}\nand {another}") from error
        steps = self.checkpoints.steps()
        return self.checkpoints.path(steps[-1]) if steps else None

    def _may_keep(self, error: BaseException) -> bool:
        unusable = isinstance(error, UnusableWeights)
        if not self._mesh.sharded:
            return not unusable
        return self._mesh.all_know(error) and not self._mesh.agreed(unusable)

    def finish(self, folder: Path) -> None:
        """Write the finished model, an ordinary model folder."""

        def write() -> None:
            with writing("the finished model", folder):
                self._write_model(folder, self._learner.models.policy.save_merged)

        if self._mesh.sharded:
            self._mesh.together(write)
        elif self._mesh.first:
            write()

    @property
    def _learner(self) -> Learner[CreditedBatch]:
        return self._stage.learner

    def _write(self, *, anew: bool) -> None:
        state = self._state()
        if self._mesh.sharded:
            due = self._mesh.agreed(anew or state["step"] not in self.checkpoints.steps())
        else:
            due = self._mesh.first and (anew or state["step"] not in self.checkpoints.steps())
        if due:
            tensors = {**self._stage.tensors(), "torch_rng": torch.get_rng_state()}
            shards = self._stage.save_shards if self._mesh.sharded else None
            self.checkpoints.save(state["step"], self._save_model, tensors, state, save_shards=shards)

    def _save_model(self, folder: Path) -> None:
        self._write_model(folder, self._learner.models.policy.save)

    def _write_model(self, folder: Path, write: Callable[[Path], None]) -> None:
        """Write the policy, and beside it what makes it more: how it was prompted, a head for rewards."""
        # Gathered before anything is written: a process that cannot write is not there to gather with.
        parts = [part.writer() for part in self._learner.models.beside.values()]
        write(folder)
        if not self._mesh.first:
            return
        if self._trained is not None:
            self._trained.write(folder)
        for write_part in parts:
            write_part(folder)
