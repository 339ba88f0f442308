"""The critic's loss: half the squared distance of values to returns, the mean over the tokens of the optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.objectives.token_table import TokenTable


@final
class ValueObjective:
    """The loss of one optimizer step over `minibatch`; what it calls log-probabilities are the critic's values.

    With `clip`, a token's loss is the larger of that of its value and that of its value held within `clip` of the old
    one, as in PPO's first implementations.
    """

    needs_entropy = False

    def __init__(self, minibatch: CreditedBatch, *, clip: float | None) -> None:
        self._clip = clip
        self._tokens = max(1, int(minibatch.tokens.mask_BT.sum()))

    def learns(self, minibatch: CreditedBatch) -> Tensor:
        """Every sequence with an action token."""
        return minibatch.tokens.mask_BT.any(1)

    def loss(
        self, part: CreditedBatch, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The loss of a part of the step, and its table."""
        if part.values_BT is None or part.returns_BT is None:
            raise ConfigError("a critic's loss needs old values and returns")
        mask_BT = part.tokens.mask_BT
        values_N = logprobs_BT[mask_BT].double()
        old_N, returns_N = part.values_BT[mask_BT].double(), part.returns_BT[mask_BT].double()
        terms_N = (values_N - returns_N) ** 2 / 2
        if self._clip is not None:
            held_N = old_N + (values_N - old_N).clamp(-self._clip, self._clip)
            terms_N = torch.maximum(terms_N, (held_N - returns_N) ** 2 / 2)
        weight_N = torch.full_like(terms_N, 1 / self._tokens).detach()
        return (weight_N * terms_N).sum(), TokenTable.of_terms(terms_N.detach(), weight_N=weight_N)
