"""A reward model in training: a scalar head on the policy, read at a sequence's last token or at each step's."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_gym.generation.rewards import new_head, save_head
from rlvr_gym.generation.step_scores import save_step_head
from rlvr_gym.generation.transformers.base import base_model
from rlvr_gym.verifiers.steps import Separator
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import Bundles, hidden_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.policy import Policy

State = dict[str, Any]


@final
class RewardModelInTraining:
    """The policy's layers, which are trained, under a head that begins with zeros. The head for tokens has no part.

    With `steps`, which says what a step is, it is a process reward model: it is read at every action token.
    """

    def __init__(self, policy: Policy, *, steps: Separator | None = None) -> None:
        self.device = policy.device
        self._policy = policy
        self._steps: Separator | None = steps
        self._head = new_head(policy.model, bias=steps is not None).to(self.device)

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
        with self._policy.training_pass():
            hidden = hidden_states(base_model(self._policy.model), batch)
        if self._steps is not None:
            scores_N = self._read(hidden, batch.predictors_N + 1)
            return scores_N.new_zeros(batch.mask_BT.shape).masked_scatter(batch.mask_BT, scores_N), None
        last_B = batch.offsets_B + batch.lengths_B - 1
        rewards_B = self._read(hidden, last_B)
        places_T = torch.arange(batch.mask_BT.shape[1], device=batch.mask_BT.device)
        last_action_B = torch.where(batch.mask_BT, places_T, -1).amax(1)
        return torch.where(places_T == last_action_B[:, None], rewards_B[:, None], 0.0), None

    def last_pass(self, last: bool) -> None:
        """Nothing is summed between passes: a reward model is whole in each process."""

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan microbatches of single sequences, of each of which one token counts, or some."""
        planner = self._policy.planner(budget_tokens, part=part, parts=parts)
        return dataclasses.replace(planner, worth=math.inf)

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """The policy's: its layers take the memory."""
        return self._policy.token_budget(optimizer_bytes=optimizer_bytes)

    def save(self, folder: Path) -> None:
        """Write the head beside the policy's weights."""
        if self._steps is None:
            save_head(self._head, folder)
        else:
            save_step_head(self._head, folder, self._steps)

    def state(self) -> State:
        """The head's weights; the policy's are in the checkpoint's model."""
        return dict(self._head.state_dict())

    def restore(self, state: State) -> None:
        """Take the head of a checkpoint."""
        self._head.load_state_dict(state)

    def _read(self, hidden: Tensor, places: Tensor) -> Tensor:
        """The head's number at these places of all tokens in a row."""
        chosen = hidden.reshape(-1, hidden.shape[-1])[places]
        return self._head(chosen.to(self._head.weight.dtype))[:, 0]
