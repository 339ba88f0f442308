"""A reward model in training: a scalar head on the policy, read at a sequence's last token."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_gym.generation.rewards import new_head, save_head
from rlvr_gym.generation.transformers.base import base_model
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import Bundles, hidden_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.policy import Policy

State = dict[str, Any]


@final
class RewardModelInTraining:
    """The policy's layers, which are trained, under a head that begins with zeros. The head for tokens has no part."""

    def __init__(self, policy: Policy) -> None:
        self.device = policy.device
        self._policy = policy
        self._head = new_head(policy.model).to(self.device)

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

        It is read at the sequence's last token, which has seen all of it.
        """
        with self._policy.training_pass():
            hidden = hidden_states(base_model(self._policy.model), batch)
        last_B = batch.offsets_B + batch.lengths_B - 1
        hidden_BH = hidden.reshape(-1, hidden.shape[-1])[last_B]
        rewards_B = self._head(hidden_BH.to(self._head.weight.dtype))[:, 0]
        places_T = torch.arange(batch.mask_BT.shape[1], device=batch.mask_BT.device)
        last_action_B = torch.where(batch.mask_BT, places_T, -1).amax(1)
        return torch.where(places_T == last_action_B[:, None], rewards_B[:, None], 0.0), None

    def last_pass(self, last: bool) -> None:
        """Nothing is summed between passes: a reward model is whole in each process."""

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan microbatches of single sequences, of each of which the last token counts."""
        planner = self._policy.planner(budget_tokens, part=part, parts=parts)
        return dataclasses.replace(planner, worth=math.inf)

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """The policy's: its layers take the memory."""
        return self._policy.token_budget(optimizer_bytes=optimizer_bytes)

    def save(self, folder: Path) -> None:
        """Write the head beside the policy's weights."""
        save_head(self._head, folder)

    def state(self) -> State:
        """The head's weights; the policy's are in the checkpoint's model."""
        return dict(self._head.state_dict())

    def restore(self, state: State) -> None:
        """Take the head of a checkpoint."""
        self._head.load_state_dict(state)
