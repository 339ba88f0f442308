"""Labels of steps as an algorithm: each is the credit of the last token of its step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.algorithms.base import Scorer, Surroundings
from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
from rlvr_trainers.credit.outcomes import outcome_scores
from rlvr_trainers.data.steps.demonstrations import labels_of
from rlvr_trainers.objectives.step_labels import StepLabelObjective


@final
class StepLabels:
    """An `Algorithm` whose action tokens are the last ones of labelled steps, and whose advantages are the labels."""

    needs_reference = False
    temperature = 1.0

    def __init__(self, around: Surroundings) -> None:
        self._reward = around.reward

    def teaches(self, group: Group) -> bool:
        """Return whether any step of a group is labelled."""
        return any(any(rollout.action_mask) for rollout in group)

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Answers as tensors, up to their last step's end; the last token of each labelled step is learned from."""
        return TokenBatch.of_rollouts(rollouts, groups)

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """No other model has a part."""
        return ScoredBatch(tokens=tokens)

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add labels, as the advantages of tokens; an answer's is the mean of its own."""
        mask_BT = scored.tokens.mask_BT
        labels_N = torch.tensor(labels_of(rollouts), dtype=torch.float64)
        labels_BT = torch.zeros(mask_BT.shape, dtype=torch.float64).masked_scatter(mask_BT, labels_N)
        return CreditedBatch(
            tokens=scored.tokens,
            rewards_B=torch.from_numpy(self._reward.of(outcome_scores(rollouts))),
            advantages_B=labels_BT.sum(1) / mask_BT.sum(1).clamp(min=1),
            advantages_BT=labels_BT,
        )

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> StepLabelObjective:
        """The loss of one optimizer step over the labelled steps of `minibatch`."""
        return StepLabelObjective(minibatch)
