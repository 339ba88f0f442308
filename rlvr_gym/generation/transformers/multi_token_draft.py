"""Speculative decoding with a module that predicts one token more: the model drafts for itself, a token a pass.

What is accepted follows the rule of `speculative`, so completions have the model's distribution exactly, whatever the
module says.

Shapes: B rows, L tokens read, H hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import DynamicCache

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import DraftCounts, SamplingParams
from rlvr_gym.generation.sampling import draw, uniforms
from rlvr_gym.generation.transformers.cache import prefixes
from rlvr_gym.generation.transformers.multi_token import MultiTokenModule, embedding_of
from rlvr_gym.generation.transformers.rows import CachedModel, Drawn, PromptSamples, Row, begun
from rlvr_gym.generation.transformers.speculative import DRAFTED, Block, ended

MTP = "mtp"
"""Names the module beside a model's weights where a draft is named."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MultiTokenDraft:
    """A module that drafts a token at a time for the model that it stands above."""

    model: MultiTokenModule
    tokens: ClassVar[int] = 1

    @classmethod
    def load(cls, model: Any, path: str) -> Self:
        """The module in the model's folder. Raises ConfigError where there is none."""
        if not Path(path).is_dir():
            raise ConfigError(
                f"generator.draft={MTP} is a module in the model's folder, and {path} is no folder"
            )
        return cls(model=MultiTokenModule.load(model, Path(path)).requires_grad_(False))

    def speculation(self, model: PreTrainedModel, end_ids: Collection[int]) -> MultiTokenSpeculation:
        """The state that rows of `model` are decoded from with this draft."""
        return MultiTokenSpeculation(model, self.model, end_ids)

    def refuse_other_tokens(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """There are none: it has the model's own embedding."""

    def room_in(self, context: int | None) -> int | None:
        """Number of tokens of prompt and completion together, which leave room for a drafted one."""
        return None if context is None else context - self.tokens


@final
class MultiTokenSpeculation:
    """Rows that gain one token or two with each forward pass of the model: a `RowState`.

    The module is kept one token behind the model, so that it reads a row's latest two tokens first, with the model's
    states of the tokens before these: `_states` has them (2, H) for each row.
    """

    def __init__(self, model: PreTrainedModel, module: MultiTokenModule, end_ids: Collection[int]) -> None:
        self._model, self._module, self._end_ids = CachedModel(model, keep_states=True), module, end_ids
        self._draft = CachedModel(_Reader(model, module))  # pyright: ignore[reportArgumentType]
        self._embed = embedding_of(model)
        self._states: dict[int, Tensor] = {}
        self._begun: dict[int, Tensor] = {}
        self.vocabulary = self._model.vocabulary
        self.counts = DraftCounts()

    def start(self, groups: Sequence[PromptSamples]) -> Tensor:
        """Read prompts, as `RowState.start` says."""
        prompts = [group.prompt_ids for group in groups]
        logits, kept = self._model.read_prompts(prompts)
        hidden = self._model.states
        assert hidden is not None
        ids = torch.zeros(hidden.shape[:2], dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
        before = nn.functional.pad(hidden[:, :-1], (0, 0, 1, 0))
        cache = DynamicCache()
        self._module.block(
            inputs_embeds=self._module.inputs(before, self._embed(ids.to(hidden.device))),
            position_ids=torch.arange(ids.shape[1], device=hidden.device).expand(ids.shape),
            past_key_values=cache,
            use_cache=True,
        )
        drafts = prefixes(cache, [len(prompt) for prompt in prompts])
        for row, (group, prefix, behind) in enumerate(zip(groups, kept, drafts, strict=True)):
            group.prefixes = (prefix, behind.without_last())
            latest = nn.functional.pad(hidden[row, : len(group.prompt_ids)], (0, 0, 1, 0))[-2:]
            self._begun[id(group)] = latest.clone()
        return logits

    def join(self, rows: Sequence[Row], max_rows: int, to_come: int) -> None:
        """Append rows, as `RowState.join` says."""
        self._model.join(begun(rows, 0), max_rows, to_come)
        self._draft.join(begun(rows, 1), max_rows, to_come)
        self._states |= {id(row): self._begun[id(row.group)] for row in rows}

    def keep(self, rows: Sequence[Row], moved: Sequence[tuple[int, int]], max_rows: int) -> None:
        """Go on with these rows, as `RowState.keep` says."""
        self._model.keep([row.length for row in rows], moved, max_rows)
        self._draft.keep([row.length - 1 for row in rows], moved, max_rows)
        self._states = {id(row): self._states[id(row)] for row in rows}

    def advance(self, rows: Sequence[Row], sampling: SamplingParams, to_come: int) -> Drawn:
        """Draw one token or two for every row, as `RowState.advance` says.

        Each token takes random numbers of its own place, so a completion does not depend on what it is decoded with.
        """
        drafted = [min(1, row.remaining - 1) for row in rows]
        states = torch.stack([self._states[id(row)] for row in rows])
        drafts, draft_logits = self._propose(rows, max(drafted), states, sampling, to_come)
        latest = torch.tensor([row.token_ids[-1:] for row in rows], device=drafts.device)
        logits = self._model.read(
            torch.cat([latest, drafts], dim=1),
            [row.length for row in rows],
            to_come,
            last=1 + drafts.shape[1],
        )
        read = self._model.states
        assert read is not None
        accepted, tokens, logprobs = Block(rows, drafted, drafts, draft_logits, logits).verified(sampling)
        excess = [max(drafted) - count for count in accepted]
        self._model.cut_back(excess)
        if max(drafted):
            self._draft.cut_back(excess)
        following = torch.cat([states[:, 1:], read], dim=1)
        for place, (row, count) in enumerate(zip(rows, accepted, strict=True)):
            self._states[id(row)] = following[place, count : count + 2]
        said = (tokens.tolist(), logprobs.tolist())
        drawn, counts = ended(rows, drafted, accepted, said, self._end_ids)
        self.counts += counts
        return drawn

    def _propose(
        self, rows: Sequence[Row], count: int, states: Tensor, sampling: SamplingParams, to_come: int
    ) -> tuple[Tensor, Tensor]:
        """Draft a token for every row, or none: tokens (B, K), and the logits (B, K, V) they were drawn from."""
        device = states.device
        if not count:
            none = torch.zeros(len(rows), 0, self.vocabulary, device=device)
            return torch.zeros(len(rows), 0, dtype=torch.long, device=device), none
        ids = torch.tensor([[*row.group.prompt_ids[-1:], *row.token_ids][-2:] for row in rows], device=device)
        inputs = self._module.inputs(states, self._embed(ids))
        logits = self._draft.read(inputs, [row.length - 1 for row in rows], to_come)
        steps = [DRAFTED + len(row.token_ids) for row in rows]
        uniform = uniforms([row.stream for row in rows], steps)[:, None]
        return draw(logits[:, -1], sampling, uniform)[0], logits


@final
class _Reader(nn.Module):
    """The module under the model's output embedding, as a model that reads states in place of token ids."""

    def __init__(self, model: PreTrainedModel, module: MultiTokenModule) -> None:
        super().__init__()
        self.config, self.module = model.config, module
        self.head: Any = model.get_output_embeddings()

    def forward(self, input_ids: Tensor, *, logits_to_keep: int, **cached: Any) -> SimpleNamespace:
        """Logits after the last `logits_to_keep` states."""
        states = self.module.block(inputs_embeds=input_ids, **cached).last_hidden_state[:, -logits_to_keep:]
        return SimpleNamespace(logits=self.head(states.to(self.head.weight.dtype)))
