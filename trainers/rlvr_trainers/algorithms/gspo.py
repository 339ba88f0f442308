"""GSPO (arXiv 2507.18071): the length-normalised ratio of whole sequences, clipped very close to 1."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rlvr_trainers.algorithms.base import PolicyGradientSettings
from rlvr_trainers.loss_settings import Ratio


class Gspo(PolicyGradientSettings):
    """GRPO's advantages with the importance ratio of sequences; `ratio=sequence_token` is GSPO-token."""

    kind: Literal["gspo"] = "gspo"
    """GSPO: the algorithm that these settings are of."""
    ratio: Ratio = "sequence"
    clip_low: float | None = Field(default=3e-4, gt=0.0)
    """Distance below 1 at which the ratio is clipped; None does not clip there."""
    clip_high: float | None = Field(default=4e-4, gt=0.0)
    """Distance above 1 at which the ratio is clipped; None does not clip there."""

    @model_validator(mode="after")
    def _weighs_sequences(self) -> Gspo:
        if self.ratio == "token":
            raise ValueError("kind=gspo weighs sequences: ratio=token must be sequence or sequence_token")
        return self
