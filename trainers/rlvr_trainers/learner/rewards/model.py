"""A reward model in training: a scalar head on the policy, read at a sequence's last token or at each step's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_gym.generation.rewards import new_head, save_head
from rlvr_gym.generation.step_scores import save_step_head
from rlvr_gym.generation.transformers.base import base_model
from rlvr_gym.generation.weights import whole
from rlvr_gym.verifiers.steps import Separator
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import Bundles, hidden_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.sharding import spread_as, spread_head, sum_over_replicas, values_of

State = dict[str, Any]


@final
class RewardModelInTraining:
    """The policy's layers, which are trained, under a head that begins with zeros. The head for tokens has no part.

    Of a policy whose weights are spread over processes, the head is spread over them too.

    With `steps`, which says what a step is, it is a process reward model: it is read at every action token.
    """

    def __init__(self, policy: Policy, *, steps: Separator | None = None) -> None:
        self.device = policy.device
        self._policy = policy
        self._steps: Separator | None = steps
        base = base_model(policy.model)
        self._dtype = torch.promote_types(next(base.parameters()).dtype, torch.float32)
        self._head = self._new_head().to(self.device)
        if policy.spread_over is not None:
            spread_head(self._head, policy.spread_over)
            # Gradients of what is gathered together are summed, of zeros too.
            trained = set(base.parameters())
            for weight in policy.model.parameters():
                weight.requires_grad_(weight.requires_grad and weight in trained)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The layers' that are not frozen (the adapter's, with LoRA), and the head's."""
        base = base_model(self._policy.model).parameters()
        return [*(weight for weight in base if weight.requires_grad), *self._head.parameters()]

    def logprobs(
        self,
        batch: TokenBatch,
        *,
        temperature: float,
        with_entropy: bool = False,
        bundles: Bundles | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(B, T) the reward of each sequence at its last action token, and 0 elsewhere, at every temperature.

        It is read at the sequence's last token, which has seen all of it. Of steps there is one at each action token.
        """
        last_B = batch.offsets_B + batch.lengths_B - 1
        places = last_B if self._steps is None else batch.predictors_N + 1

        def states(model: Any) -> Tensor:
            hidden = hidden_states(base_model(model), batch)
            return hidden.reshape(-1, hidden.shape[-1])[places]

        with self._policy.training_pass():
            chosen = self._policy.computing(states)
        scores = values_of(self._head, chosen)
        if self._steps is not None:
            return scores.new_zeros(batch.mask_BT.shape).masked_scatter(batch.mask_BT, scores), None
        places_T = torch.arange(batch.mask_BT.shape[1], device=batch.mask_BT.device)
        last_action_B = torch.where(batch.mask_BT, places_T, -1).amax(1)
        return torch.where(places_T == last_action_B[:, None], scores[:, None], 0.0), None

    def last_pass(self, last: bool) -> None:
        """Say whether the next backward pass is the last before the gradients are used."""
        self._policy.last_pass(last)
        sum_over_replicas(self._head, last)

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan microbatches of single sequences, of each of which one token counts, or some."""
        planner = self._policy.planner(budget_tokens, part=part, parts=parts)
        return dataclasses.replace(planner, worth=math.inf)

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """The policy's: its layers take the memory."""
        return self._policy.token_budget(optimizer_bytes=optimizer_bytes)

    def whole_head(self) -> nn.Linear:
        """The head as it is now; all processes call this together where it is spread over them."""
        if self._policy.spread_over is None:
            return self._head
        head = self._new_head()
        for own, part in zip(head.parameters(), self._head.parameters(), strict=True):
            own.data = whole(part.detach())
        return head

    def writer(self) -> Callable[[Path], None]:
        """Return what writes the head beside the policy's weights; all processes call this together."""
        head, steps = self.whole_head(), self._steps
        return (
            (lambda to: save_head(head, to)) if steps is None else lambda to: save_step_head(head, to, steps)
        )

    def state(self) -> State:
        """The head's weights, whole; the policy's are in the checkpoint's model."""
        return dict(self.whole_head().state_dict())

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Take the head of a checkpoint."""
        for name, weight in self._head.named_parameters():
            weight.copy_(spread_as(weight, state[name]))

    def _new_head(self) -> nn.Linear:
        return new_head(self._policy.model, bias=self._steps is not None).to(self._dtype)
