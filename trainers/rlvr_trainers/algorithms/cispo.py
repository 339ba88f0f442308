"""CISPO (arXiv 2506.13585): REINFORCE weighted by a ratio that is cut from above and carries no gradient."""

from __future__ import annotations

from typing import Literal

from rlvr_trainers.algorithms.base import PolicyGradientSettings
from rlvr_trainers.loss_settings import Aggregation, Surrogate


class Cispo(PolicyGradientSettings):
    """GRPO's advantages; `cispo_cap` is where the ratio is cut, and has no default."""

    kind: Literal["cispo"] = "cispo"
    """CISPO: the algorithm that these settings are of."""
    surrogate: Surrogate = "cispo"
    aggregation: Aggregation = "token_mean"
