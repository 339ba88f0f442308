"""Decoding for models whose state is not just keys and values: rows of one length advance together.

Slower than `Decoding`, and right for more: the model is shown no padding and keeps its own state (of a
state-space model, a convolution, a sliding window), or none, and then each token computes its sequence again.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Collection, Sequence
from enum import Enum
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import CacheLayerMixin, LinearAttentionCacheLayerMixin

from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.sampling import draw, uniforms
from rlvr_gym.generation.transformers.cache import EMPTY_LAYER
from rlvr_gym.generation.transformers.decoding import PREFILL_TOKENS, Decoding, record
from rlvr_gym.generation.transformers.rows import OneByOne, PromptSamples, Row


class Memory(Enum):
    """The state kept from one token to the next. A model uses the first of these that gives right results."""

    ROWS = "keys and values, in rows that come and go"
    OWN = "the model's own cache"
    COUNTED = "the model's own cache, with positions counted for it"
    NONE = "nothing: every token computes its sequence again"

    def decoding(
        self,
        model: PreTrainedModel,
        groups: Sequence[PromptSamples],
        sampling: SamplingParams,
        *,
        end_ids: Collection[int],
        max_rows: int,
        max_tokens: int,
    ) -> Decoding | LockstepDecoding:
        """One call's work, by the decoder that keeps this."""
        limits = {"end_ids": end_ids, "max_rows": max_rows, "max_tokens": max_tokens}
        match self:
            case Memory.ROWS:
                return Decoding(OneByOne(model), groups, sampling, **limits)
            case Memory.OWN:
                return LockstepDecoding(OwnCache(model), groups, sampling, **limits)
            case Memory.COUNTED:
                return LockstepDecoding(OwnCache(model, counted=True), groups, sampling, **limits)
            case Memory.NONE:
                return LockstepDecoding(NoCache(model), groups, sampling, **limits)


