"""The optimizer of a run, and the learning rate of each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from rlvr_trainers.learner.sharding import spread_as
from rlvr_trainers.learner.shards import load_shards
from rlvr_trainers.settings import OptimizerConfig

State = dict[str, Any]


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


def shards_of(optimizer: AdamW) -> dict[str, Tensor]:
    """The optimizer's state as named tensors: `3.exp_avg` is that of its fourth parameter."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: AdamW, saved: State, shards: Path | None) -> None:
    """Take the state of a checkpoint: `saved` is a state_dict, of which the tensors may be in the folder `shards`.

    It may have been written by any number of processes that held any parts of it; this one takes its own parts.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    if shards is None:
        for index, values in saved["state"].items():
            weight = weights[index]
            state[index] = {
                name: spread_as(weight, value) if value.shape == weight.shape else value
                for name, value in values.items()
            }
    else:
        for name, value in load_shards(shards, lambda name, size: _room(weights, name, size)).items():
            index, _, kind = name.partition(".")
            state.setdefault(int(index), {})[kind] = value
    optimizer.load_state_dict({"state": state, "param_groups": saved["param_groups"]})


def _room(weights: Sequence[Parameter], name: str, size: torch.Size) -> Tensor:
    """Memory for a tensor of the state: like the weight where it has a value for each of the weight's."""
    weight = weights[int(name.partition(".")[0])].detach()
    return torch.zeros_like(weight) if weight.shape == size else torch.zeros(size)
