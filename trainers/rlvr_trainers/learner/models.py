"""Models by role: the policy in training, and the ones it is measured against."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import final

from rlvr_gym.errors import ConfigError
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.settings import ModelConfig


class Role(StrEnum):
    """The role of a model in an algorithm."""

    POLICY = "policy"
    REFERENCE = "reference"
    """Frozen: KL is measured to it."""


@final
class Models:
    """The models of a run. The reference is there once it is frozen: the policy as reinforcement learning found it."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._reference: Policy | None = None

    def of(self, role: Role) -> Policy:
        """The model of a role. Raises ConfigError where this run has none."""
        model = self.policy if role is Role.POLICY else self._reference
        if model is None:
            raise ConfigError(f"this run has no {role} model")
        return model

    def freeze_reference(self, *, keep_at: Path | None = None) -> None:
        """Take the policy as it is now; its weights are written to `keep_at` where nobody else has them."""
        if keep_at is not None:
            self.policy.keep_reference(keep_at)
        self._reference = self.policy.frozen_copy()

    def reload_reference(self, config: ModelConfig, *, seed: int, kept_at: Path | None = None) -> None:
        """Take the model that the run began with: as `config` names it, with the weights kept at `kept_at`."""
        reference = Policy(config, seed=seed, mesh=self.policy.mesh)
        if kept_at is not None:
            reference.load_reference(kept_at)
        reference.shard()
        self._reference = reference.frozen_copy()
