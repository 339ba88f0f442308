"""The loss of labelled steps: binary cross-entropy, the mean over the labelled steps of the whole optimizer step.

    loss = mean over steps of  -y log p - (1 - y) log (1 - p),    p = sigmoid(z)

z is what the model says at a step's last token, y its label in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.objectives.token_table import TokenTable


@final
class StepLabelObjective:
    """The loss of one optimizer step over `minibatch`, whose advantages are labels; log-probabilities stand for z."""

    needs_entropy = False

    def __init__(self, minibatch: CreditedBatch) -> None:
        self._steps = max(1, int(minibatch.tokens.mask_BT.sum()))

    def learns(self, minibatch: CreditedBatch) -> Tensor:
        """Every answer with a labelled step."""
        return minibatch.tokens.mask_BT.any(1)

    def loss(
        self, part: CreditedBatch, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The loss of a part of the step, and its table."""
        mask_BT = part.tokens.mask_BT
        scores_N, labels_N = logprobs_BT[mask_BT].double(), part.advantages_BT[mask_BT].double()
        terms_N = softplus(scores_N) - labels_N * scores_N
        table = TokenTable.of_terms(
            terms_N.detach(),
            weight_N=torch.full_like(terms_N, 1 / self._steps).detach(),
            advantage_N=labels_N,
            score_N=scores_N.detach(),
        )
        return terms_N.sum() / self._steps, table
