"""A model before it is trained: its device, its memory, its adapter, what it recomputes."""

from __future__ import annotations

import os
import warnings
from functools import partial
from logging import LogRecord
from pathlib import Path
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from rlvr_gym.errors import ConfigError
from rlvr_gym.seeding import derive_seed
from rlvr_trainers.learner_settings import LoraConfig


def keep_weights_in_bfloat16(model: Any) -> None:
    """Round weights to bfloat16; buffers, such as the frequencies of rotary positions, stay in float32."""
    for weight in model.parameters():
        weight.data = weight.data.to(torch.bfloat16)


def own_memory(model: Any) -> None:
    """Move weights out of the file that they were mapped from, to where PyTorch aligns them.

    In a file they begin at any multiple of 8 bytes, and kernels round differently there: a resumed run would not
    be the same bit for bit. A mapped checkpoint would also keep its place on the disk after it is deleted.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def without_padding_advice(record: LogRecord) -> bool:
    """Filter out advice on padding: some models take a sampled padding token for a forgotten attention mask."""
    return "passing in an `attention_mask`" not in record.getMessage()


def device_named(name: str) -> torch.device:
    """The device of that name; `auto` is this process's GPU, if there is one.

    Raises ConfigError for one that cannot be used.
    """
    if name == "auto":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise ConfigError(
            f"model.device={name} cannot be used: {str(error).partition(chr(10))[0]}; "
            f"possible here: auto, {', '.join(there)}"
        ) from error
    return device


def with_lora(model: Any, config: LoraConfig, saved: Path | None, seed: int) -> Any:
    """The model with a LoRA adapter: the one in `saved`, else a new one that `seed` decides."""
    try:
        import peft
    except ModuleNotFoundError as error:
        raise ConfigError("model.lora needs peft: pip install peft") from error
    targets = config.targets if isinstance(config.targets, str) else list(config.targets)
    adapter = peft.LoraConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules=targets, lora_dropout=0.0
    )
    with warnings.catch_warnings():
        # peft still asks transformers by the older name whether activations are recomputed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        # What it does about GPT-2's transposed layers is right.
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False", category=UserWarning)
        if saved is not None:
            return peft.PeftModel.from_pretrained(model, str(saved), is_trainable=True)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed("lora", seed))
                return peft.get_peft_model(model, adapter)
        except ValueError as error:
            raise ConfigError(
                f"model.lora.targets={config.targets!r} does not fit this model: {error}"
            ) from error


def checkpoint_gradients(model: Any) -> None:
    """Recompute activations in the backward pass.

    transformers does so only for layers in training mode; theirs alone is switched on, so that the dropout
    modules inside stay off. Layers that drop out by a rate of their own get the rate 0.
    """
    layers: list[Any] = [
        module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)
    ]
    if not layers:
        raise ConfigError(
            f"model.gradient_checkpointing: {type(model).__name__} has no layers that transformers can recompute; "
            "lower batch.microbatch_tokens to save memory"
        )
    for layer in layers:
        layer.gradient_checkpointing = True
        layer._gradient_checkpointing_func = partial(
            checkpoint, use_reentrant=False, preserve_rng_state=False
        )
        layer.training = True
        for name, value in vars(layer).items():
            if "dropout" in name and isinstance(value, float):
                setattr(layer, name, 0.0)
