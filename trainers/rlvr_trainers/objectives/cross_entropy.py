"""Cross-entropy to what was demonstrated: the mean over the tokens of the whole optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_trainers.objectives.base import Batch
from rlvr_trainers.objectives.token_table import TokenTable


@final
class CrossEntropyObjective:
    """The negative log-likelihood of the action tokens of one optimizer step over `minibatch`."""

    needs_entropy = False

    def __init__(self, minibatch: Batch) -> None:
        self._tokens = int(minibatch.tokens.mask_BT.sum())

    def learns(self, minibatch: Batch) -> Tensor:
        """Every sequence with a token in the loss."""
        return minibatch.tokens.mask_BT.any(1)

    def loss(
        self, part: Batch, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The loss of a part of the step, and its table."""
        terms_N = -logprobs_BT.detach()[part.tokens.mask_BT].double()
        table = TokenTable.of_terms(
            terms_N, weight_N=torch.full_like(terms_N, 1 / self._tokens), likelihood=True
        )
        return -logprobs_BT.where(part.tokens.mask_BT, 0.0).sum() / self._tokens, table
