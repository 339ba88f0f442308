"""The loss of on-policy distillation: each action token's divergence from the teacher, weighed over the whole step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.loss_settings import Aggregation
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.token_table import TokenTable


@final
class DivergenceObjective:
    """The loss of one optimizer step over `minibatch`; what it calls entropies are divergences, with their gradient."""

    needs_entropy = True

    def __init__(self, aggregation: Aggregation, minibatch: CreditedBatch, *, max_tokens: int) -> None:
        self._denominators = Denominators.of(aggregation, minibatch.tokens, max_tokens=max_tokens)

    def learns(self, minibatch: CreditedBatch) -> Tensor:
        """Every sequence with an action token."""
        return minibatch.tokens.mask_BT.any(1)

    def loss(
        self, part: CreditedBatch, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The loss of a part of the step, and its table."""
        if entropy_BT is None:
            raise ConfigError("a loss of divergences needs those of its tokens")
        mask_BT = part.tokens.mask_BT
        weight_N = self._denominators.weights(part.tokens)[mask_BT]
        terms_N = entropy_BT[mask_BT].double()
        return (weight_N * terms_N).sum(), _table(part, weight_N, terms_N.detach(), logprobs_BT.detach())


def _table(part: CreditedBatch, weight_N: Tensor, terms_N: Tensor, logprobs_BT: Tensor) -> TokenTable:
    tokens, mask_BT = part.tokens, part.tokens.mask_BT
    lp_N = logprobs_BT[mask_BT].double()
    old_N = lp_N if part.old_logprobs_BT is None else part.old_logprobs_BT[mask_BT].double()
    never = torch.zeros_like(terms_N, dtype=torch.bool)
    return TokenTable(
        weight_N=weight_N,
        advantage_N=torch.zeros_like(terms_N),
        ratio_N=(lp_N - old_N).exp(),
        clipped_low_N=never,
        clipped_high_N=never,
        policy_term_N=terms_N,
        loss_term_N=terms_N,
        mismatch_N=old_N - tokens.rollout_logprobs_BT[mask_BT].double(),
        stale_N=tokens.stale_B[:, None].expand_as(mask_BT)[mask_BT],
        kl_N=None,
        entropy_N=None,
    )
