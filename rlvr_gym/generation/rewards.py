"""Rewards of conversations: a causal language model with a scalar head at the last token, and its folder.

A folder of a reward model is an ordinary model folder with `reward_head.safetensors` beside the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def new_head(model: Any) -> nn.Linear:
    """A head for a model's hidden states, which begins with zeros: no conversation is preferred to another.

    It has no bias: only differences of rewards are ever learned.
    """
    size: int = model.config.get_text_config().hidden_size
    head = nn.Linear(size, 1, bias=False, dtype=torch.float32)
    nn.init.zeros_(head.weight)
    return head


def save_head(head: nn.Linear, folder: Path) -> None:
    """Write the head beside a model's weights."""
    save_file({"weight": head.weight.detach().cpu().contiguous()}, folder / HEAD)


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
        with without_progress_bars():
            model, tokenizer = load_model(folder, "float32")
        head = new_head(model)
        try:
            head.load_state_dict(load_file(folder / HEAD))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ConfigError(
                f"{folder} holds a model without a reward head that can be read ({HEAD}: {error}); "
                "rlvr train reward_model writes one"
            ) from error
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        moved: Any = model.to(device)  # pyright: ignore[reportArgumentType]
        return cls(moved, tokenizer, head.to(device))

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
