"""The policy loss: one formula, whose named places make it GRPO, DAPO, GSPO, CISPO or RLOO.

    loss = sum over action tokens of  w * (policy + kl_coefficient * kl - entropy_coefficient * H)

The weights w are the aggregation. Their denominators are those of the whole optimizer step, over every
microbatch and process, so losses and gradients of microbatches simply add up.

Shapes: B sequences, T completion tokens, N action tokens of a microbatch.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_trainers.algorithm import Aggregation, AlgorithmConfig
from rlvr_trainers.batch import TokenBatch


@dataclass(frozen=True, kw_only=True)
class Denominators:
    """What the terms of one optimizer step are divided by, from masks and groups alone.

    An unscored sample counts nowhere. A sample whose mask is empty (overlong-filtered, or an empty
    completion) is still one of the N sequences and keeps its prompt among the P prompts: only the tokens are
    gone.
    """

    aggregation: Aggregation
    sequences: int
    """N: scored sequences."""
    tokens_by_group: dict[int, int]
    """Action tokens of each prompt group with a scored sequence."""
    max_tokens: int
    """L_max: the completion budget."""

    @classmethod
    def of(cls, config: AlgorithmConfig, batch: TokenBatch, *, max_tokens: int) -> Self:
        """The denominators of an optimizer step over `batch`, which is all of it (else see `merged`)."""
        tokens: Counter[int] = Counter()
        rows = zip(
            batch.groups_B.tolist(), batch.mask_BT.sum(1).tolist(), batch.scored_B.tolist(), strict=True
        )
        for group, length, scored in rows:
            if scored:
                tokens[group] += length
        return cls(
            aggregation=config.aggregation,
            sequences=int(batch.scored_B.sum()),
            tokens_by_group=dict(tokens),
            max_tokens=max_tokens,
        )

    @classmethod
    def merged(cls, parts: Sequence[Self]) -> Self:
        """The denominators of a step of which each of `parts` (of one process, say) is a share."""
        tokens: Counter[int] = Counter()
        for part in parts:
            tokens.update(part.tokens_by_group)
        sequences = sum(part.sequences for part in parts)
        return dataclasses.replace(parts[0], sequences=sequences, tokens_by_group=dict(tokens))

    def weights(self, batch: TokenBatch) -> Tensor:
        """The weight of each token of a part of the step, float64 (B, T), 0 outside the mask."""
        mask_BT = batch.mask_BT.double()
        match self.aggregation:
            case "sequence_mean":
                divisors_B = self.sequences * mask_BT.sum(1)
            case "token_mean":
                divisors_B = mask_BT.new_tensor([sum(self.tokens_by_group.values())])
            case "prompt_mean":
                prompts = len(self.tokens_by_group)
                tokens = [self.tokens_by_group.get(group, 0) for group in batch.groups_B.tolist()]
                divisors_B = prompts * mask_BT.new_tensor(tokens)
            case "constant":
                divisors_B = mask_BT.new_tensor([self.sequences * self.max_tokens])
        return mask_BT / divisors_B.clamp(min=1)[:, None]


@dataclass(frozen=True, kw_only=True)
class TokenTable:
    """What the loss saw of each action token, detached, float64 (N,): logged metrics follow from it alone."""

    weight_N: Tensor
    advantage_N: Tensor
    ratio_N: Tensor
    """Of the level that the configuration names: a sequence's ratio stands at each of its tokens."""
    clipped_low_N: Tensor
    """bool: the ratio is below 1 - clip_low and the advantage negative."""
    clipped_high_N: Tensor
    """bool: the ratio is above 1 + clip_high and the advantage positive; for CISPO, above the cap."""
    policy_term_N: Tensor
    loss_term_N: Tensor
    """All terms together, before the weight."""
    mismatch_N: Tensor
    """lp_old - lp_roll."""
    kl_N: Tensor | None
    """k3 to the reference, whichever estimator trains."""
    entropy_N: Tensor | None

    def cpu(self) -> Self:
        """The same in main memory."""
        columns = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{n: c.cpu() for n, c in columns.items() if c is not None})


