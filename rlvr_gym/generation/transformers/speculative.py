"""Speculative decoding: a smaller model drafts tokens, and one pass of the model accepts them or draws others.

Completions follow the model's distribution exactly, whatever the draft (Leviathan, Kalman and Matias 2023,
arXiv 2211.17192; Chen and others 2023, arXiv 2302.01318). With p the model's distribution of the next token and q the
draft's, both as temperature, top_k and top_p leave them, a share sum min(p, q) of drafted tokens is accepted.

Shapes: B rows, K drafted tokens, L = K + 1, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import DraftCounts, SamplingParams
from rlvr_gym.generation.sampling import (
    draw,
    invert,
    probabilities,
    recorded_log_probabilities,
    refuse_infinite,
    uniforms,
)
from rlvr_gym.generation.transformers.rows import CachedModel, Drawn, PromptSamples, Row, begun

DRAFTED, _ACCEPTED = 2**40, 2**41
"""Elements of a row's random stream from which on its drafted tokens are drawn, and accepted. A token that is drawn
from the model takes the element that it takes without a draft."""
_ELEMENTS_AT_ONCE = 2**22


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A model that drafts `tokens` tokens at a time for another, which has the same tokens by the same ids."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    tokens: int = 4

    def speculation(self, model: PreTrainedModel, end_ids: Collection[int]) -> Speculation:
        """The state that rows of `model` are decoded from with this draft."""
        return Speculation(model, self, end_ids)

    def refuse_other_tokens(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raise ConfigError, naming the first difference, unless ids mean the same to `tokenizer`."""
        ours = {id: token for token, id in tokenizer.get_vocab().items()}
        drafts = {id: token for token, id in self.tokenizer.get_vocab().items()}
        for id in sorted(ours.keys() | drafts.keys()):
            if ours.get(id) != drafts.get(id):
                raise ConfigError(
                    f"the draft has other tokens: id {id} is {_named(drafts.get(id))} to it, and "
                    f"{_named(ours.get(id))} to the model; possible: a smaller model with the same tokenizer"
                )

    def room_in(self, context: int | None) -> int | None:
        """Number of tokens of prompt and completion together, where the model can read `context` tokens.

        Drafted tokens need room after the last one, also those that come to nothing. Raises ConfigError where there is
        none, and where the draft can read fewer tokens than the model.
        """
        own: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if own is not None and (context is None or own < context):
            raise ConfigError(
                f"the draft reads at most {own} tokens, and the model {context or 'any number'}: take a draft that "
                "reads as many"
            )
        if context is not None and context <= self.tokens:
            raise ConfigError(
                f"{self.tokens} drafted tokens leave no room in the model's context of {context}: draft fewer"
            )
        return None if context is None else context - self.tokens


def _named(token: str | None) -> str:
    return "no token" if token is None else repr(token)


def verify(
    target: Tensor, draft: Tensor, tokens: Tensor, accept: Tensor, drawing: Tensor
) -> tuple[Tensor, Tensor]:
    """Count the drafted tokens that each row accepts, from the first on, and draw the token that comes after these.

    A token x that was drawn from q is accepted with probability min(1, p(x) / q(x)); in place of the first that is not,
    one is drawn from max(0, p - q), normalised. After K accepted ones another is drawn from p.

    Args:
        target: probabilities p (B, L, V) of the model in float64, at the places of the drafted tokens and the next.
        draft: probabilities q (B, K, V) of the draft, that `tokens` were drawn from. All zero where nothing was
            drafted: the token there is drawn from p.
        tokens: the drafted tokens (B, K).
        accept: uniform numbers (B, K) in [0, 1), by which they are accepted.
        drawing: uniform numbers (B, L) by which the token after them is drawn.

    Returns two tensors (B,).
    """
    p = target[:, : tokens.shape[1]].gather(-1, tokens[..., None])[..., 0]
    q = draft.gather(-1, tokens[..., None])[..., 0]
    accepts = (q > 0) & (accept * q < p)
    accepted = accepts.long().cumprod(dim=1).sum(dim=1)
    rows = torch.arange(len(accepted), device=accepted.device)
    p, q = target[rows, accepted], nn.functional.pad(draft, (0, 0, 0, 1))[rows, accepted]
    residual = (p - q).clamp_(min=0.0)
    # A token refused although p and q are equal but for rounding leaves nothing.
    equal = residual.sum(dim=-1, keepdim=True) == 0
    residual = torch.where(equal, p, residual)
    return accepted, invert(residual, drawing[rows, accepted][:, None])[:, 0]


