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
    counts as one of the N sequences, and its prompt as one of the P prompts: only its tokens are gone.
    """

    aggregation: Aggregation
    sequences: int
    """N: scored sequences."""
    tokens_by_group: dict[int, int]
    """Action tokens of each prompt group with a scored sequence."""
    max_tokens: int
    """L_max: the completion budget."""

    @classmethod
    def of(cls, aggregation: Aggregation, batch: TokenBatch, *, max_tokens: int) -> Self:
        """The denominators of an optimizer step over `batch`, which is all of it."""
        tokens: Counter[int] = Counter()
        rows = zip(
            batch.groups_B.tolist(), batch.mask_BT.sum(1).tolist(), batch.scored_B.tolist(), strict=True
        )
        for group, length, scored in rows:
            if scored:
                tokens[group] += length
        return cls(
            aggregation=aggregation,
            sequences=int(batch.scored_B.sum()),
            tokens_by_group=dict(tokens),
            max_tokens=max_tokens,
        )

    def weights(self, batch: TokenBatch) -> Tensor:
        """The weight of each token of a part of the step, float64 (B, T), 0 outside the mask."""
        mask_BT = batch.mask_BT.double()
        match self.aggregation:
            case "sequence_mean":
                divisors_B = self.sequences * mask_BT.sum(1)
            case "token_mean":
                divisors_B = mask_BT.new_tensor([sum(self.tokens_by_group.values())])
            case "prompt_mean":
                prompts = len(self.tokens_by_group)
                tokens = [self.tokens_by_group.get(group, 0) for group in batch.groups_B.tolist()]
                divisors_B = prompts * mask_BT.new_tensor(tokens)
            case "constant":
                divisors_B = mask_BT.new_tensor([self.sequences * self.max_tokens])
        return mask_BT / divisors_B.clamp(min=1)[:, None]
