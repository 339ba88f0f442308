"""The part of a causal language model that computes hidden states."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from rlvr_gym.errors import ConfigError


def unwrapped(model: Any) -> Any:
    """The transformers model, out of its peft wrapper; adapters live inside it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def base_model(model: Any) -> PreTrainedModel:
    """Return the module that computes a causal LM's hidden states; raises ConfigError if it cannot be found."""
    whole = unwrapped(model)
    for base in (whole.get_decoder(), whole.base_model, *whole.children()):
        if isinstance(base, PreTrainedModel) and base is not whole:
            return base
    raise ConfigError(
        f"cannot train {type(whole).__name__}: no module of it computes the hidden states that its logits are "
        "made of; possible: decoder-only models of transformers, such as Llama, Qwen, Gemma, Mistral or GPT-2"
    )