@final
class Speculation:
    """Rows that gain up to K + 1 tokens with each forward pass of the model: a `RowState`.

    The draft is kept one token behind the model, so that it reads a row's latest two tokens first: of a block that was
    wholly accepted it has not read the last.
    """

    def __init__(self, model: PreTrainedModel, draft: Draft, end_ids: Collection[int]) -> None:
        self._model, self._draft = CachedModel(model), CachedModel(draft.model)
        self._tokens, self._end_ids = draft.tokens, end_ids
        self.vocabulary = self._model.vocabulary
        self.counts = DraftCounts()

    def start(self, groups: Sequence[PromptSamples]) -> Tensor:
        """Read prompts, as `RowState.start` says."""
        prompts = [group.prompt_ids for group in groups]
        logits, kept = self._model.read_prompts(prompts)
        known = [[min(id, self._draft.vocabulary - 1) for id in prompt] for prompt in prompts]
        drafts = self._draft.read_prompts(known)[1]
        for group, prefix, behind in zip(groups, kept, drafts, strict=True):
            group.prefixes = (prefix, behind.without_last())
        return logits

    def join(self, rows: Sequence[Row], max_rows: int, to_come: int) -> None:
        """Append rows, as `RowState.join` says."""
        self._model.join(begun(rows, 0), max_rows, to_come)
        self._draft.join(begun(rows, 1), max_rows, to_come)

    def keep(self, rows: Sequence[Row], moved: Sequence[tuple[int, int]], max_rows: int) -> None:
        """Go on with these rows, as `RowState.keep` says."""
        self._model.keep([row.length for row in rows], moved, max_rows)
        self._draft.keep([row.length - 1 for row in rows], moved, max_rows)

    def advance(self, rows: Sequence[Row], sampling: SamplingParams, to_come: int) -> Drawn:
        """Draw one token or more for every row, as `RowState.advance` says.

        How many are drafted for a row depends on that row alone, and each token takes random numbers of its own place:
        so a completion does not depend on what it is decoded with.
        """
        drafted = [min(self._tokens, row.remaining - 1) for row in rows]
        drafts, draft_logits = self._propose(rows, max(drafted), sampling, to_come)
        latest = torch.tensor([row.token_ids[-1:] for row in rows], device=drafts.device)
        logits = self._model.read(
            torch.cat([latest, drafts], dim=1),
            [row.length for row in rows],
            to_come,
            last=1 + drafts.shape[1],
        )
        block = Block(rows, drafted, drafts, draft_logits, logits)
        accepted, tokens, logprobs = block.verified(sampling)
        excess = [max(drafted) - count for count in accepted]
        self._model.cut_back(excess)
        if max(drafted):
            self._draft.cut_back(excess)
        said = (tokens.tolist(), logprobs.tolist())
        drawn, counts = ended(rows, drafted, accepted, said, self._end_ids)
        self.counts += counts
        return drawn

    def _propose(
        self, rows: Sequence[Row], count: int, sampling: SamplingParams, to_come: int
    ) -> tuple[Tensor, Tensor]:
        """Draft `count` tokens for every row: returns tokens (B, K) and the logits (B, K, V) they were drawn from."""
        streams = [row.stream for row in rows]
        lengths = [row.length - 1 for row in rows]
        ids = torch.tensor([[*row.group.prompt_ids[-1:], *row.token_ids][-2:] for row in rows])
        tokens: list[Tensor] = [ids.new_zeros(len(rows), 0).to(self._model.device)]
        logits: list[Tensor] = []
        for place in range(count):
            after = self._read(ids, lengths, to_come)
            steps = [DRAFTED + len(row.token_ids) + place for row in rows]
            lengths = [length + ids.shape[1] for length in lengths]
            ids = draw(after, sampling, uniforms(streams, steps)[:, None])[0]
            logits.append(after)
            tokens.append(ids)
        shape = (len(rows), 0, self.vocabulary)
        none = torch.zeros(shape, device=self._model.device)
        return torch.cat(tokens, dim=1), torch.stack(logits, dim=1) if logits else none

    def _read(self, ids: Tensor, lengths: Sequence[int], to_come: int) -> Tensor:
        """The draft's logits (B, V) after `ids`, over the model's vocabulary.

        Models with one tokenizer may have different numbers of logits, of which the last stand for no token. The draft
        reads its own last one in place of those that it lacks.
        """
        known = ids.clamp(max=self._draft.vocabulary - 1)
        logits = self._draft.read(known, lengths, to_come)[:, -1]
        missing = self.vocabulary - self._draft.vocabulary
        if missing > 0:
            return nn.functional.pad(logits, (0, missing), value=-torch.inf)
        return logits[:, : self.vocabulary]


