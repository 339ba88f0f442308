"""Actor and critic: advantages are what was earned beyond what a critic, if there is one, expected, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.algorithms.base import Scorer, Surroundings
from rlvr_trainers.algorithms.ppo import Ppo
from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
from rlvr_trainers.credit.gae import generalised_advantages, whitened
from rlvr_trainers.credit.outcomes import outcome_scores
from rlvr_trainers.credit.overlong import shaped
from rlvr_trainers.learner.models import Role
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.kl import kl_estimate
from rlvr_trainers.objectives.policy_gradient import PolicyGradientObjective
from rlvr_trainers.objectives.value import ValueObjective


@final
class ActorCritic:
    """An `Algorithm` with a critic, whose settings are `config`.

    The outcome is the reward of a sample's last action token, and a KL to the reference is taken off each token's.
    Tokens of the environment are no steps: an action token is followed by the next one. A sample that was cut off ends
    there, with what it earned: the budget is a rule of the task.
    """

    def __init__(self, config: Ppo, around: Surroundings) -> None:
        self._config, self._around = config, around
        self._loss = PolicyGradientConfig(
            aggregation="token_mean",
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            entropy_coefficient=config.entropy_coefficient,
        )

    @property
    def needs_reference(self) -> bool:
        """True when KL is measured to a frozen reference."""
        return self._config.kl_coefficient != 0.0

    @property
    def temperature(self) -> float:
        """The sampling temperature."""
        return self._around.temperature

    def teaches(self, group: Group) -> bool:
        """Return whether anything is known of a group: what the critic did not expect teaches."""
        return any(rollout.verdict.scored for rollout in group)

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Rollouts as tensors; overlong filtering takes the tokens of truncated ones out of both losses."""
        return TokenBatch.of_rollouts(rollouts, groups, filter_truncated=self._around.overlong.filter)

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """Add the critic's values, and log-probabilities of the old policy and of the reference."""
        old, _ = scorer(Role.POLICY, tokens)
        values = None if self._config.critic == "none" else scorer(Role.CRITIC, tokens)[0]
        reference = scorer(Role.REFERENCE, tokens)[0] if self.needs_reference else None
        return ScoredBatch(tokens=tokens, old_logprobs_BT=old, ref_logprobs_BT=reference, values_BT=values)

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add rewards, advantages, and the returns that the critic is to expect."""
        tokens = scored.tokens
        rewards = shaped(self._around.reward.of(outcome_scores(rollouts)), rollouts, self._around.overlong,
                         max_tokens=self._around.max_tokens)  # fmt: skip
        critic_BT = torch.zeros(tokens.mask_BT.shape) if scored.values_BT is None else scored.values_BT
        values_BT = torch.where(tokens.mask_BT, critic_BT.double(), 0.0)
        advantages_BT, returns_BT = generalised_advantages(
            self._token_rewards(torch.from_numpy(rewards), scored),
            values_BT,
            tokens.mask_BT,
            discount=self._config.discount,
            gae_lambda=self._config.gae_lambda,
        )
        if self._config.whiten:
            advantages_BT = whitened(advantages_BT, tokens.mask_BT)
        return CreditedBatch(
            tokens=tokens,
            old_logprobs_BT=scored.old_logprobs_BT,
            ref_logprobs_BT=scored.ref_logprobs_BT,
            rewards_B=torch.from_numpy(rewards),
            advantages_B=advantages_BT.sum(1) / tokens.mask_BT.sum(1).clamp(min=1),
            advantages_BT=advantages_BT,
            values_BT=None if scored.values_BT is None else values_BT,
            returns_BT=None if scored.values_BT is None else returns_BT,
        )

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> PolicyGradientObjective:
        """The policy loss of one optimizer step over all of `minibatch`."""

        def entropies(tokens: TokenBatch) -> Tensor:
            return scorer(Role.POLICY, tokens, with_entropy=True)[1]

        return PolicyGradientObjective(
            self._loss, minibatch, max_tokens=self._around.max_tokens, entropies=entropies
        )

    def value_objective(self, minibatch: CreditedBatch) -> ValueObjective:
        """The critic's loss of one optimizer step over all of `minibatch`."""
        return ValueObjective(minibatch, clip=self._config.value_clip)

    def _token_rewards(self, rewards_B: Tensor, scored: ScoredBatch) -> Tensor:
        """(B, T) the outcome at the last action token, less the KL of each."""
        mask_BT = scored.tokens.mask_BT
        rewards_BT = torch.zeros(mask_BT.shape, dtype=torch.float64)
        if scored.ref_logprobs_BT is not None and scored.old_logprobs_BT is not None:
            kl_BT = kl_estimate("k1", scored.old_logprobs_BT.double(), scored.ref_logprobs_BT.double())
            rewards_BT = -self._config.kl_coefficient * torch.where(mask_BT, kl_BT, 0.0)
        rows = mask_BT.any(1).nonzero()[:, 0]
        places = torch.arange(mask_BT.shape[1])
        last = torch.where(mask_BT, places, -1).amax(1)[rows]
        rewards_BT[rows, last] += rewards_B[rows]
        return rewards_BT
