"""From credited samples to new weights: log-probabilities, gradients, optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from rlvr_gym.clock import PhaseClock
from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.weights import whole
from rlvr_gym.seeding import derive_seed
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.plan import Microbatch, one_by_one
from rlvr_trainers.learner.models import Model, Models, Role
from rlvr_trainers.learner.optimizer import (
    clip_gradients,
    optimizer_and_schedule,
    optimizer_bytes,
    restore_optimizer,
    shards_of,
)
from rlvr_trainers.learner.shards import save_shards
from rlvr_trainers.learner_settings import BatchConfig, OptimizerConfig
from rlvr_trainers.mesh import Mesh, others_needed
from rlvr_trainers.objectives.base import Batch, Objective
from rlvr_trainers.objectives.token_table import TokenTable, step_metrics

State = dict[str, Any]
B = TypeVar("B", bound=Batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdatePlan:
    """Settings of a learner's optimizer steps."""

    batch: BatchConfig
    """Minibatches, epochs, and how many tokens a microbatch has at most."""
    optimizer: OptimizerConfig
    total_updates: int
    """Optimizer steps that the run will take, for the schedule."""
    temperature: float
    """The sampling temperature, which log-probabilities are taken at."""
    max_mismatch: float
    """Distance of the sampler's log-probabilities from the policy's, a token, that is allowed on average."""
    rate_setting: str = "optimizer.learning_rate"
    """A user's name for the learning rate."""