def ended(
    rows: Sequence[Row],
    drafted: Sequence[int],
    accepted: Sequence[int],
    drawn: Drawn,
    end_ids: Collection[int],
) -> tuple[Drawn, DraftCounts]:
    """The new tokens of each row, up to an end token or stop string; and their counts."""
    lengths = [
        next((place for place in range(1, count + 1) if row.ends(end_ids, tokens[:place])), count + 1)
        for row, count, tokens in zip(rows, accepted, drawn[0], strict=True)
    ]
    counts = DraftCounts(
        passes=len(lengths),
        tokens=sum(lengths),
        judged=sum(map(min, lengths, drafted)),
        accepted=sum(map(min, lengths, accepted)),
    )
    tokens = [row[:length] for row, length in zip(drawn[0], lengths, strict=True)]
    logprobs = [row[:length] for row, length in zip(drawn[1], lengths, strict=True)]
    return (tokens, logprobs), counts


@final
@dataclass(frozen=True, slots=True)
class Block:
    """Drafted tokens of some rows, and the logits of draft and model there."""

    rows: Sequence[Row]
    drafted: Sequence[int]
    """Number of its K tokens that count, of each row."""
    drafts: Tensor
    draft_logits: Tensor
    logits: Tensor

    def verified(self, sampling: SamplingParams) -> tuple[list[int], Tensor, Tensor]:
        """Verify all tokens: how many each row accepts, the tokens (B, L) with what follows them, their logprobs."""
        size = max(1, _ELEMENTS_AT_ONCE // self.logits[0].numel())
        parts = [
            self._verified(slice(first, first + size), sampling) for first in range(0, len(self.rows), size)
        ]
        accepted, tokens, logprobs = (torch.cat(part) for part in zip(*parts, strict=True))
        taken = torch.arange(tokens.shape[1], device=accepted.device) <= accepted[:, None]
        refuse_infinite(logprobs[taken])
        return accepted.tolist(), tokens, logprobs

    def _verified(self, part: slice, sampling: SamplingParams) -> tuple[Tensor, Tensor, Tensor]:
        tokens, recorded = self.drafts[part], recorded_log_probabilities(self.logits[part], sampling)
        draft = probabilities(recorded_log_probabilities(self.draft_logits[part], sampling), sampling)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        counted = torch.tensor(self.drafted[part], device=tokens.device)[:, None] > places
        draft *= counted[..., None]
        target = probabilities(recorded, sampling)
        accept = self._uniforms(part, _ACCEPTED, tokens.shape[1])
        accepted, following = verify(target, draft, tokens, accept, self._uniforms(part, 0, target.shape[1]))
        tokens = nn.functional.pad(tokens, (0, 1)).scatter(1, accepted[:, None], following[:, None])
        return accepted, tokens, recorded.gather(-1, tokens[..., None])[..., 0]

    def _uniforms(self, part: slice, first: int, count: int) -> Tensor:
        """Random numbers (rows, count) for the next places of these rows, of the kind that begins at `first`."""
        rows = self.rows[part]
        streams = chain.from_iterable([row.stream] * count for row in rows)
        steps = chain.from_iterable(
            range(first + len(row.token_ids), first + len(row.token_ids) + count) for row in rows
        )
        return uniforms(list(streams), list(steps)).view(len(rows), count).to(self.drafts.device)
