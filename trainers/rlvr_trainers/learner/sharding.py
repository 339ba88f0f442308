"""Weights spread over processes (FSDP2): each holds a part, and a layer is gathered while it is computed with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from rlvr_trainers.learner.layout.hidden_states import counts_from_zero
from rlvr_trainers.learner.logprobs import base_model

T = TypeVar("T")


@final
class Scorer(nn.Module):
    """Whatever is computed with a model as one forward pass, around which FSDP gathers what no layer owns."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[[nn.Module], T]) -> T:
        """Compute something with the model; all processes make as many passes through its layers."""
        counts_from_zero(base_model(self.model))  # once a model, whichever batch a process has first
        return compute(self.model)


def spread(model: nn.Module, devices: DeviceMesh) -> Scorer:
    """Leave this process its part of each of the model's weights; all processes call it together.

    The layers are gathered one at a time, and everything else (embeddings, head) around the whole pass. Gradients are
    summed over all processes, not averaged, by every backward pass.
    """
    scorer = Scorer(model)
    for layer in _layers(model):
        fully_shard(layer, mesh=devices)
    fully_shard(scorer, mesh=devices)
    for module in scorer.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other reduction with a factor
            # Ranks must reduce the same weights, and not every rank's tokens reach every expert of a mixture.
            module.set_reduce_scatter_unused_params(True, recurse=False)
    return scorer


def _layers(model: nn.Module) -> list[nn.Module]:
    """The outermost layers that share no weight with the rest of the model."""
    within: dict[nn.Module, nn.Module] = {}
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer) and layer not in within:
            within.update(dict.fromkeys(layer.modules(), layer))
    owners: dict[Tensor, set[nn.Module | None]] = {}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            owners.setdefault(weight, set()).add(within.get(module))
    sharing = {layer for of_weight in owners.values() if len(of_weight) > 1 for layer in of_weight}
    return [layer for layer in dict.fromkeys(within.values()) if layer not in sharing]


def without_weights(model: nn.Module) -> Any:
    """A copy of the model whose weights take no memory and have no values."""
    weights = {
        id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=weight.requires_grad)
        for weight in model.parameters()
    }
    return copy.deepcopy(model, weights)


def take_weights(model: nn.Module, other: nn.Module) -> None:
    """Give a model, spread and without weights, copies of this process's parts of another's that is spread alike."""
    copies: dict[int, nn.Parameter] = {}
    for name, weight in other.named_parameters(remove_duplicate=False):
        if id(weight) not in copies:
            copies[id(weight)] = nn.Parameter(weight.detach().clone(), requires_grad=False)
        module, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(module), leaf, copies[id(weight)])


def spread_as(like: Tensor, tensor: Tensor) -> Tensor:
    """This process's part of a tensor that it has whole, where `like` is spread; in memory of its own."""
    if not isinstance(like, DTensor):
        return tensor
    there = tensor.to(like.device)
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None).clone()


def give_back(scorer: Any) -> None:
    """Forget what a pass without gradients has gathered, and that it has been: no backward pass does it."""
    scorer.reset_iter_state()


def sum_over_replicas(scorer: Any, wanted: bool) -> None:
    """Say whether the next backward pass also sums gradients over replicas, with those of earlier ones."""
    scorer.set_requires_all_reduce(wanted)
