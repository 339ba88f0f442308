"""The output embedding in float32, whatever the layers below it compute in."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_gym.errors import ConfigError


@final
class Float32Linear(nn.Linear):
    """A linear layer that multiplies in float32, or above, under autocast and with weights in 16 bits too.

    Logits of 20 have a step of 1/8 in bfloat16: rounding them moves log-probabilities about as much as all layers
    before them do (MiniMax-M1, arXiv 2506.13585, section 3.2).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Logits, at least in float32."""
        dtype = torch.promote_types(input.dtype, torch.float32)
        with torch.autocast(input.device.type, enabled=False):
            bias = None if self.bias is None else self.bias.to(dtype)
            return nn.functional.linear(input.to(dtype), self.weight.to(dtype), bias)


def compute_head_in_float32(model: Any) -> None:
    """Let every forward pass of a causal LM, plain or wrapped by peft, compute its logits in float32.

    Whoever reads the model computes alike, a sampler and a trainer too; its copies do, and its weights and their names
    stay. Of an adapted output embedding the adapter itself stays in the lower precision. Raises ConfigError for an
    output embedding that is no plain linear layer.
    """
    head = model.get_output_embeddings()
    head = getattr(head, "base_layer", head)  # peft's wrapper adds the adapter to what this one computes
    if type(head) is Float32Linear:
        return
    if type(head) is not nn.Linear:
        raise ConfigError(
            f"model.float32_head: the output embedding of {type(model).__name__} is a {type(head).__name__}, not a "
            "linear layer whose product can be taken in float32: set model.float32_head=false"
        )
    # In place: hooks, adapters, shared weights and names of a checkpoint hang on this very module.
    head.__class__ = Float32Linear
