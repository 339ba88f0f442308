"""A policy under a module that predicts one token more, both in training (DeepSeek-V3, arXiv 2412.19437)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_gym.generation.transformers.multi_token import MultiTokenModule, embedding_of
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import Bundles, counts_from_zero, hidden_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.logprobs import base_model, head_logprobs
from rlvr_trainers.learner.policy import Policy

State = dict[str, Any]


@final
class MultiTokenPolicy:
    """The policy, and the module above it, which shares its embeddings and sends gradients through its layers."""

    def __init__(self, policy: Policy, *, seed: int) -> None:
        self.device = policy.device
        self._policy = policy
        self._module = MultiTokenModule(policy.model, seed=seed).to(self.device)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The policy's, and the module's."""
        return [*self._policy.parameters, *(w for w in self._module.parameters() if w.requires_grad)]

    def logprobs(
        self,
        batch: TokenBatch,
        *,
        temperature: float,
        with_entropy: bool = False,
        bundles: Bundles | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Log-probabilities (B, T) of the action tokens, and in the place of entropies those that the module has.

        The module has not seen the state of the token before an action token, but its embedding. Both are 0 at other
        tokens.
        """
        policy = self._policy
        with policy.training_pass():
            base = base_model(policy.model)
            hidden = hidden_states(base, batch)
            positions = {"position_ids": batch.position_ids} if counts_from_zero(base) else {}
            ahead = self._module.states(hidden, embedding_of(policy.model)(batch.input_ids), **positions)
            both = [
                head_logprobs(policy.model, states[batch.predictors_N], batch.targets_N, temperature)
                for states in (hidden.flatten(0, 1), ahead.flatten(0, 1).to(hidden.dtype))
            ]
        logprobs_BT, ahead_BT = (
            values_N.new_zeros(batch.mask_BT.shape).masked_scatter(batch.mask_BT, values_N)
            for values_N in both
        )
        return logprobs_BT, ahead_BT

    def last_pass(self, last: bool) -> None:
        """Nothing is summed between passes: both are whole in each process."""

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan microbatches of single sequences: what the module is told about bundles may differ."""
        planner = self._policy.planner(budget_tokens, part=part, parts=parts)
        return dataclasses.replace(planner, worth=math.inf)

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """The policy's, of half the memory: a second head's logits stand beside its own."""
        return max(1, self._policy.token_budget(optimizer_bytes=optimizer_bytes) // 2)

    def writer(self) -> Callable[[Path], None]:
        """Return what writes the module beside the policy's weights."""
        return self._module.save

    def state(self) -> State:
        """The module's weights; the policy's are in the checkpoint's model."""
        return dict(self._module.state_dict())

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Take the module of a checkpoint."""
        self._module.load_state_dict(state)
