"""Weights spread over processes (FSDP2): each holds a part, and a layer is gathered while it is computed with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from rlvr_trainers.learner.layout.budget import SpreadPass
from rlvr_trainers.learner.layout.hidden_states import counts_from_zero
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.mesh import others_needed

T = TypeVar("T")


@final
class Scorer(nn.Module):
    """Whatever is computed with a model as one forward pass, around which FSDP gathers what no layer owns.

    `base` finds the part of the model that computes hidden states.
    """

    def __init__(self, model: nn.Module, base: Callable[[Any], PreTrainedModel]) -> None:
        super().__init__()
        self.model, self.base = model, base

    def forward(self, compute: Callable[[nn.Module], T]) -> T:
        """Compute something with the model; all processes make as many passes through its layers."""
        counts_from_zero(self.base(self.model))  # once a model, whichever batch a process has first
        return compute(self.model)


def spread(
    model: nn.Module, devices: DeviceMesh, *, base: Callable[[Any], PreTrainedModel] = base_model
) -> Scorer:
    """Leave this process its part of each of the model's weights; all processes call it together.

    The layers are gathered one at a time, and everything else (embeddings, head) around the whole pass. Gradients are
    summed over all processes, not averaged, by every backward pass. `base` finds the part of the model that computes
    hidden states.
    """
    scorer = Scorer(model, base)
    for layer in _layers(model):
        fully_shard(layer, mesh=devices)
    fully_shard(scorer, mesh=devices)
    _sum_gradients(scorer)
    return scorer


def spread_head(head: nn.Linear, devices: DeviceMesh) -> None:
    """Leave this process its part of a layer that is computed with after a model's pass (`values_of`)."""
    fully_shard(head, mesh=devices)
    _sum_gradients(head)


def _sum_gradients(spread: nn.Module) -> None:
    """Let every backward pass sum gradients over processes."""
    for module in spread.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other reduction with a factor
            # Ranks must reduce the same weights, and not every rank's tokens reach every expert of a mixture.
            module.set_reduce_scatter_unused_params(True, recurse=False)


def gathering(scorer: Scorer, compute: Callable[[Any], T], *, keeps: bool = False) -> T:
    """Compute something with spread weights, together with all processes.

    What no layer owns is given back after a pass without gradients, unless it `keeps` that at hand.
    """
    with others_needed(alone=True):
        result = scorer(compute)
    if not (keeps or torch.is_grad_enabled()):
        give_back(scorer)
    return result


def measured_pass(scorer: Scorer) -> SpreadPass:
    """A pass of the layers below the head, to measure; all processes make it together."""

    def hidden(ids: Tensor, model: nn.Module) -> Tensor:
        return scorer.base(model)(input_ids=ids, use_cache=False, return_dict=True).last_hidden_state

    layers = [
        _whole_bytes(part) for part in scorer.modules() if isinstance(part, FSDPModule) and part is not scorer
    ]
    # A layer, and the next, which is gathered in the meantime; what no layer owns stays whole all along.
    gathered = _whole_bytes(scorer) - sum(layers) + 2 * max(layers, default=0)
    return SpreadPass(
        forward=lambda ids: gathering(scorer, partial(hidden, ids)),
        forget=lambda: scorer.zero_grad(set_to_none=True),
        gathered_bytes=gathered,
    )


def _whole_bytes(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())


def values_of(head: nn.Linear, hidden_NH: Tensor) -> Tensor:
    """(N,) what a scalar head says of hidden states; where it is spread, all processes call this together."""
    with others_needed(alone=True):
        values_N = head(hidden_NH.to(head.weight.dtype))[:, 0]
    if isinstance(head, FSDPModule) and not torch.is_grad_enabled():
        give_back(head)
    return values_N


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
    """Give a model, spread and without weights, copies of this process's parts of another's that is spread alike.

    Those are trained that are to be trained in the model without weights.
    """
    copies: dict[int, nn.Parameter] = {}
    for name, weight in other.named_parameters(remove_duplicate=False):
        module, _, leaf = name.rpartition(".")
        owner = model.get_submodule(module)
        if id(weight) not in copies:
            trained = owner.get_parameter(leaf).requires_grad
            copies[id(weight)] = nn.Parameter(weight.detach().clone(), requires_grad=trained)
        setattr(owner, leaf, copies[id(weight)])


def spread_as(like: Tensor, tensor: Tensor) -> Tensor:
    """This process's part of a tensor that it has whole, where `like` is spread; in memory of its own."""
    if not isinstance(like, DTensor):
        return tensor
    there = tensor.to(like.device)
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None).clone()


def give_back(scorer: Any) -> None:
    """Forget what a pass without gradients has gathered, and that it has been: no backward pass does it."""
    scorer.reset_iter_state()


def sum_over_replicas(spread: nn.Module | None, wanted: bool) -> None:
    """Say whether the next backward pass also sums gradients over replicas, with those of earlier ones.

    It says nothing to what is whole in every process.
    """
    if isinstance(spread, FSDPModule):
        spread.set_requires_all_reduce(wanted)
