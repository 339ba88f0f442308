"""Imitation: cross-entropy on the assistant's tokens of chosen sequences, shown or sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import torch

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.algorithms.base import Scorer
from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
from rlvr_trainers.credit.outcomes import outcome_scores
from rlvr_trainers.objectives.base import Objective
from rlvr_trainers.objectives.cross_entropy import CrossEntropyObjective
from rlvr_trainers.objectives.multi_token import MultiTokenObjective
from rlvr_trainers.settings import RewardConfig

Choice = Callable[[Sequence[Rollout]], Sequence[bool]]
"""The (B,) rollouts of a batch -> which of them are imitated."""


@final
class Supervised:
    """An `Algorithm` in which what `choose` picks earns 1 and all else 0; the loss is a mean over the step's tokens."""

    needs_reference = False
    temperature = 1.0
    """The model is trained as it is, whatever heat samples it: not everything that is imitated was sampled."""

    def __init__(self, choose: Choice, reward: RewardConfig, *, multi_token_weight: float = 0.0) -> None:
        self._choose, self._reward, self._multi_token_weight = choose, reward, multi_token_weight

    def teaches(self, group: Group) -> bool:
        """Return whether anything of a group would be imitated."""
        return any(self._choose(group))

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Rollouts as tensors; the action tokens of the chosen ones are learned, judged or not."""
        chosen = self._choose(rollouts)
        known = [rollout.verdict.scored or one for rollout, one in zip(rollouts, chosen, strict=True)]
        return TokenBatch.of_chosen(rollouts, groups, chosen, scored=known)

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """No other model has a part."""
        return ScoredBatch(tokens=tokens)

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add rewards, for the figures, and advantages: 1 for each token in the loss."""
        advantages_BT = scored.tokens.mask_BT.double()
        chosen_B = scored.tokens.mask_BT.any(1)
        return CreditedBatch(
            tokens=scored.tokens,
            rewards_B=torch.from_numpy(self._reward.of(outcome_scores(rollouts))),
            advantages_B=chosen_B.double(),
            advantages_BT=advantages_BT,
            chosen_B=chosen_B,
        )

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> Objective[CreditedBatch]:
        """The cross-entropy of one optimizer step over all of `minibatch`."""
        if self._multi_token_weight:
            return MultiTokenObjective(minibatch, weight=self._multi_token_weight)
        return CrossEntropyObjective(minibatch)
