"""Rewards of conversations: a causal language model with a scalar head at the last token, and its folder.

A folder of a reward model is an ordinary model folder with `reward_head.safetensors` beside the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import TurnFrame, encode_conversation, turn_frame
from rlvr_gym.generation.loading import load_model, without_progress_bars
from rlvr_gym.generation.prompts import end_of_sequence_ids
from rlvr_gym.generation.transformers.base import base_model
from rlvr_gym.tasks import Message
from rlvr_gym.verifiers.reward_model import HEAD

Said = tuple[Sequence[Message], bool]
"""A conversation that ends with a turn of the assistant, and whether that turn ended by itself."""


def new_head(model: Any, *, bias: bool = False) -> nn.Linear:
    """A head for a model's hidden states, which begins with zeros: nothing is preferred to anything else.

    Rewards that are only compared with one another need no `bias`; probabilities do.
    """
    size: int = model.config.get_text_config().hidden_size
    head = nn.Linear(size, 1, bias=bias, dtype=torch.float32)
    for weight in head.parameters():
        nn.init.zeros_(weight)
    return head


def save_head(
    head: nn.Linear, folder: Path, file: str = HEAD, *, metadata: dict[str, str] | None = None
) -> None:
    """Write the head beside a model's weights, as `file`."""
    weights = {name: weight.detach().cpu().contiguous() for name, weight in head.state_dict().items()}
    save_file(weights, folder / file, metadata=metadata)


def load_with_head(
    folder: Path, head_of: Callable[[Any], nn.Linear], *, file: str, recipe: str
) -> tuple[Any, PreTrainedTokenizerBase, nn.Linear]:
    """The model of a folder in float32, its tokenizer, and its head. Raises ConfigError where there is none."""
    with without_progress_bars():
        model, tokenizer = load_model(folder, "float32")
    head = head_of(model)
    try:
        head.load_state_dict(load_file(folder / file))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ConfigError(
            f"{folder} holds a model without a reward head that can be read ({file}: {error}); "
            f"rlvr train {recipe} writes one"
        ) from error
    return model, tokenizer, head


def device_for(device: str) -> str:
    """The device that `auto` stands for: a GPU if there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


@final
class Rewards:
    """A model that gives a conversation a number, read at its last token."""

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, head: nn.Linear) -> None:
        self.tokenizer = tokenizer
        self._base, self._head = base_model(model), head
        self._frame: TurnFrame = turn_frame(
            tokenizer, end_of_sequence_ids(tokenizer, model.generation_config)
        )
        self._context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """The reward model of a folder, in float32. Raises ConfigError where there is none."""
        model, tokenizer, head = load_with_head(folder, new_head, file=HEAD, recipe="reward_model")
        device = device_for(device)
        return cls(model.to(device), tokenizer, head.to(device))

    def too_long(self, said: Said) -> str | None:
        """Say why a conversation cannot be read; None for one that fits into the model's context."""
        length = len(self._ids(said))
        if self._context is None or length <= self._context:
            return None
        return f"{length} tokens with its prompt, and the reward model reads {self._context}"

    @torch.no_grad()
    def of(self, said: Sequence[Said], *, batch_size: int) -> list[float]:
        """Rewards of conversations. Raises ConfigError for one that the chat template refuses, or that is too long."""
        for one in said:
            if problem := self.too_long(one):
                raise ConfigError(problem)
        ids = [self._ids(one) for one in said]
        rewards: list[float] = []
        for start in range(0, len(ids), batch_size):
            rewards += self._pass(ids[start : start + batch_size]).tolist()
        return rewards

    def _pass(self, ids: Sequence[tuple[int, ...]]) -> Tensor:
        """(B,) rewards; padding stands behind the last token, which does not see it."""
        device = self._head.weight.device
        width = max(map(len, ids))
        # Any id will do for padding but the padding token, which transformers takes for a forgotten mask.
        padded = torch.tensor([[*one, *[one[0]] * (width - len(one))] for one in ids], device=device)
        hidden = self._base(input_ids=padded, use_cache=False, return_dict=True).last_hidden_state
        last = torch.stack([hidden[row, len(one) - 1] for row, one in enumerate(ids)])
        return self._head(last)[:, 0].double().cpu()

    def _ids(self, said: Said) -> tuple[int, ...]:
        messages, ended = said
        encoded = encode_conversation(self.tokenizer, messages, self._frame)
        ids = (*encoded.prompt_ids, *encoded.token_ids)
        return ids if ended else ids[:-1]
