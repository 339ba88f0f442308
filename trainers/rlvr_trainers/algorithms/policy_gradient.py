"""GRPO and its relatives: advantages within groups, one policy loss with named places, KL to a reference on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.algorithms.base import Scorer, Surroundings
from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.credit.outcomes import degenerate, outcome_scores
from rlvr_trainers.credit.overlong import shaped
from rlvr_trainers.credit.prefix_sharing import sharers
from rlvr_trainers.credit.step_rewards import step_advantages, step_rewards
from rlvr_trainers.credit.tree import tree_advantages, trees_of
from rlvr_trainers.learner.models import Role
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.kl import kl_in_reward
from rlvr_trainers.objectives.policy_gradient import PolicyGradientObjective


@final
class PolicyGradient:
    """An `Algorithm` with the estimator, aggregation, ratio, clipping and regularisation of `config`.

    With `trees`, the samples of a prompt are leaves of trees, and compared within these too.
    """

    def __init__(self, config: PolicyGradientConfig, around: Surroundings, *, trees: bool = False) -> None:
        self.config, self._around, self._trees = config, around, trees

    @property
    def needs_reference(self) -> bool:
        """True when KL is measured to a frozen reference."""
        return self.config.needs_reference

    @property
    def temperature(self) -> float:
        """The sampling temperature: the policy that is improved is the one that was sampled."""
        return self._around.temperature

    def teaches(self, group: Group) -> bool:
        """Return whether outcomes differ within the group."""
        return not degenerate(group)

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Rollouts as tensors; overlong filtering takes the tokens of truncated ones out of the loss."""
        return TokenBatch.of_rollouts(rollouts, groups, filter_truncated=self._around.overlong.filter)

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """Add log-probabilities of the old policy, where updates drift away from it, and of the reference."""
        old = ref = None
        if self._around.updates_per_step > 1 or self._kl_in_reward:
            old, _ = scorer(Role.POLICY, tokens)
        if self.needs_reference:
            ref, _ = scorer(Role.REFERENCE, tokens)
        return ScoredBatch(tokens=tokens, old_logprobs_BT=old, ref_logprobs_BT=ref)

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add rewards and advantages.

        In this order: outcome reward, degenerate test on the outcome, shaping, advantages over the full group; the
        loss mask comes last. All of that is of samples: one of several sequences has one advantage, which is that of
        each of its rows.
        """
        tokens = scored.tokens
        outcomes = self._around.reward.of(outcome_scores(rollouts))
        rewards = shaped(outcomes, rollouts, self._around.overlong, max_tokens=self._around.max_tokens)
        advantages = torch.from_numpy(self._advantages(rewards, outcomes, rollouts, scored))
        advantages_B = advantages[tokens.episodes_B]
        advantages_BT = advantages_B[:, None] * tokens.mask_BT
        if self._around.reward.steps != "off":
            outcome_BT = advantages_BT if self._around.reward.steps == "added" else 0.0
            advantages_BT = outcome_BT + torch.from_numpy(self._step_advantages(rollouts, tokens))
            advantages_B = advantages_BT.sum(1) / tokens.mask_BT.sum(1).clamp(min=1)
        return CreditedBatch(
            tokens=tokens,
            old_logprobs_BT=scored.old_logprobs_BT,
            ref_logprobs_BT=scored.ref_logprobs_BT,
            rewards_B=torch.from_numpy(rewards)[tokens.episodes_B],
            advantages_B=advantages_B,
            advantages_BT=advantages_BT,
            sharers_BT=sharers(tokens) if self.config.prefix_weighting else None,
        )

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> PolicyGradientObjective:
        """The policy loss of one optimizer step over all of `minibatch`."""

        def entropies(tokens: TokenBatch) -> Tensor:
            return scorer(Role.POLICY, tokens, with_entropy=True)[1]

        return PolicyGradientObjective(
            self.config, minibatch, max_tokens=self._around.max_tokens, entropies=entropies
        )

    @property
    def _kl_in_reward(self) -> bool:
        return self.needs_reference and self.config.kl_place == "reward"

    def _advantages(
        self, rewards: np.ndarray, outcomes: np.ndarray, rollouts: Sequence[Rollout], scored: ScoredBatch
    ) -> np.ndarray:
        kl, tokens = None, scored.tokens
        if self._kl_in_reward:
            assert scored.old_logprobs_BT is not None
            assert scored.ref_logprobs_BT is not None
            kl_of_rows = kl_in_reward(scored.old_logprobs_BT, scored.ref_logprobs_BT, tokens.mask_BT)
            kl = np.bincount(tokens.episodes_B.numpy(), weights=kl_of_rows, minlength=len(rollouts))
        groups = tokens.groups_B[tokens.first_rows].tolist()
        if self._trees:
            return tree_advantages(rewards, groups, trees_of(rollouts), self.config, outcomes=outcomes, kl=kl)
        return outcome_advantages(
            rewards,
            groups,
            self.config,
            outcomes=outcomes,
            lengths=[rollout.length for rollout in rollouts],
            kl=kl,
        )

    def _step_advantages(self, rollouts: Sequence[Rollout], tokens: TokenBatch) -> np.ndarray:
        """Advantages (B, T) of rewarded turns and of verdicts' steps. Truncated samples count, as for outcomes."""
        steps = [step_rewards(rollout, self._around.decode, self._around.reward) for rollout in rollouts]
        return step_advantages(
            [rewards for rewards, _ in steps],
            [ends for _, ends in steps],
            tokens.groups_B.tolist(),
            tokens.mask_BT.numpy(),
            self.config,
        )
