"""GRPO (arXiv 2402.03300) and what differs from it in single places: Dr. GRPO, DAPO, R1's variant."""

from __future__ import annotations

from typing import Literal

from rlvr_trainers.algorithms.base import PolicyGradientSettings


class Grpo(PolicyGradientSettings):
    """Advantages within the group of a prompt's samples, PPO's clipped surrogate, KL to a reference on request."""

    kind: Literal["grpo"] = "grpo"
    """GRPO and what differs from it in single places: the algorithm that these settings are of."""