@final
class Learner(Generic[B]):
    """The models of a run and the optimizer of one of them, the policy as a rule.

    Every process holds the whole step and works on an even share of its sequences; denominators are those of the
    whole optimizer step, so losses are plain sums and gradients are summed over microbatches and processes.

    Args:
        models: by role.
        objective: makes the objective of an optimizer step from all of its samples.
        plan: of its optimizer steps.
        mesh: the processes of the run.
        role: of the model that is trained.
    """

    def __init__(
        self,
        models: Models,
        objective: Callable[[B], Objective[B]],
        *,
        plan: UpdatePlan,
        mesh: Mesh,
        role: Role = Role.POLICY,
    ) -> None:
        self.models, self.mesh = models, mesh
        self.updates = 0
        """Finished optimizer steps: the version of the weights."""
        self._objective, self._plan, self._batch = objective, plan, plan.batch
        self._model = models.of(role)
        self._found_budget: int | None = None
        self._optimizer, self._schedule = optimizer_and_schedule(
            self._model.parameters, plan.optimizer, total_updates=plan.total_updates
        )

    def update(self, batch: B, clock: PhaseClock, *, seed: int) -> dict[str, float]:
        """Take `epochs` x `minibatches` optimizer steps; returns their figures.

        Raises TrainingError before weights change by a loss or gradient that is not finite, or on samples
        that other weights than these have drawn.
        """
        tables: list[TokenTable] = []
        norms: list[float] = []
        with clock.phase("update"):
            for epoch in range(self._batch.epochs):
                for rows in self._minibatches(batch.tokens, derive_seed(seed, epoch)):
                    minibatch = batch.select(rows)
                    if minibatch.tokens.mask_BT.any():
                        step_tables = self._accumulate_gradients(minibatch)
                        norms.append(self._optimizer_step())
                        tables += step_tables
        figures = step_metrics(tables)
        # The tables' weights are those of single optimizer steps: over several, they add up to as many losses.
        for name in ("loss", "loss/policy"):
            if name in figures:
                figures[name] /= max(1, len(norms))
        return {
            **figures,
            "grad_norm": float(np.mean(norms)) if norms else 0.0,
            "learning_rate": self._learning_rate(),
            "updates": float(len(norms)),
        }

    @torch.no_grad()
    def logprobs(
        self, role: Role, tokens: TokenBatch, *, with_entropy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(B, T) log-probabilities, and entropies when asked for, of a whole step under a model, without gradient."""
        model = self.models.of(role)
        logprobs_BT = torch.zeros(tokens.mask_BT.shape)
        entropy_BT = torch.zeros(tokens.mask_BT.shape)
        for microbatch in self._microbatches(model, tokens, [True] * tokens.size):
            rows = microbatch.rows
            part = tokens.select(rows).to(model.device)
            values, entropies = model.logprobs(
                part,
                temperature=self._plan.temperature,
                with_entropy=with_entropy,
                bundles=microbatch.bundles,
            )
            if not microbatch.counts:
                continue
            width = values.shape[1]
            logprobs_BT[rows, :width] = values.float().cpu()
            if entropies is not None:
                entropy_BT[rows, :width] = entropies.float().cpu()
        return self.mesh.summed(logprobs_BT), self.mesh.summed(entropy_BT)

    def tensors(self) -> State:
        """The part of a checkpoint that goes beside the weights, as tensors; without what `save_shards` writes."""
        optimizer = self._optimizer.state_dict()
        if self.mesh.sharded:
            optimizer["state"] = {}
        return {"optimizer": optimizer, "schedule": self._schedule.state_dict()}

    def save_shards(self, folder: Path) -> None:
        """Write the optimizer's state, every process its part."""
        save_shards(shards_of(self._optimizer), folder)

    def restore(self, tensors: State, updates: int, *, shards: Path | None = None) -> None:
        """Go on from a checkpoint, whose `shards` are where `save_shards` wrote them, if it did."""
        restore_optimizer(self._optimizer, tensors["optimizer"], shards)
        self._schedule.load_state_dict(tensors["schedule"])
        self.updates = updates

    def _minibatches(self, tokens: TokenBatch, seed: int) -> list[list[int]]:
        """Rows of each minibatch: whole groups, in an order of their own each epoch."""
        order = np.random.default_rng(seed).permutation(self._batch.prompts)
        groups = tokens.groups_B.numpy()
        parts = np.split(order, self._batch.minibatches)
        return [np.flatnonzero(np.isin(groups, part)).tolist() for part in parts]

    def _microbatches(self, model: Model, tokens: TokenBatch, learns_B: Sequence[bool]) -> list[Microbatch]:
        """This process's microbatches, those that learn first."""
        budget, part, parts = self._budget_tokens(), self.mesh.rank, self.mesh.world
        if self._batch.save_compute:
            planned = model.planner(budget, part=part, parts=parts).plan(tokens, learns_B)
        else:
            planned = one_by_one(tokens, budget, part=part, parts=parts)
        return self._as_many_as_others(planned, tokens) if self.mesh.sharded else planned

    def _budget_tokens(self) -> int:
        """Padded tokens of a microbatch at most, the same for all processes."""
        if self._batch.microbatch_tokens != "auto":
            return self._batch.microbatch_tokens
        if self._found_budget is None:
            kept = optimizer_bytes(self._model.parameters, self._plan.optimizer)
            self._model.last_pass(True)  # what is measured leaves no sums behind
            found = self.mesh.together(lambda: self._model.token_budget(optimizer_bytes=kept))
            self._found_budget = min(self.mesh.gather([found]))
        return self._found_budget

    def _as_many_as_others(self, planned: Sequence[Microbatch], tokens: TokenBatch) -> list[Microbatch]:
        """Add microbatches that count for nothing, until every process that holds shards has as many of either kind.

        Each pass gathers weights, forward and, where it learns, backward, and they are gathered from all processes.
        """
        shortest = [int(tokens.lengths_B.argmin())]
        every: list[Microbatch] = []
        for learns in (True, False):
            mine = [microbatch for microbatch in planned if microbatch.learns is learns]
            missing = self.mesh.largest(len(mine)) - len(mine)
            every += [*mine, *[Microbatch(rows=shortest, learns=learns, counts=False)] * missing]
        return every

    def _accumulate_gradients(self, minibatch: B) -> list[TokenTable]:
        """Gradients of one optimizer step's loss; the token tables of all microbatches of all processes."""
        objective = self._objective(minibatch)
        tables = []
        learns_B = objective.learns(minibatch).tolist()
        mine = self._microbatches(self._model, minibatch.tokens, learns_B)
        learning = sum(microbatch.learns for microbatch in mine)
        for number, microbatch in enumerate(mine, 1):
            self._model.last_pass(number == learning)
            part = minibatch.select(microbatch.rows).to(self._model.device)
            with torch.set_grad_enabled(microbatch.learns):
                logprobs_BT, entropy_BT = self._model.logprobs(
                    part.tokens,
                    temperature=self._plan.temperature,
                    with_entropy=objective.needs_entropy,
                    bundles=microbatch.bundles,
                )
                loss = _zero_of(logprobs_BT, entropy_BT)
                if microbatch.counts:
                    loss, table = objective.loss(part, microbatch.rows, logprobs_BT, entropy_BT)
                    tables.append(table.cpu())
            if microbatch.learns:
                with others_needed(alone=True):
                    loss.backward()
        self.mesh.sum_gradients(self._model.parameters)
        tables = self.mesh.gather(tables)
        self._check(tables)
        return tables

    def _optimizer_step(self) -> float:
        """Clip, check, step; the gradient's norm before clipping."""
        with others_needed(alone=True):
            norm = whole(clip_gradients(self._model.parameters, self._plan.optimizer.max_grad_norm))
        if not torch.isfinite(norm):
            raise TrainingError(self._not_finite("gradient norm", float(norm)))
        # Counted before it is taken: one that is broken off midway has changed the weights.
        self.updates += 1
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def _check(self, tables: Sequence[TokenTable]) -> None:
        """Refuse a step before it is taken; every process sees the tables of all, so all stop together."""
        logged = step_metrics(tables)
        # Samples of older weights differ as they should; new weights are proven where they arrive.
        loss, mismatch = logged["loss"], logged.get("sampler/mismatch", 0.0)
        if not math.isfinite(loss):
            raise TrainingError(self._not_finite("loss", loss))
        if not mismatch <= self._plan.max_mismatch:
            raise TrainingError(
                f"the sampler's log-probabilities differ from the trainer's by {mismatch:.3g} per token on average, "
                f"more than run.max_mismatch={self._plan.max_mismatch:g}: the sampler works with other weights, "
                "another temperature or too low a precision (model.dtype=float32 is exact)"
            )

    def _not_finite(self, what: str, value: float) -> str:
        return (
            f"the {what} of optimizer step {self.updates + 1} is {value}, and the step was not taken; a lower "
            f"{self._plan.rate_setting} (now {self._learning_rate():.3g}) or optimizer.max_grad_norm usually helps"
        )

    def _learning_rate(self) -> float:
        """The learning rate of the next optimizer step."""
        return float(self._schedule.get_last_lr()[0])


def _zero_of(*numbers: Tensor | None) -> Tensor:
    """A loss of 0 with a backward pass as long as that of any other: through all numbers that have one."""
    zero = torch.zeros(())
    for values in numbers:
        if values is not None and values.requires_grad:
            zero = zero + 0.0 * values.sum()
    return zero
