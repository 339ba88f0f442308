"""Models by name: a local folder, a Hugging Face hub id, or `tiny`; and the hash of a model's weights."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.tiny import PRINTABLE, tiny_model
from rlvr_gym.hub import stored_if_unreached

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_HUB_ID = re.compile(r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)?")  # `./x` and `../x` are folders
_POSSIBLE = (
    "possible: a folder written by save_pretrained, a Hugging Face id such as "
    "'HuggingFaceTB/SmolLM2-135M-Instruct', 'tiny', or 'tiny:CHARACTERS' for a tiny model with this alphabet"
)


def load_model(
    path_or_id: str | os.PathLike[str], dtype: str = "auto", *, seed: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The causal language model and tokenizer of that folder or hub id, the model in evaluation mode.

    An existing folder is read without any look at the network. `tiny` is a small model created on the spot
    from `seed`, `tiny:0123456789` one whose alphabet is just these characters (see `rlvr_gym.generation.tiny`).
    `dtype` is 'float32', 'bfloat16', 'float16', or 'auto' for the one that the weights are stored in.

    Raises ConfigError when there is no such model, when it is not a causal language model, and when weights
    or tokenizer are missing or cannot be read.
    """
    if dtype != "auto" and dtype not in _DTYPES:
        raise ConfigError(f"no dtype '{dtype}'; possible: auto, {', '.join(_DTYPES)}")
    name = os.fspath(path_or_id)
    folder = Path(name).expanduser()
    if not folder.is_dir() and re.match(r"tiny(:|$)", name):
        alphabet = name.removeprefix("tiny").removeprefix(":") or PRINTABLE
        model, tokenizer = tiny_model(seed=seed, alphabet=alphabet)
        for weight in model.parameters():
            weight.data = weight.data.to(_DTYPES.get(dtype, weight.dtype))
        return model, tokenizer
    source = _Source(name, folder)
    with nullcontext() if folder.is_dir() else stored_if_unreached():
        model = source.model(_DTYPES.get(dtype, "auto"))
        return model, source.tokenizer()


class _Source:
    """The source of a model; says what was looked for if something is missing."""

    def __init__(self, name: str, folder: Path) -> None:
        if not folder.is_dir() and not _HUB_ID.fullmatch(name):
            raise ConfigError(f"no model '{name}': there is no folder {folder.absolute()}; {_POSSIBLE}")
        self._local = folder.is_dir()
        self._name = str(folder) if self._local else name

    def model(self, dtype: torch.dtype | str) -> PreTrainedModel:
        """The model with all of its weights."""
        self._refuse_other_kinds(self._config())
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                self._name, dtype=dtype, local_files_only=self._local, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ConfigError(f"cannot read the weights of '{self._name}': {_first_line(error)}") from error
        model, report = loaded
        if missing := sorted(report["missing_keys"]):
            raise ConfigError(
                f"'{self._name}' lacks {len(missing)} of the model's weights, {missing[0]} for one: it was "
                "not written as a whole by save_pretrained of a causal language model"
            )
        return model.eval()

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that stands beside the model."""
        missing = f"'{self._name}' holds a model but no tokenizer that can be read (tokenizer.json or its relatives)"
        remedy = "write one there with tokenizer.save_pretrained"
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._name, local_files_only=self._local)
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(f"{missing}: {_first_line(error)}; {remedy}") from error
        # Where there are no files at all, transformers makes some families (GPT-2) an empty vocabulary.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise ConfigError(f"{missing}; {remedy}")
        return tokenizer

    def _config(self) -> PreTrainedConfig:
        try:
            return AutoConfig.from_pretrained(self._name, local_files_only=self._local)
        except (OSError, ValueError) as error:
            if self._local:
                found = ", ".join(sorted(path.name for path in Path(self._name).iterdir())[:8]) or "nothing"
                problem = f"the folder holds no model that can be read (found in it: {found})"
            else:
                problem = f"there is no folder {Path(self._name).absolute()} and the hub did not have it"
            raise ConfigError(
                f"no model '{self._name}': {problem}: {_first_line(error)}; {_POSSIBLE}"
            ) from error

    def _refuse_other_kinds(self, config: PreTrainedConfig) -> None:
        causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
        architectures = config.architectures or []
        if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and (
            not architectures or causal.intersection(architectures)
        ):
            return
        kind = ", ".join(architectures) or config.model_type
        raise ConfigError(f"'{self._name}' is a {kind}, not a causal language model such as LlamaForCausalLM")


def weights_hash(model: PreTrainedModel | str | os.PathLike[str]) -> str:
    """16 hexadecimal digits of the SHA-256 over a model's weights: names, number formats, shapes and bits.

    The same for a model in memory and for the folder it was saved to or read from, while their number format
    is the same. Weights that several names share are counted once, under the first of these names.
    """
    loaded = model if isinstance(model, torch.nn.Module) else load_model(model)[0]
    digest = hashlib.sha256()
    seen: set[int] = set()
    for name, weight in sorted(loaded.state_dict().items()):
        if weight.numel() and weight.data_ptr() in seen:
            continue
        seen.add(weight.data_ptr())
        digest.update(f"{name}\x1f{weight.dtype}\x1f{tuple(weight.shape)}\x1e".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Let no bar of transformers' own come between the lines of whoever loads or saves a model."""
    active = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if active:
            logging.enable_progress_bar()
