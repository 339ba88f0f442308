"""On-policy distillation as an algorithm: every sample teaches, and a teacher says what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.algorithms.base import Scorer, Surroundings
from rlvr_trainers.algorithms.distillation.settings import Distill
from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
from rlvr_trainers.credit.outcomes import outcome_scores
from rlvr_trainers.learner.models import Role
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.base import Objective
from rlvr_trainers.objectives.divergence import DivergenceObjective
from rlvr_trainers.objectives.policy_gradient import PolicyGradientObjective


@final
class Distillation:
    """An `Algorithm` that learns from a teacher, whose settings are `config`.

    Of whole distributions it minimises the divergence. Of sampled tokens it is a policy gradient: a token's advantage
    is log p(teacher) - log p(student), as the step began.
    """

    needs_reference = False

    def __init__(self, config: Distill, around: Surroundings) -> None:
        self._config, self._around = config, around
        self._loss = PolicyGradientConfig(aggregation=config.aggregation)

    @property
    def temperature(self) -> float:
        """The sampling temperature, for both models: where they agree at one, they agree at all."""
        return self._around.temperature

    def teaches(self, group: Group) -> bool:
        """Return whether anything of a group was sampled."""
        return any(rollout.length for rollout in group)

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Rollouts as tensors, judged or not; overlong filtering takes the tokens of truncated ones out of the loss."""
        filters = self._around.overlong.filter
        chosen = [not (filters and rollout.truncated) for rollout in rollouts]
        return TokenBatch.of_chosen(rollouts, groups, chosen, scored=[r.length > 0 for r in rollouts])

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """Add log-probabilities of the student as the step began, where they are needed, and of the teacher."""
        old = teacher = None
        if self._samples or self._around.updates_per_step > 1:
            old, _ = scorer(Role.POLICY, tokens)
        if self._samples:
            teacher, _ = scorer(Role.TEACHER, tokens)
        return ScoredBatch(tokens=tokens, old_logprobs_BT=old, ref_logprobs_BT=teacher)

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add rewards, for the figures, and advantages: 0 where whole distributions are compared."""
        tokens = scored.tokens
        advantages_BT = torch.zeros(tokens.mask_BT.shape, dtype=torch.float64)
        if scored.old_logprobs_BT is not None and scored.ref_logprobs_BT is not None:
            gap_BT = scored.ref_logprobs_BT.double() - scored.old_logprobs_BT.double()
            advantages_BT = torch.where(tokens.mask_BT, gap_BT, 0.0)
        # In a step's only update the old policy is the one in training, and the ratio exactly 1.
        drifts = self._around.updates_per_step > 1
        return CreditedBatch(
            tokens=tokens,
            old_logprobs_BT=scored.old_logprobs_BT if drifts else None,
            ref_logprobs_BT=scored.ref_logprobs_BT,
            rewards_B=torch.from_numpy(self._around.reward.of(outcome_scores(rollouts))),
            advantages_B=advantages_BT.sum(1) / tokens.mask_BT.sum(1).clamp(min=1),
            advantages_BT=advantages_BT,
        )

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> Objective[CreditedBatch]:
        """The loss of one optimizer step over all of `minibatch`."""
        max_tokens = self._around.max_tokens
        if not self._samples:
            return DivergenceObjective(self._config.aggregation, minibatch, max_tokens=max_tokens)

        def entropies(tokens: TokenBatch) -> Tensor:
            return scorer(Role.POLICY, tokens, with_entropy=True)[1]

        return PolicyGradientObjective(self._loss, minibatch, max_tokens=max_tokens, entropies=entropies)

    @property
    def _samples(self) -> bool:
        return self._config.vocabulary == "sampled"
