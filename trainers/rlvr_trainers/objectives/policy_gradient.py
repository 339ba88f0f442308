"""The policy loss: one formula, whose named places make it GRPO, DAPO, GSPO, CISPO or RLOO.

    loss = sum over action tokens of  w * (policy + kl_coefficient * kl - entropy_coefficient * H)

The weights w are the aggregation, divided by how many samples share a token where prefixes are weighted. Their
denominators are those of the whole optimizer step, over every microbatch and process, so losses and gradients of
microbatches simply add up.

Shapes: B sequences, T completion tokens, N action tokens of a microbatch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.kl import kl_estimate
from rlvr_trainers.objectives.token_table import TokenTable

Score = Callable[[TokenBatch], Tensor]
"""Entropies (B, T) of the policy in training, without gradient."""


@final
class PolicyGradientObjective:
    """The policy loss of one optimizer step over `minibatch`."""

    needs_entropy = True

    def __init__(
        self, config: PolicyGradientConfig, minibatch: CreditedBatch, *, max_tokens: int, entropies: Score
    ) -> None:
        self._config = config
        self._denominators = Denominators.of(config.aggregation, minibatch.tokens, max_tokens=max_tokens)
        share = config.entropy_top_share
        self._kept_BT = (
            None
            if share is None
            else top_entropy_mask(entropies(minibatch.tokens), minibatch.tokens.mask_BT, share)
        )

    def learns(self, minibatch: CreditedBatch) -> Tensor:
        """Sequences with an advantage, where that alone moves the policy; with KL or entropy in the loss, all."""
        mask_BT = minibatch.tokens.mask_BT
        kl = self._config.needs_reference and self._config.kl_place != "reward"
        if kl or self._config.entropy_coefficient != 0:
            return mask_BT.any(1)
        return (mask_BT & (minibatch.advantages_BT != 0)).any(1)

    def loss(
        self, part: CreditedBatch, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The loss of a part of the step, and its table."""
        kept_BT = self._kept_BT
        if kept_BT is not None:
            kept_BT = kept_BT[list(rows)][:, : logprobs_BT.shape[1]].to(logprobs_BT.device)
        return policy_loss(self._config, part, self._denominators, logprobs_BT, entropy_BT, kept_BT)


def policy_loss(
    config: PolicyGradientConfig,
    batch: CreditedBatch,
    denominators: Denominators,
    logprobs_BT: Tensor,
    entropy_BT: Tensor | None = None,
    keeps_policy_term_BT: Tensor | None = None,
) -> tuple[Tensor, TokenTable]:
    """The loss of a microbatch: its share of the optimizer step's, a plain sum to be added to the others.

    Args:
        config: the algorithm.
        batch: the microbatch, any part of the step.
        denominators: of the whole optimizer step.
        logprobs_BT: under the policy being trained, with gradient.
        entropy_BT: of its distributions; with gradient where the configuration has an entropy bonus.
        keeps_policy_term_BT: True for the tokens that keep their policy term (see `top_entropy_mask`); None keeps all.
    """
    tokens = _Tokens.of(batch, logprobs_BT, entropy_BT, keeps_policy_term_BT)
    ratio = _log_ratio(config, tokens).exp()
    policy = _policy_terms(config, tokens, ratio)
    terms = policy + _kl_terms(config, tokens) - _entropy_terms(config, tokens)
    weights = denominators.weights(batch.tokens)
    if batch.sharers_BT is not None:
        weights = weights / batch.sharers_BT.to(weights.device)
    return (weights * terms).sum(), _table(config, tokens, weights, ratio, policy, terms)


@dataclass(frozen=True, kw_only=True)
class _Tokens:
    """The quantities of the formula, float64 (B, T); 0 outside the mask."""

    mask: Tensor
    keeps_policy_term: Tensor | None
    advantages: Tensor
    lp: Tensor
    lp_old: Tensor
    """The trainer's, as the step began."""
    lp_roll: Tensor
    lp_ref: Tensor | None
    entropy: Tensor | None
    stale: Tensor
    """bool, (B, 1)"""

    @classmethod
    def of(
        cls, batch: CreditedBatch, logprobs_BT: Tensor, entropy_BT: Tensor | None, kept_BT: Tensor | None
    ) -> Self:
        mask_BT = batch.tokens.mask_BT

        def clean(values: Tensor) -> Tensor:
            return torch.where(mask_BT, values.double(), 0.0)

        lp = clean(logprobs_BT)
        return cls(
            mask=mask_BT,
            keeps_policy_term=kept_BT,
            advantages=clean(batch.advantages_BT),
            lp=lp,
            lp_old=lp.detach() if batch.old_logprobs_BT is None else clean(batch.old_logprobs_BT),
            lp_roll=clean(batch.tokens.rollout_logprobs_BT),
            lp_ref=None if batch.ref_logprobs_BT is None else clean(batch.ref_logprobs_BT),
            entropy=None if entropy_BT is None else clean(entropy_BT),
            stale=batch.tokens.stale_B[:, None],
        )


