"""Models by role: the policy in training, and the ones it is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol, final

import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.critic import Critic
from rlvr_trainers.learner.distillation.student import Student
from rlvr_trainers.learner.layout.hidden_states import Bundles
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.multi_token.model import MultiTokenPolicy
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.rewards.model import RewardModelInTraining
from rlvr_trainers.learner_settings import ModelConfig


class Role(StrEnum):
    """The role of a model in an algorithm."""

    POLICY = "policy"
    REFERENCE = "reference"
    """Frozen: KL is measured to it."""
    CRITIC = "critic"
    """Trained beside the policy: what it says of tokens are values, not log-probabilities."""
    TEACHER = "teacher"
    """Frozen: the policy is drawn to it."""
    STUDENT = "student"
    """The policy beside its teacher: what it says of tokens are divergences too."""
    REWARD = "reward"
    """The policy under a scalar head: what it says is a reward, at a sequence's last action token."""
    MULTI_TOKEN = "multi_token"
    """The policy under a module that predicts one token more: what it says in place of entropies is the module's."""


class Model(Protocol):
    """A model with a number for each action token of a batch."""

    device: torch.device

    @property
    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """The parameters that its optimizer trains."""
        ...

    def logprobs(
        self,
        batch: TokenBatch,
        *,
        temperature: float,
        with_entropy: bool = False,
        bundles: Bundles | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(B, T) the numbers, and entropies where they are asked for and known."""
        ...

    def last_pass(self, last: bool) -> None:
        """Say whether the next backward pass is the last before the gradients are used."""
        ...

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan what this model computes together, and what each of so many processes computes."""
        ...

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """Padded tokens that a training pass can have in the memory there is."""
        ...


@final
class Models:
    """The models of a run. The reference is there once it is frozen: the policy as reinforcement learning found it."""

    def __init__(self, policy: Policy, *, teacher: Policy | None = None) -> None:
        self.policy, self.teacher = policy, teacher
        self.critic: Critic | None = None
        self.student: Student | None = None
        self.reward: RewardModelInTraining | None = None
        self.multi_token: MultiTokenPolicy | None = None
        self._reference: Policy | None = None

    def shard(self) -> None:
        """Keep this process's part of the policy's and the teacher's weights where the run's mesh says so."""
        for model in (self.policy, self.teacher):
            if model is not None:
                model.shard()

    def of(self, role: Role) -> Model:
        """The model of a role. Raises ConfigError where this run has none."""
        models: dict[Role, Model | None] = {
            Role.POLICY: self.policy,
            Role.REFERENCE: self._reference,
            Role.CRITIC: self.critic,
            Role.TEACHER: self.teacher,
            Role.STUDENT: self.student,
            Role.REWARD: self.reward,
            Role.MULTI_TOKEN: self.multi_token,
        }
        model = models[role]
        if model is None:
            raise ConfigError(f"this run has no {role} model")
        return model

    @property
    def beside(self) -> dict[str, RewardModelInTraining | MultiTokenPolicy]:
        """Parts that are trained with the policy and kept beside its weights, by their names in a checkpoint."""
        parts = {"reward_head": self.reward, "multi_token": self.multi_token}
        return {name: part for name, part in parts.items() if part is not None}

    def freeze_reference(self, *, keep_at: Path | None = None) -> None:
        """Take the policy as it is now; its weights are written to `keep_at` where nobody else has them."""
        if keep_at is not None:
            self.policy.keep_reference(keep_at)
        self._reference = self.policy.frozen_copy()

    def reload_reference(self, config: ModelConfig, *, seed: int, kept_at: Path | None = None) -> None:
        """Take the model that the run began with: as `config` names it, with the weights kept at `kept_at`."""
        if kept_at is not None and not self.policy.mesh.sharded:
            self._reference = self.policy.frozen_copy()
            self._reference.load_reference(kept_at)
            return
        reference = Policy(config, seed=seed, mesh=self.policy.mesh)
        if kept_at is not None:
            reference.load_reference(kept_at)
        reference.shard()
        self._reference = reference.frozen_copy()
