"""The layers of a model in a training pass: compiled, and with their activations kept on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from transformers.modeling_layers import GradientCheckpointingLayer

from rlvr_gym.errors import ConfigError

LEAST_BYTES = 2**20
"""Size from which an activation is worth the way to the CPU and back."""

_compiles: ContextVar[bool] = ContextVar("compiles", default=False)


def compile_layers(model: Any, device: torch.device) -> None:
    """Let the model's decoder layers be compiled, in what is computed within `compiled_layers` alone.

    A sampler's passes over the same layers, a token at a time and with keys and values, stay as they are. Copies of the
    model are like it. Raises ConfigError for a model without layers, and where nothing can be compiled.
    """
    layers: list[Any] = [
        module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)
    ]
    if not layers:
        raise ConfigError(
            f"model.compile: {type(model).__name__} has no decoder layers that transformers marks as such: leave "
            "model.compile=false"
        )
    _try_the_compiler(device)
    for layer in layers:
        # In place: hooks, adapters and names of a checkpoint hang on this very module.
        layer.__class__ = _compiled_class(type(layer))
        if layer.gradient_checkpointing:
            layer._gradient_checkpointing_func = partial(
                layer._gradient_checkpointing_func, context_fn=_recomputed_alike
            )


@contextmanager
def compiled_layers(wanted: bool) -> Iterator[None]:
    """Around a training pass: this thread computes layers that may be compiled with their compiled code."""
    if not wanted:
        yield
        return
    token = _compiles.set(True)
    try:
        with warnings.catch_warnings():
            # The compiler looks at tensors in ways that PyTorch warns its users of.
            warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor", category=UserWarning)
            yield
    finally:
        _compiles.reset(token)


def _recomputed_alike() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts to compute a checkpointed layer in, and to compute it again in: with the same code."""
    return nullcontext(), compiled_layers(_compiles.get())


@cache
def _compiled_class(layer_class: Any) -> Any:
    """The class of layers of this class that are compiled when they are asked to be."""
    # Lengths differ from microbatch to microbatch: one code for all.
    compiled = torch.compile(layer_class.forward, dynamic=True)

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return (compiled if _compiles.get() else layer_class.forward)(self, *args, **kwargs)

    return type(layer_class.__name__, (layer_class,), {"forward": forward, "__module__": __name__})


def _try_the_compiler(device: torch.device) -> None:
    """Compile next to nothing, now and not in the middle of a run. Raises ConfigError where that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler's own modules, which are imported here
            torch.compile(lambda values: (values * 2).relu())(torch.ones(8, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(
            "model.compile needs a compiler that PyTorch can use, on a CPU for C++ (g++, or the one that CXX names), "
            f"and what it tried failed: {reason}; install one, or leave model.compile=false"
        ) from error


def refuse_offload_on_a_cpu(device: torch.device) -> None:
    """Raise ConfigError where activations are on the CPU already."""
    if device.type == "cpu":
        raise ConfigError(
            "model.offload_activations moves what the backward pass needs from a GPU to the CPU's memory, and the "
            "model is on the CPU: to save memory there, set model.gradient_checkpointing=true or lower "
            "batch.microbatch_tokens"
        )


def activations_on_cpu() -> saved_tensors_hooks:
    """Keep large activations in the CPU's memory until the backward pass; weights stay where they are."""

    def pack(tensor: Tensor) -> tuple[torch.device, Tensor] | Tensor:
        small = tensor.numel() * tensor.element_size() < LEAST_BYTES
        if small or isinstance(tensor, torch.nn.Parameter):
            return tensor
        # From pinned memory, and on the stream that computes: copies wait for nothing but what makes them.
        there = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
        there.copy_(tensor, non_blocking=tensor.is_cuda)
        return tensor.device, there

    def unpack(packed: tuple[torch.device, Tensor] | Tensor) -> Tensor:
        if isinstance(packed, Tensor):
            return packed
        device, there = packed
        return there.to(device, non_blocking=True)

    return saved_tensors_hooks(pack, unpack)