def _log_ratio(config: PolicyGradientConfig, tokens: _Tokens) -> Tensor:
    log_r = tokens.lp - (tokens.lp_roll if config.old_policy == "sampler" else tokens.lp_old)
    if config.ratio == "token":
        return log_r
    log_s = (log_r.sum(1) / tokens.mask.sum(1).clamp(min=1))[:, None].expand_as(log_r)
    if config.ratio == "sequence":
        return torch.where(tokens.mask, log_s, 0.0)
    return torch.where(tokens.mask, log_s.detach() + tokens.lp - tokens.lp.detach(), 0.0)


def _policy_terms(config: PolicyGradientConfig, tokens: _Tokens, r: Tensor) -> Tensor:
    if config.surrogate == "cispo":
        terms = -r.detach().clamp(max=config.cispo_cap) * tokens.advantages * tokens.lp
    else:
        terms = _clipped(config, r, tokens.advantages)
    terms = _corrected(config, tokens, terms)
    return terms if tokens.keeps_policy_term is None else torch.where(tokens.keeps_policy_term, terms, 0.0)


def _corrected(config: PolicyGradientConfig, tokens: _Tokens, terms: Tensor) -> Tensor:
    """Policy terms with what differs between trainer and sampler made up for, or left out."""
    if config.sampler_correction == "none":
        return terms
    log_rho = tokens.lp_old - tokens.lp_roll
    if config.sampler_correction == "token_tis":
        return log_rho.exp().clamp(max=config.sampler_cap) * terms
    if config.sampler_correction == "probability_mask":
        kept = (tokens.lp_old.exp() - tokens.lp_roll.exp()).abs() <= config.sampler_gap
    else:
        if config.sampler_correction == "sequence_mask":
            log_rho = (log_rho.sum(1) / tokens.mask.sum(1).clamp(min=1))[:, None].expand_as(terms)
        rho = log_rho.exp()
        kept = (rho >= config.sampler_low) & (rho <= config.sampler_cap)
    return torch.where(kept, terms, 0.0)


def _clipped(config: PolicyGradientConfig, r: Tensor, advantages: Tensor) -> Tensor:
    """-min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), and no more than -c A for A < 0 under dual clip."""
    low, high = _clip_bounds(config)
    terms = -torch.minimum(r * advantages, r.clamp(low, high) * advantages)
    if config.dual_clip is not None:
        terms = torch.where(advantages < 0, torch.minimum(-config.dual_clip * advantages, terms), terms)
    return terms


def _clip_bounds(config: PolicyGradientConfig) -> tuple[float, float]:
    low = -math.inf if config.clip_low is None else 1 - config.clip_low
    high = math.inf if config.clip_high is None else 1 + config.clip_high
    return low, high


def _kl_terms(config: PolicyGradientConfig, tokens: _Tokens) -> Tensor:
    if not config.needs_reference or config.kl_place == "reward":
        return torch.zeros_like(tokens.lp)
    if tokens.lp_ref is None:
        raise ConfigError(f"kl_coefficient={config.kl_coefficient} needs the reference's log-probabilities")
    kl = kl_estimate(config.kl_estimator, tokens.lp, tokens.lp_ref)
    if config.kl_place == "weighted_loss":
        kl = (tokens.lp - tokens.lp_old).exp() * kl
    return config.kl_coefficient * kl


def _entropy_terms(config: PolicyGradientConfig, tokens: _Tokens) -> Tensor:
    if config.entropy_coefficient == 0:
        return torch.zeros_like(tokens.lp)
    if tokens.entropy is None:
        raise ConfigError(f"entropy_coefficient={config.entropy_coefficient} needs the tokens' entropies")
    return config.entropy_coefficient * tokens.entropy


def top_entropy_mask(entropy_BT: Tensor, mask_BT: Tensor, share: float) -> Tensor:
    """The `share` of action tokens with the highest entropy, bool (B, T).

    Give it the tokens of the whole optimizer step: the quantile is taken over all of them.
    """
    known = entropy_BT[mask_BT].detach().double().cpu().numpy()
    if known.size == 0:
        return mask_BT
    return mask_BT & (entropy_BT.detach().double() >= float(np.quantile(known, 1 - share)))


@torch.no_grad()
def _table(
    config: PolicyGradientConfig,
    tokens: _Tokens,
    weights: Tensor,
    ratio: Tensor,
    policy: Tensor,
    terms: Tensor,
) -> TokenTable:
    low, high = _clip_bounds(config)
    if config.surrogate == "cispo":
        clipped_low, clipped_high = torch.zeros_like(tokens.mask), ratio > (config.cispo_cap or math.inf)
    else:
        clipped_low = (ratio < low) & (tokens.advantages < 0)
        clipped_high = (ratio > high) & (tokens.advantages > 0)
    mask, lp_ref, entropy = tokens.mask, tokens.lp_ref, tokens.entropy
    return TokenTable(
        weight_N=weights[mask],
        advantage_N=tokens.advantages[mask],
        ratio_N=ratio.detach()[mask],
        clipped_low_N=clipped_low[mask],
        clipped_high_N=clipped_high[mask],
        policy_term_N=policy.detach()[mask],
        loss_term_N=terms.detach()[mask],
        mismatch_N=(tokens.lp_old - tokens.lp_roll)[mask],
        stale_N=tokens.stale.expand_as(mask)[mask],
        kl_N=None if lp_ref is None else kl_estimate("k3", tokens.lp.detach(), lp_ref)[mask],
        entropy_N=None if entropy is None else entropy.detach()[mask],
    )
