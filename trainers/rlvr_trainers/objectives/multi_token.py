"""Imitation of what was demonstrated and of the token after it, each the mean over the tokens of the optimizer step.

    loss = mean of -log p(t)  +  weight * mean of -log q(t)

p is the model's probability of an action token t, and q that of the module that predicts one token more: it has the
state of the token two before t, and the embedding of the one between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_trainers.objectives.base import Batch
from rlvr_trainers.objectives.token_table import TokenTable


@final
class MultiTokenObjective:
    """The loss of one optimizer step over `minibatch`; log q stands in the place of entropies."""

    needs_entropy = True

    def __init__(self, minibatch: Batch, *, weight: float) -> None:
        self._weight = weight
        self._tokens = max(1, int(minibatch.tokens.mask_BT.sum()))

    def learns(self, minibatch: Batch) -> Tensor:
        """Every sequence with a token in the loss."""
        return minibatch.tokens.mask_BT.any(1)

    def loss(
        self, part: Batch, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The loss of a part of the step, and its table."""
        if entropy_BT is None:
            raise ConfigError("a loss of two tokens needs the probabilities of both")
        mask_BT = part.tokens.mask_BT
        terms_N, ahead_N = -logprobs_BT[mask_BT], -entropy_BT[mask_BT]
        table = TokenTable.of_terms(
            (terms_N + self._weight * ahead_N).detach().double(),
            weight_N=torch.full_like(terms_N, 1 / self._tokens, dtype=torch.float64).detach(),
            ahead_N=ahead_N.detach().double(),
        )
        return (terms_N.sum() + self._weight * ahead_N.sum()) / self._tokens, table