def policy_loss(
    config: AlgorithmConfig,
    batch: TokenBatch,
    denominators: Denominators,
    logprobs_BT: Tensor,
    entropy_BT: Tensor | None = None,
) -> tuple[Tensor, TokenTable]:
    """The loss of a microbatch: its share of the optimizer step's, a plain sum to be added to the others.

    Args:
        config: the algorithm.
        batch: the microbatch, any part of the step.
        denominators: of the whole optimizer step.
        logprobs_BT: under the policy being trained, with gradient.
        entropy_BT: of its distributions; with gradient where the configuration has an entropy bonus.
    """
    tokens = _Tokens.of(batch, logprobs_BT, entropy_BT)
    ratio = _log_ratio(config, tokens).exp()
    policy = _policy_terms(config, tokens, ratio)
    terms = policy + _kl_terms(config, tokens) - _entropy_terms(config, tokens)
    weights = denominators.weights(batch)
    return (weights * terms).sum(), _table(config, tokens, weights, ratio, policy, terms)


@dataclass(frozen=True, kw_only=True)
class _Tokens:
    """What the formula is written in, float64 (B, T); 0 outside the mask, whatever stood there before."""

    mask: Tensor
    keeps_policy_term: Tensor | None
    advantages: Tensor
    lp: Tensor
    lp_old: Tensor
    lp_roll: Tensor
    lp_ref: Tensor | None
    entropy: Tensor | None

    @classmethod
    def of(cls, batch: TokenBatch, logprobs_BT: Tensor, entropy_BT: Tensor | None) -> Self:
        def clean(values: Tensor) -> Tensor:
            return torch.where(batch.mask_BT, values.double(), 0.0)

        lp = clean(logprobs_BT)
        return cls(
            mask=batch.mask_BT,
            keeps_policy_term=batch.policy_mask_BT,
            advantages=clean(batch.advantages_BT),
            lp=lp,
            lp_old=lp.detach() if batch.old_logprobs_BT is None else clean(batch.old_logprobs_BT),
            lp_roll=clean(batch.rollout_logprobs_BT),
            lp_ref=None if batch.ref_logprobs_BT is None else clean(batch.ref_logprobs_BT),
            entropy=None if entropy_BT is None else clean(entropy_BT),
        )


def _log_ratio(config: AlgorithmConfig, tokens: _Tokens) -> Tensor:
    log_r = tokens.lp - tokens.lp_old
    if config.ratio == "token":
        return log_r
    log_s = (log_r.sum(1) / tokens.mask.sum(1).clamp(min=1))[:, None].expand_as(log_r)
    if config.ratio == "sequence":
        return torch.where(tokens.mask, log_s, 0.0)
    return torch.where(tokens.mask, log_s.detach() + tokens.lp - tokens.lp.detach(), 0.0)


def _policy_terms(config: AlgorithmConfig, tokens: _Tokens, r: Tensor) -> Tensor:
    if config.surrogate == "cispo":
        terms = -r.detach().clamp(max=config.cispo_cap) * tokens.advantages * tokens.lp
    else:
        terms = _clipped(config, r, tokens.advantages)
    if config.sampler_correction == "token_tis":
        rho = (tokens.lp_old - tokens.lp_roll).exp()
        terms = rho.clamp(max=config.sampler_cap) * terms
    return terms if tokens.keeps_policy_term is None else torch.where(tokens.keeps_policy_term, terms, 0.0)


def _clipped(config: AlgorithmConfig, r: Tensor, advantages: Tensor) -> Tensor:
    """-min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), and no more than -c A for A < 0 under dual clip."""
    low, high = _clip_bounds(config)
    terms = -torch.minimum(r * advantages, r.clamp(low, high) * advantages)
    if config.dual_clip is not None:
        terms = torch.where(advantages < 0, torch.minimum(-config.dual_clip * advantages, terms), terms)
    return terms


def _clip_bounds(config: AlgorithmConfig) -> tuple[float, float]:
    low = -math.inf if config.clip_low is None else 1 - config.clip_low
    high = math.inf if config.clip_high is None else 1 + config.clip_high
    return low, high