class LockstepDecoding:
    """One call's work, as a `Decoding`, in batches of rows whose prompts are equally long.

    A batch's prompts are computed once each, what the model keeps of them is copied to their samples, and the
    batch is decoded to its end; rows leave when they are finished and none joins.
    """

    def __init__(
        self,
        state: OwnCache | NoCache,
        groups: Sequence[PromptSamples],
        sampling: SamplingParams,
        *,
        end_ids: Collection[int],
        max_rows: int,
        max_tokens: int,
    ) -> None:
        self._state, self._sampling, self._end_ids = state, sampling, end_ids
        self.stopped = False
        groups = sorted(groups, key=lambda group: -len(group.prompt_ids))
        self._waiting = deque(row for group in groups for row in group.rows)
        self._rows: list[Row] = []
        widest = max((len(group.prompt_ids) + group.budget for group in groups), default=1)
        self._max_rows = max(1, min(max_rows, max_tokens // widest))

    @property
    def unfinished(self) -> bool:
        """True while any sample can still grow."""
        return bool(self._waiting or self._rows)

    def until_a_group_finishes(self) -> list[PromptSamples]:
        """Go on until one group or more have all their samples, or another thread sets `stopped`; returns these."""
        finished: list[PromptSamples] = []
        while self.unfinished and not finished and not self.stopped:
            logits = self._state.advance(self._rows) if self._rows else self._start_batch()
            finished = self._draw(logits)
        return finished

    def _start_batch(self) -> Tensor:
        """Compute the prompts of the next rows; returns the logits (rows, V) after them."""
        self._rows = self._next_rows()
        prompts = [list(members) for _, members in groupby(self._rows, key=lambda row: id(row.group))]
        logits = self._state.start([members[0].group.prompt_ids for members in prompts])
        copies = torch.tensor([place for place, members in enumerate(prompts) for _ in members])
        self._state.keep(copies)
        return logits[copies.to(logits.device)]

    def _next_rows(self) -> list[Row]:
        length = len(self._waiting[0].group.prompt_ids)
        rows, prompts = [self._waiting.popleft()], 1
        while self._waiting and len(rows) < self._max_rows:
            group = self._waiting[0].group
            prompts += group is not rows[-1].group
            if len(group.prompt_ids) != length or prompts * length > PREFILL_TOKENS:
                break
            rows.append(self._waiting.popleft())
        return rows

    def _draw(self, logits: Tensor) -> list[PromptSamples]:
        rows = self._rows
        uniform = uniforms([row.stream for row in rows], [len(row.token_ids) for row in rows])
        tokens, logprobs = draw(logits, self._sampling, uniform[:, None])
        finished = record(rows, (tokens.tolist(), logprobs.tolist()), self._end_ids)
        going_on = [place for place, row in enumerate(rows) if row.finish_reason is None]
        self._rows = [rows[place] for place in going_on]
        if going_on and len(going_on) < len(rows):
            self._state.keep(torch.tensor(going_on))
        return finished


class OwnCache:
    """The state that a model makes for itself, and reads again under the name by which it returned it.

    Some begin to count positions anew at every call (where the first layer is no attention): `counted` hands them in.
    Others count from elsewhere than 0, and are not to be told.
    """

    def __init__(self, model: PreTrainedModel, *, counted: bool = False) -> None:
        self._forward = _Forward(model)
        self._counted = counted
        self._state: dict[str, Any] = {}

    def start(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Read prompts of one length; returns the logits (B, V) after them."""
        self._state = {}
        return self._read(prompts, 0)

    def advance(self, rows: Sequence[Row]) -> Tensor:
        """Read the latest token of each row; returns the logits (rows, V) after it."""
        return self._read([row.token_ids[-1:] for row in rows], rows[0].length)

    def keep(self, places: Tensor) -> None:
        """Go on with the rows at `places`, each as often as it stands there."""
        self._state = {name: _at(places, state) for name, state in self._state.items()}

    def _read(self, ids: Sequence[Sequence[int]], first: int) -> Tensor:
        positions: dict[str, Any] = {}
        if self._counted:
            positions["position_ids"] = torch.arange(first, first + len(ids[0])).expand(len(ids), -1)
        logits, self._state = self._forward(ids, use_cache=True, **positions, **self._state)
        if not self._state:
            raise TypeError("the model returns no state to go on from")
        return logits


class NoCache:
    """No state: for models that have none, or cannot go on from it."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._forward = _Forward(model)

    def start(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Read prompts of one length; returns the logits (B, V) after them."""
        return self._forward(prompts, use_cache=False)[0]

    def advance(self, rows: Sequence[Row]) -> Tensor:
        """Read the whole of each row; returns the logits (rows, V) after it."""
        return self.start([[*row.group.prompt_ids, *row.token_ids] for row in rows])

    def keep(self, places: Tensor) -> None:
        """Nothing to do."""


def parameters(model: PreTrainedModel) -> frozenset[str]:
    """Names of all that the model's forward pass takes."""
    inner: Any = model
    if hasattr(inner, "get_base_model"):  # a wrapper, peft's, passes on what it is given
        inner = inner.get_base_model()
    return frozenset(inspect.signature(inner.forward).parameters)


class _Forward:
    """A model's forward pass: ids of equal length -> the latest logits, and what it wants to be handed again."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._takes = parameters(model)

    def __call__(self, ids: Sequence[Sequence[int]], **state: Any) -> tuple[Tensor, dict[str, Any]]:
        options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in self._takes else {}
        if "position_ids" in state:
            options["position_ids"] = state.pop("position_ids").to(self._device)
        output = self._model(
            input_ids=torch.tensor(ids, device=self._device), return_dict=True, **options, **state
        )
        kept = {name: output[name] for name in self._takes & output.keys() if output[name] is not None}
        return output["logits"][:, -1], kept


def _at(places: Tensor, state: Any) -> Any:
    """The rows at `places` of a model's state: of every tensor that it holds, by its first dimension."""
    match state:
        case Tensor():
            return state.index_select(0, places.to(state.device)) if state.ndim else state
        case list() | tuple():
            return type(state)(_at(places, part) for part in state)
        case dict():
            return {name: _at(places, part) for name, part in state.items()}
        case CacheLayerMixin() | LinearAttentionCacheLayerMixin():  # knows better what its tensors are
            state.reorder_cache(places)  # pyright: ignore[reportArgumentType]
        case None | bool() | int() | float() | str() | type() | torch.dtype() | torch.device():
            pass
        case _ if isinstance(state, EMPTY_LAYER):
            pass
        case _:
            for name, part in vars(state).items():
                setattr(state, name, _at(places, part))
    return state
