"""Preferences: of each pair of sequences one is made likelier than the other, measured from a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.algorithms.base import Scorer, Surroundings
from rlvr_trainers.algorithms.dpo import Dpo
from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
from rlvr_trainers.credit.outcomes import outcome_scores
from rlvr_trainers.credit.pairs import Pair, pairs_by_verdict
from rlvr_trainers.learner.models import Role
from rlvr_trainers.objectives.preference import PreferenceObjective


@final
class Preference:
    """An `Algorithm` that learns from pairs: the preferred sample's advantage is 1, the other's -1."""

    needs_reference = True
    temperature = 1.0
    """Preferences are about the model as it is, whatever heat samples it: not every pair was sampled."""

    def __init__(self, config: Dpo, around: Surroundings) -> None:
        self._config, self._around = config, around

    def teaches(self, group: Group) -> bool:
        """Return whether a group has a pair."""
        return bool(self._pairs(group, [0] * len(group)))

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Rollouts as tensors; the action tokens of samples in pairs are learned from."""
        paired = {row for pair in self._pairs(rollouts, groups) for row in pair}
        chosen = [row in paired for row in range(len(rollouts))]
        return TokenBatch.of_chosen(rollouts, groups, chosen, scored=[r.verdict.scored for r in rollouts])

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """Add the reference's log-probabilities."""
        reference, _ = scorer(Role.REFERENCE, tokens)
        return ScoredBatch(tokens=tokens, ref_logprobs_BT=reference)

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add pairs, and what they make of each sample."""
        tokens = scored.tokens
        advantages_B = torch.zeros(tokens.size, dtype=torch.float64)
        pairs_B = torch.full((tokens.size,), -1)
        for number, (good, bad) in enumerate(self._pairs(rollouts, tokens.groups_B.tolist())):
            advantages_B[good], advantages_B[bad] = 1.0, -1.0
            pairs_B[[good, bad]] = number
        return CreditedBatch(
            tokens=tokens,
            ref_logprobs_BT=scored.ref_logprobs_BT,
            rewards_B=torch.from_numpy(self._around.reward.of(outcome_scores(rollouts))),
            advantages_B=advantages_B,
            advantages_BT=advantages_B[:, None] * tokens.mask_BT,
            pairs_B=pairs_B,
        )

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> PreferenceObjective:
        """The loss of one optimizer step over the pairs of `minibatch`."""

        def logprobs(tokens: TokenBatch) -> Tensor:
            return scorer(Role.POLICY, tokens)[0]

        return PreferenceObjective(self._config, minibatch, logprobs)

    def _pairs(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> list[Pair]:
        return pairs_by_verdict(rollouts, groups, most=self._config.pairs, seed=self._around.seed)
