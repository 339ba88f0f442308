"""The optimizer of a run, and the learning rate of each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from rlvr_trainers.learner import compact_adamw
from rlvr_trainers.learner.compact_adamw import CompactAdamW
from rlvr_trainers.learner.layout.budget import local_bytes
from rlvr_trainers.learner.sharding import spread_as
from rlvr_trainers.learner.shards import load_shards
from rlvr_trainers.learner_settings import OptimizerConfig

State = dict[str, Any]


def optimizer_and_schedule(
    parameters: Sequence[Parameter], settings: OptimizerConfig, *, total_updates: int
) -> tuple[Optimizer, LambdaLR]:
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

    optimizer = _optimizer(parameters, settings)
    return optimizer, LambdaLR(optimizer, factor)


def _optimizer(parameters: Sequence[Parameter], settings: OptimizerConfig) -> Optimizer:
    named: dict[str, Any] = {
        "lr": settings.learning_rate,
        "betas": settings.betas,
        "weight_decay": settings.weight_decay,
    }
    if _is_compact(parameters, settings):
        return CompactAdamW(parameters, **named, eight_bits=settings.kind == "adamw_8bit")
    # All of a weight's arithmetic in one pass over its memory, which PyTorch has for these devices.
    fused = all(weight.device.type in ("cpu", "cuda") for weight in parameters)
    return AdamW(parameters, **named, fused=fused)


def _is_compact(parameters: Sequence[Parameter], settings: OptimizerConfig) -> bool:
    return settings.kind == "adamw_8bit" or any(weight.dtype == torch.bfloat16 for weight in parameters)


def clip_gradients(parameters: Sequence[Parameter], max_norm: float) -> Tensor:
    """Scale gradients down to a norm of `max_norm` at most; returns what it was, in float32 or above."""
    if all(weight.dtype != torch.bfloat16 for weight in parameters):
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    norms = [
        torch.linalg.vector_norm(weight.grad, dtype=torch.float32)
        for weight in parameters
        if weight.grad is not None
    ]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def optimizer_bytes(parameters: Sequence[Parameter], settings: OptimizerConfig) -> int:
    """Bytes of the state that the optimizer is going to keep for these weights, or for this process's parts of them."""
    if not _is_compact(parameters, settings):
        return sum(2 * local_bytes(weight) for weight in parameters)
    eight_bits = settings.kind == "adamw_8bit"
    return sum(compact_adamw.state_bytes(weight, eight_bits=eight_bits) for weight in parameters)


def shards_of(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as named tensors: `3.exp_avg` is that of its fourth parameter."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: Optimizer, saved: State, shards: Path | None) -> None:
    """Take the state of a checkpoint: `saved` is a state_dict, of which the tensors may be in the folder `shards`.

    It may have been written by any number of processes that held any parts of it; this one takes its own parts.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    if shards is None:
        for index, values in saved["state"].items():
            weight = weights[index]
            # All but a count of steps is divided among processes as the weight is.
            state[index] = {
                name: spread_as(weight, value) if value.ndim else value for name, value in values.items()
            }
    else:
        for name, value in load_shards(shards, lambda name, size: _room(weights, name, size)).items():
            index, _, kind = name.partition(".")
            state.setdefault(int(index), {})[kind] = value
    optimizer.load_state_dict({"state": state, "param_groups": saved["param_groups"]})


def _room(weights: Sequence[Parameter], name: str, size: torch.Size) -> Tensor:
    """Memory for a tensor of the state, on the devices that hold the weight."""
    index, _, kind = name.partition(".")
    weight = weights[int(index)].detach()
    if not size:
        return torch.zeros(size)
    wide = torch.promote_types(weight.dtype, torch.float32)
    dtype = torch.float32 if kind.endswith("_scales") else compact_adamw.CODE_DTYPES.get(kind, wide)
    return compact_adamw.zeros_like(weight, size, dtype)