def kl_estimate(estimator: str, lp: Tensor, lp_ref: Tensor) -> Tensor:
    """The KL estimators k1, k2 and k3 of each token (Schulman, "Approximating KL divergence")."""
    match estimator:
        case "k1":
            return lp - lp_ref
        case "k2":
            return (lp - lp_ref) ** 2 / 2
        case "k3":
            return torch.expm1(lp_ref - lp) - (lp_ref - lp)
        case _:
            raise ConfigError(f"no KL estimator '{estimator}'; possible: k1, k2, k3")


def _kl_terms(config: AlgorithmConfig, tokens: _Tokens) -> Tensor:
    if not config.needs_reference or config.kl_place == "reward":
        return torch.zeros_like(tokens.lp)
    if tokens.lp_ref is None:
        raise ConfigError(f"kl_coefficient={config.kl_coefficient} needs the reference's log-probabilities")
    kl = kl_estimate(config.kl_estimator, tokens.lp, tokens.lp_ref)
    if config.kl_place == "weighted_loss":
        kl = (tokens.lp - tokens.lp_old).exp() * kl
    return config.kl_coefficient * kl


def _entropy_terms(config: AlgorithmConfig, tokens: _Tokens) -> Tensor:
    if config.entropy_coefficient == 0:
        return torch.zeros_like(tokens.lp)
    if tokens.entropy is None:
        raise ConfigError(f"entropy_coefficient={config.entropy_coefficient} needs the tokens' entropies")
    return config.entropy_coefficient * tokens.entropy


def kl_in_reward(logprobs_BT: Tensor, ref_logprobs_BT: Tensor, mask_BT: Tensor) -> np.ndarray:
    """Each sample's KL to the reference, the sum of k1 over its action tokens, float64 (B,).

    `outcome_advantages` takes it as `kl`; `logprobs_BT` are those of the policy that sampled.
    """
    k1_BT = kl_estimate("k1", logprobs_BT.double(), ref_logprobs_BT.double())
    return torch.where(mask_BT, k1_BT, 0.0).sum(1).detach().cpu().numpy()


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
    config: AlgorithmConfig, tokens: _Tokens, weights: Tensor, ratio: Tensor, policy: Tensor, terms: Tensor
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
        kl_N=None if lp_ref is None else kl_estimate("k3", tokens.lp.detach(), lp_ref)[mask],
        entropy_N=None if entropy is None else entropy.detach()[mask],
    )


def step_metrics(tables: Sequence[TokenTable]) -> dict[str, float]:
    """What to log of an optimizer step, from the tables of all its microbatches (and processes).

    Means are over action tokens. `sampler/mismatch` is the mean |lp_old - lp_roll|, `sampler/kl` the k3
    estimate of KL(sampler || old policy); `kl` and `entropy` are there when they were computed.
    """
    if not any(table.weight_N.numel() for table in tables):
        return {"tokens/trained": 0.0}
    columns = {
        field.name: [getattr(table, field.name) for table in tables]
        for field in dataclasses.fields(TokenTable)
    }
    joined = {name: torch.cat(parts).double().cpu() for name, parts in columns.items() if None not in parts}
    mismatch = joined["mismatch_N"]
    metrics = {
        "loss": (joined["weight_N"] * joined["loss_term_N"]).sum(),
        "loss/policy": (joined["weight_N"] * joined["policy_term_N"]).sum(),
        "ratio/mean": joined["ratio_N"].mean(),
        "ratio/max": joined["ratio_N"].max(),
        "clip/low_fraction": joined["clipped_low_N"].mean(),
        "clip/high_fraction": joined["clipped_high_N"].mean(),
        "sampler/mismatch": mismatch.abs().mean(),
        "sampler/kl": kl_estimate("k3", torch.zeros_like(mismatch), mismatch).mean(),
    }
    metrics |= {name[:-2]: joined[name].mean() for name in ("kl_N", "entropy_N") if name in joined}
    return {"tokens/trained": float(mismatch.numel())} | {
        name: float(value) for name, value in metrics.items()
    }
