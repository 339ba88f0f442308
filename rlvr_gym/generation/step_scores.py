"""Scores of steps: a causal language model with a head that is read where each step of an answer ends.

A folder of such a model is an ordinary model folder with `step_head.safetensors` beside the weights, whose metadata
says what a step was in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, cast, final, get_args

import torch
from safetensors import safe_open
from torch import nn
from transformers import PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import (
    TurnFrame,
    demonstration,
    encode_conversation,
    encode_prompt,
    encode_reply,
    turn_frame,
)
from rlvr_gym.generation.control import ControlTokens
from rlvr_gym.generation.prompts import end_of_sequence_ids
from rlvr_gym.generation.rewards import device_for, load_with_head, new_head, save_head
from rlvr_gym.generation.transformers.base import base_model
from rlvr_gym.tasks import Message
from rlvr_gym.verifiers.process_reward import STEP_HEAD
from rlvr_gym.verifiers.steps import Separator

_STEPS = "steps"
"""The metadata of a head's file that says what a step is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedSteps:
    """A conversation as token ids, up to the end of the last step of its last turn."""

    prompt_ids: tuple[int, ...]
    """Up to where the first turn of the assistant begins."""
    token_ids: tuple[int, ...]
    ends: tuple[int, ...]
    """The place in `token_ids` of the last token of each step."""


def encode_steps(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], ends: Sequence[int], frame: TurnFrame
) -> EncodedSteps:
    """Encode a conversation whose last turn, the assistant's, has steps that end at these places of its text.

    The turn is encoded piece by piece, each from the end of one step to the end of the next, so that no id up to the
    end of a step depends on what is said after it. Raises ConfigError where the template refuses the conversation.
    """
    said = [place for place, message in enumerate(messages) if message.role == "assistant"]
    if not said or said[-1] != len(messages) - 1 or not said[0]:
        raise ConfigError("the conversation does not end with a turn of the assistant that follows something")
    if len(said) == 1:
        prompt_ids, ids = encode_prompt(tokenizer, messages[:-1]), ()
    else:
        earlier = encode_conversation(tokenizer, messages[: said[-2] + 1], frame)
        prompt_ids, ids = earlier.prompt_ids, earlier.token_ids
        ids += encode_reply(tokenizer, ids, messages[said[-2] + 1 : -1], (frame.end_id,))
    ids += frame.header_ids
    text = messages[-1].content
    shown = demonstration(tokenizer, (*prompt_ids, *ids), text)
    moved = len(shown) - len(text)
    control, begins, places = ControlTokens.of(tokenizer), 0, list[int]()
    for end in ends:
        ids += control.encode_turn(shown[begins : end + moved])
        begins = end + moved
        places.append(len(ids) - 1)
    return EncodedSteps(prompt_ids=prompt_ids, token_ids=ids, ends=tuple(places))


def save_step_head(head: nn.Linear, folder: Path, steps: Separator) -> None:
    """Write the head beside a model's weights, and what a step is."""
    save_head(head, folder, STEP_HEAD, metadata={_STEPS: steps})


@final
class StepScorer:
    """A model that says of each step how likely it is right."""

    def __init__(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, head: nn.Linear, steps: Separator
    ) -> None:
        self.tokenizer = tokenizer
        self.steps: Separator = steps
        """The kind of step that it was trained on."""
        self._base, self._head = base_model(model), head
        self._frame = turn_frame(tokenizer, end_of_sequence_ids(tokenizer, model.generation_config))
        self._context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """The model of a folder, in float32. Raises ConfigError where there is none."""
        model, tokenizer, head = load_with_head(
            folder, partial(new_head, bias=True), file=STEP_HEAD, recipe="prm"
        )
        with safe_open(folder / STEP_HEAD, framework="pt") as file:
            steps = (file.metadata() or {}).get(_STEPS)
        if steps not in get_args(Separator):
            raise ConfigError(f"{folder / STEP_HEAD} does not say what a step is ({_STEPS}: {steps})")
        device = device_for(device)
        return cls(model.to(device), tokenizer, head.to(device), cast("Separator", steps))

    def too_long(self, messages: Sequence[Message], ends: Sequence[int]) -> str | None:
        """Say why steps cannot be read; None where they fit into the model's context."""
        encoded = self._encoded(messages, ends)
        length = len(encoded.prompt_ids) + len(encoded.token_ids)
        if self._context is None or length <= self._context:
            return None
        return f"{length} tokens with its prompt, and the process reward model reads {self._context}"

    @torch.no_grad()
    def of(self, messages: Sequence[Message], ends: Sequence[int]) -> list[float]:
        """The probability of each step that it is right. Raises ConfigError for what the chat template refuses."""
        encoded = self._encoded(messages, ends)
        device = self._head.weight.device
        ids = torch.tensor([[*encoded.prompt_ids, *encoded.token_ids]], device=device)
        hidden = self._base(input_ids=ids, use_cache=False, return_dict=True).last_hidden_state[0]
        places = torch.tensor(encoded.ends, device=device) + len(encoded.prompt_ids)
        return self._head(hidden[places])[:, 0].double().sigmoid().tolist()

    def _encoded(self, messages: Sequence[Message], ends: Sequence[int]) -> EncodedSteps:
        return encode_steps(self.tokenizer, messages, ends, self._frame)
