"""Bradley-Terry as an algorithm: DPO's pairs and loss, of rewards in place of log-ratios to a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.algorithms.base import Scorer, Surroundings
from rlvr_trainers.algorithms.dpo import Dpo
from rlvr_trainers.algorithms.preference import Preference
from rlvr_trainers.algorithms.reward_model.settings import RewardModelling
from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
from rlvr_trainers.learner.models import Role
from rlvr_trainers.loss_settings import PreferenceConfig
from rlvr_trainers.objectives.preference import PreferenceObjective


@final
class BradleyTerry:
    """An `Algorithm` of pairs whose loss is -log sigmoid(h), h the difference of their rewards.

    That is DPO's loss with beta 1, of sequences whose log-probabilities add up to a reward, and a reference at 0.
    """

    needs_reference = False
    temperature = 1.0

    def __init__(self, config: RewardModelling, around: Surroundings) -> None:
        self._pairs = Preference(Dpo(beta=1.0, pairs=config.pairs), around)

    def teaches(self, group: Group) -> bool:
        """Return whether a group has a pair."""
        return self._pairs.teaches(group)

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Rollouts as tensors; those in pairs are learned from."""
        return self._pairs.tokens(rollouts, groups)

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """No other model has a part: rewards are measured from 0."""
        zeros_BT = torch.zeros(tokens.mask_BT.shape, dtype=torch.float64)
        return ScoredBatch(tokens=tokens, ref_logprobs_BT=zeros_BT)

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add pairs, and what they make of each sample."""
        return self._pairs.credit(rollouts, scored)

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> PreferenceObjective:
        """The loss of one optimizer step over the pairs of `minibatch`."""

        def rewards(tokens: TokenBatch) -> Tensor:
            return scorer(Role.REWARD, tokens)[0]

        return PreferenceObjective(PreferenceConfig(beta=1.0), minibatch, rewards)
