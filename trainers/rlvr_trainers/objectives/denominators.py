"""Denominators of the whole optimizer step, so that losses and gradients of its microbatches simply add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.loss_settings import Aggregation


@dataclass(frozen=True, kw_only=True)
class Denominators:
    """The denominators of one optimizer step, from masks and groups alone.

    An unscored sample counts nowhere. A sample whose mask is empty (overlong-filtered, or an empty completion) still
    counts as one of the N samples, and its prompt as one of the P prompts: only its tokens are gone. A sample that is
    an episode of several sequences counts as one, with the tokens of them all: however an episode is laid out, its
    tokens have the same weights.
    """

    aggregation: Aggregation
    sequences: int
    """N: scored samples."""
    tokens_by_episode: dict[int, int]
    """Action tokens of each scored sample."""
    tokens_by_group: dict[int, int]
    """Action tokens of each prompt group with a scored sequence."""
    max_tokens: int
    """L_max: the completion budget."""

    @classmethod
    def of(cls, aggregation: Aggregation, batch: TokenBatch, *, max_tokens: int) -> Self:
        """The denominators of an optimizer step over `batch`, which is all of it."""
        by_group: Counter[int] = Counter()
        by_episode: Counter[int] = Counter()
        lengths_B = batch.mask_BT.sum(1)[batch.scored_B].tolist()
        groups_B, episodes_B = batch.groups_B[batch.scored_B], batch.episodes_B[batch.scored_B]
        for group, episode, length in zip(groups_B.tolist(), episodes_B.tolist(), lengths_B, strict=True):
            by_group[group] += length
            by_episode[episode] += length
        return cls(
            aggregation=aggregation,
            sequences=len(by_episode),
            tokens_by_episode=dict(by_episode),
            tokens_by_group=dict(by_group),
            max_tokens=max_tokens,
        )

    def weights(self, batch: TokenBatch) -> Tensor:
        """The weight of each token of a part of the step, float64 (B, T), 0 outside the mask."""
        mask_BT = batch.mask_BT.double()
        match self.aggregation:
            case "sequence_mean":
                lengths = [self.tokens_by_episode.get(episode, 0) for episode in batch.episodes_B.tolist()]
                divisors_B = self.sequences * mask_BT.new_tensor(lengths)
            case "token_mean":
                divisors_B = mask_BT.new_tensor([sum(self.tokens_by_group.values())])
            case "prompt_mean":
                prompts = len(self.tokens_by_group)
                tokens = [self.tokens_by_group.get(group, 0) for group in batch.groups_B.tolist()]
                divisors_B = prompts * mask_BT.new_tensor(tokens)
            case "constant":
                divisors_B = mask_BT.new_tensor([self.sequences * self.max_tokens])
        return mask_BT / divisors_B.clamp(min=1)[:, None]
