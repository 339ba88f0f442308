"""The loss of preferences (DPO, IPO): a function of each pair's margin, averaged over the pairs of a step.

    h = r(preferred) - r(other),    r(y) = sum over action tokens of  lp - lp_ref
    loss = mean over pairs of  -log sigmoid(beta h)    or    (h - 1 / (2 beta)) ** 2

A pair's sequences may be computed in different microbatches, by different processes. So margins are taken from a pass
without gradient over the whole step, with the weights of now; a sequence's own loss is its log-ratio times the
derivative of the loss by it, which has the gradient of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlvr_gym.errors import ConfigError
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.loss_settings import PreferenceConfig
from rlvr_trainers.objectives.token_table import TokenTable

Score = Callable[[TokenBatch], Tensor]
"""Log-probabilities (B, T) under the policy in training, without gradient."""


@final
class PreferenceObjective:
    """The loss of one optimizer step over the pairs of `minibatch`, whole groups of which are in it."""

    needs_entropy = False

    def __init__(self, config: PreferenceConfig, minibatch: CreditedBatch, logprobs: Score) -> None:
        if minibatch.pairs_B is None:
            raise ConfigError("a loss of preferences needs to be told the pairs")
        self._config = config
        ratios_B = self._log_ratios(minibatch, logprobs(minibatch.tokens))
        signed_B = minibatch.advantages_B * ratios_B
        numbers, pair_B = minibatch.pairs_B.unique(return_inverse=True)
        margins_P = torch.zeros(len(numbers), dtype=torch.float64).index_add_(0, pair_B, signed_B)
        paired_B = minibatch.pairs_B >= 0
        self._pairs = int((numbers >= 0).sum())
        losses_P, slopes_P = pair_losses(config, margins_P)
        self._margins_B = margins_P[pair_B].where(paired_B, 0.0)
        self._losses_B = losses_P[pair_B].where(paired_B, 0.0)
        self._factors_B = (slopes_P[pair_B] * minibatch.advantages_B).where(paired_B, 0.0) / max(
            1, self._pairs
        )

    def learns(self, minibatch: CreditedBatch) -> Tensor:
        """Every sequence in a pair."""
        return minibatch.tokens.mask_BT.any(1)

    def loss(
        self, part: CreditedBatch, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The part of the step's loss that has its gradient, and the table of its value."""
        here, mask_BT = list(rows), part.tokens.mask_BT
        ratios_B = self._log_ratios(part, logprobs_BT)
        factors_B = self._factors_B[here].to(ratios_B.device)
        tokens_B = mask_BT.sum(1).clamp(min=1)
        # Half a pair's loss stands in each of its two sequences, spread evenly over the tokens.
        weight_BT = mask_BT.double() / tokens_B[:, None] / (2 * max(1, self._pairs))
        losses_N, margins_N, ratios_N, sides_N = (
            values_B.to(ratios_B.device)[:, None].expand(mask_BT.shape)[mask_BT]
            for values_B in (
                self._losses_B[here],
                self._margins_B[here],
                ratios_B.detach(),
                part.advantages_B,
            )
        )
        table = TokenTable.of_terms(
            losses_N,
            weight_N=weight_BT[mask_BT],
            margin_N=margins_N,
            log_ratio_N=ratios_N,
            advantage_N=sides_N,
        )
        return (factors_B * ratios_B).sum(), table

    def _log_ratios(self, batch: CreditedBatch, logprobs_BT: Tensor) -> Tensor:
        """(B,) log-ratios of policy to reference, float64; of all tokens, or their means."""
        mask_BT = batch.tokens.mask_BT
        if batch.ref_logprobs_BT is None:
            raise ConfigError("a loss of preferences needs the reference's log-probabilities")
        terms_BT = torch.where(mask_BT, logprobs_BT.double() - batch.ref_logprobs_BT.double(), 0.0)
        ratios_B = terms_BT.sum(1)
        return ratios_B / mask_BT.sum(1).clamp(min=1) if self._config.length_normalised else ratios_B


def pair_losses(config: PreferenceConfig, margins_P: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of each margin, and its derivative by the margin."""
    beta = config.beta
    if config.loss == "ipo":
        gap_P = margins_P - 1 / (2 * beta)
        return gap_P**2, 2 * gap_P
    return -logsigmoid(beta * margins_P), -beta * torch.sigmoid(-beta * margins_P)
