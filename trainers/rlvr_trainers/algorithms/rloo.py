"""RLOO (arXiv 2402.14740): REINFORCE with the mean of a group's other samples as baseline, KL taken off the reward."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rlvr_trainers.algorithms.base import PolicyGradientSettings
from rlvr_trainers.loss_settings import Advantage, Aggregation, KlEstimator, KlPlace


class Rloo(PolicyGradientSettings):
    """A sequence's return goes to the sum of its tokens: `constant` divides by nothing that depends on lengths."""

    kind: Literal["rloo"] = "rloo"
    """RLOO: the algorithm that these settings are of."""
    advantage: Advantage = "leave_one_out"
    aggregation: Aggregation = "constant"
    clip_low: float | None = Field(default=None, gt=0.0)
    """Distance below 1 at which the ratio is clipped; None does not clip there."""
    clip_high: float | None = Field(default=None, gt=0.0)
    """Distance above 1 at which the ratio is clipped; None does not clip there."""
    kl_estimator: KlEstimator = "k1"
    kl_place: KlPlace = "reward"
    kl_coefficient: float = Field(default=0.05, ge=0.0)

    @model_validator(mode="after")
    def _leaves_one_out(self) -> Rloo:
        if self.advantage != "leave_one_out":
            raise ValueError(f"kind=rloo leaves one out: advantage={self.advantage} must be leave_one_out")
        return self
