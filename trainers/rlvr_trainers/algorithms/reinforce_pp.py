"""REINFORCE++ with a baseline (arXiv 2501.03262): the group's mean taken off, then whitened over the batch's tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from rlvr_trainers.algorithms.base import PolicyGradientSettings
from rlvr_trainers.loss_settings import Advantage, Aggregation


class ReinforcePlusPlus(PolicyGradientSettings):
    """One scale for all prompts of a step, where GRPO divides each by its own spread."""

    kind: Literal["reinforce_pp"] = "reinforce_pp"
    """REINFORCE++ with a baseline: the algorithm that these settings are of."""
    advantage: Advantage = "whitened"
    aggregation: Aggregation = "token_mean"

    @model_validator(mode="after")
    def _whitens(self) -> ReinforcePlusPlus:
        if self.advantage != "whitened":
            raise ValueError(f"kind=reinforce_pp whitens: advantage={self.advantage} must be whitened")
        return self
