"""The optimizer of a run, and the learning rate of each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch.nn import Parameter
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from rlvr_trainers.settings import OptimizerConfig


def optimizer_and_schedule(
    parameters: Sequence[Parameter], settings: OptimizerConfig, *, total_updates: int
) -> tuple[AdamW, LambdaLR]:
    """AdamW over `parameters`, and its learning rate over all optimizer steps of the run."""

    def factor(update: int) -> float:
        """The share of the full learning rate that optimizer step `update`, from 0, is taken with."""
        if update < settings.warmup_steps:
            return (update + 1) / settings.warmup_steps
        progress = (update - settings.warmup_steps) / max(1, total_updates - settings.warmup_steps)
        match settings.schedule:
            case "constant":
                return 1.0
            case "linear":
                return max(0.0, 1.0 - progress)
            case "cosine":
                return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))

    optimizer = AdamW(
        parameters,
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )
    return optimizer, LambdaLR(optimizer, factor)
