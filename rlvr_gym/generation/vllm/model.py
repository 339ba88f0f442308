"""Facts about a model that need no weights: prompts, context, and the parameters it is trained by."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.prompts import EncodedPrompt, TokenPrompts
from rlvr_gym.hub import stored_if_unreached

SMALLEST_HEAD_ON_A_CPU = 32
_DTYPES = ("auto", "float32", "bfloat16", "float16")


def stopping(prompt: EncodedPrompt) -> dict[str, Any]:
    """The sampling parameters by which vLLM ends a completion at a stop string, for which it has to write text."""
    if prompt.stop is None:
        return {}
    return {"stop": list(prompt.stop.texts), "detokenize": True, "skip_special_tokens": False}


class ServedModel:
    """A model's configuration, tokenizer and the shapes of its parameters, by name.

    Raises ConfigError when there is no such model, or when its weights are not in a folder or on the hub.
    """

    def __init__(self, name: str | os.PathLike[str]) -> None:
        self.name = os.fspath(name)
        local = Path(self.name).expanduser().is_dir()
        try:
            with nullcontext() if local else stored_if_unreached():
                self.config: PreTrainedConfig = AutoConfig.from_pretrained(self.name, local_files_only=local)
                self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                    self.name, local_files_only=local
                )
        except (OSError, ValueError, ImportError) as error:
            first = str(error).strip().partition("\n")[0].rstrip(".")
            raise ConfigError(
                f"no model '{self.name}' for vLLM: {first}; possible: a folder written by save_pretrained (model and "
                "tokenizer), or a Hugging Face id such as 'HuggingFaceTB/SmolLM2-135M-Instruct'"
            ) from error
        self._local = local

    def context(self, asked: int | None) -> int:
        """Largest number of tokens of prompt and completion together: `asked`, or the model's own limit."""
        most = getattr(self.config.get_text_config(), "max_position_embeddings", None)
        if asked is None and most is None:
            raise ConfigError(f"'{self.name}' names no limit to its context: give one")
        if asked is not None and (asked < 2 or (most is not None and asked > most)):
            raise ConfigError(f"a context of {asked} tokens is not between 2 and the {most} of '{self.name}'")
        return asked or most or 0

    def dtype(self, asked: str) -> str:
        """The number format; 'auto' is the one that the weights are stored in."""
        if asked not in _DTYPES:
            raise ConfigError(f"no dtype '{asked}'; possible: {', '.join(_DTYPES)}")
        stored = getattr(self.config.get_text_config(), "dtype", None) or self.config.dtype or torch.float32
        return str(stored).removeprefix("torch.") if asked == "auto" else asked

    def prompts(self, context: int | None) -> TokenPrompts:
        """The tokenizing of its conversations, for a context of that many tokens."""
        return TokenPrompts(self.tokenizer, self._generation_config(), context)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter under its name in transformers; tied ones once."""
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            model = AutoModelForCausalLM.from_config(self.config)
        return {name: tuple(weight.shape) for name, weight in model.named_parameters()}

    def refuse_small_heads(self) -> None:
        """Raise ConfigError for heads that vLLM cannot compute on a CPU."""
        text = self.config.get_text_config()
        heads = getattr(text, "num_attention_heads", None)
        size = getattr(text, "head_dim", None) or (text.hidden_size // heads if heads else None)
        if size is not None and size < SMALLEST_HEAD_ON_A_CPU:
            raise ConfigError(
                f"the model's attention heads have {size} dimensions, and on a CPU vLLM needs "
                f"{SMALLEST_HEAD_ON_A_CPU} or more: take generator.engine=transformers for it"
            )

    def _generation_config(self) -> GenerationConfig:
        try:
            return GenerationConfig.from_pretrained(self.name, local_files_only=self._local)
        except OSError:  # a model without one ends its turns as its configuration says
            return GenerationConfig.from_model_config(self.config)
