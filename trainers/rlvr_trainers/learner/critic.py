"""The critic: a model that says, before each action token, what its sample is going to earn from there on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.budget import token_budget
from rlvr_trainers.learner.layout.hidden_states import Bundles, predicting_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.sharding import (
    gathering,
    spread_as,
    spread_head,
    sum_over_replicas,
    values_of,
)
from rlvr_trainers.learner.shards import load_shards

State = dict[str, Any]


@final
class Critic:
    """A number for each action token, from the hidden state before it: a linear head, which begins with zeros.

    With `own_model` the layers below are a copy of the policy's and are trained; else they are the policy's own, which
    the critic reads and does not change. All of it is spread over processes where the policy is.
    """

    def __init__(self, policy: Policy, *, own_model: bool) -> None:
        self.device = policy.device
        self._policy = policy
        self._own_model = own_model
        self._base, self._scorer = policy.layers_apart() if own_model else (base_model(policy.model), None)
        size: int = policy.model.config.get_text_config().hidden_size
        dtype = torch.promote_types(next(self._base.parameters()).dtype, torch.float32)
        self._head = nn.Linear(size, 1, dtype=dtype).to(self.device)
        nn.init.zeros_(self._head.weight)
        nn.init.zeros_(self._head.bias)
        if policy.spread_over is not None:
            spread_head(self._head, policy.spread_over)

    @torch.no_grad()
    def begin(self) -> None:
        """Begin from the policy as it is now."""
        if self._own_model:
            theirs = dict(base_model(self._policy.model).named_parameters())
            for name, weight in self._base.named_parameters():
                weight.copy_(theirs[name])

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that the critic's optimizer trains."""
        own = (
            [weight for weight in self._base.parameters() if weight.requires_grad] if self._own_model else []
        )
        return [*own, *self._head.parameters()]

    def logprobs(
        self,
        batch: TokenBatch,
        *,
        temperature: float,
        with_entropy: bool = False,
        bundles: Bundles | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Values (B, T) of the batch's action tokens, 0 at others. A temperature changes none of them."""
        trains_base = torch.is_grad_enabled() and self._own_model
        with torch.set_grad_enabled(trains_base), self._policy.training_pass():
            hidden_NH = self._states(batch, bundles)
        values_N = values_of(self._head, hidden_NH)
        return values_N.new_zeros(batch.mask_BT.shape).masked_scatter(batch.mask_BT, values_N), None

    def _states(self, batch: TokenBatch, bundles: Bundles | None) -> Tensor:
        """(N, H) hidden states before the action tokens."""
        if not self._own_model:
            return self._policy.computing(lambda model: predicting_states(base_model(model), batch, bundles))
        if self._scorer is None:
            return predicting_states(self._base, batch, bundles)
        return gathering(self._scorer, lambda base: predicting_states(base, batch, bundles))

    def last_pass(self, last: bool) -> None:
        """Say whether the next backward pass is the last before the gradients are used."""
        for spread in (self._scorer, self._head):
            sum_over_replicas(spread, last)

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """The policy's: its layers are like these."""
        return self._policy.planner(budget_tokens, part=part, parts=parts)

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """Padded tokens that a training pass can have in the memory there is, by one measured pass."""
        with self._policy.training_pass():
            return token_budget(self._base, self._head.weight, optimizer_bytes=optimizer_bytes)

    def state(self) -> State:
        """All weights that are not the policy's, by name, in parts where they are spread over processes."""
        base = self._base.named_parameters() if self._own_model else ()
        named = [
            *((f"base.{name}", weight) for name, weight in base),
            *((f"head.{name}", weight) for name, weight in self._head.named_parameters()),
        ]
        return {name: weight.detach() for name, weight in named}

    def restore(self, state: State) -> None:
        """Take the weights of a checkpoint, which are whole."""
        for name, weight in self.state().items():
            weight.copy_(spread_as(weight, state[name]))

    def restore_shards(self, folder: Path) -> None:
        """Take the weights of a checkpoint that processes wrote in parts."""
        own = self.state()
        load_shards(folder, lambda name, _: own[name])
