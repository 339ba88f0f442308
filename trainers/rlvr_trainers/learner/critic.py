"""The critic: a model that says, before each action token, what its sample is going to earn from there on."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout import plan
from rlvr_trainers.learner.layout.budget import token_budget
from rlvr_trainers.learner.layout.hidden_states import Bundles, predicting_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.layout.sharing import mask_kind, operations
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.learner.policy import Policy

State = dict[str, Any]


@final
class Critic:
    """A number for each action token, from the hidden state before it: a linear head, which begins with zeros.

    With `own_model` the layers below are a copy of the policy's and are trained; else they are the policy's own, which
    the critic reads and does not change.
    """

    def __init__(self, policy: Policy, *, own_model: bool) -> None:
        self.device = policy.device
        self._policy = policy
        shared = base_model(policy.model)
        self._base = copy.deepcopy(shared) if own_model else shared
        self._own_model = own_model
        size: int = policy.model.config.get_text_config().hidden_size
        self._head = nn.Linear(size, 1, dtype=torch.float32).to(self.device)
        nn.init.zeros_(self._head.weight)
        nn.init.zeros_(self._head.bias)

    def begin(self) -> None:
        """Begin from the policy as it is now."""
        if self._own_model:
            self._base.load_state_dict(base_model(self._policy.model).state_dict())

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
            hidden_NH = predicting_states(self._base, batch, bundles)
        values_N = self._head(hidden_NH.to(self._head.weight.dtype))[:, 0]
        return values_N.new_zeros(batch.mask_BT.shape).masked_scatter(batch.mask_BT, values_N), None

    def last_pass(self, last: bool) -> None:
        """Nothing is summed between passes: a critic is whole in each process."""

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan what this model computes together, and what each of so many processes computes."""
        return Planner(
            budget_tokens=budget_tokens,
            operations=operations(self._base),
            mask=partial(mask_kind, self._base),
            worth=plan.WORTH_OPERATIONS,
            part=part,
            parts=parts,
        )

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """Padded tokens that a training pass can have in the memory there is, by one measured pass."""
        with self._policy.training_pass():
            return token_budget(self._base, self._head.weight, optimizer_bytes=optimizer_bytes)

    def state(self) -> State:
        """All trained weights, by name."""
        base = {f"base.{name}": w for name, w in self._base.state_dict().items()} if self._own_model else {}
        return base | {f"head.{name}": w for name, w in self._head.state_dict().items()}

    def restore(self, state: State) -> None:
        """Take the weights of a checkpoint."""
        for module, prefix in ((self._base, "base."), (self._head, "head.")):
            own = {name.removeprefix(prefix): w for name, w in state.items() if name.startswith(prefix)}
            if own:
                module.load_state_dict(own)
