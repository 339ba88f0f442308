"""A loss's record of each action token, from which all figures of an optimizer step are computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from rlvr_trainers.objectives.kl import kl_estimate


@dataclass(frozen=True, kw_only=True)
class TokenTable:
    """The terms and weights of each action token, detached, float64 (N,)."""

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
    stale_N: Tensor
    """bool: of a sequence that other weights sampled than those that the step began with."""
    kl_N: Tensor | None
    """k3 to the reference, whichever estimator trains."""
    entropy_N: Tensor | None
    margin_N: Tensor | None = None
    """Of the pair that the token's sequence is in: the log-ratio to the reference, preferred minus other."""
    log_ratio_N: Tensor | None = None
    """Of the token's sequence, to the reference."""
    score_N: Tensor | None = None
    """The logit of the probability that the step which ends with the token is right; its label is the advantage."""
    ahead_N: Tensor | None = None
    """-log of the probability that the module which predicts one token more gives the token."""
    terms_only: bool = False
    """True of a loss that weighs terms of the model in training alone: nothing but these and their weights is meant."""
    likelihood: bool = False
    """True where those terms are -log p of the tokens."""

    @classmethod
    def of_terms(
        cls,
        terms_N: Tensor,
        *,
        weight_N: Tensor,
        likelihood: bool = False,
        margin_N: Tensor | None = None,
        log_ratio_N: Tensor | None = None,
        advantage_N: Tensor | None = None,
        score_N: Tensor | None = None,
        ahead_N: Tensor | None = None,
    ) -> Self:
        """The table of a loss that knows no other policy; of `likelihood`, its terms are -log p."""
        zeros, never = torch.zeros_like(terms_N), torch.zeros_like(terms_N, dtype=torch.bool)
        return cls(
            weight_N=weight_N,
            advantage_N=zeros if advantage_N is None else advantage_N,
            ratio_N=torch.ones_like(terms_N),
            clipped_low_N=never,
            clipped_high_N=never,
            policy_term_N=terms_N,
            loss_term_N=terms_N,
            mismatch_N=zeros,
            stale_N=never,
            kl_N=None,
            entropy_N=None,
            margin_N=margin_N,
            log_ratio_N=log_ratio_N,
            score_N=score_N,
            ahead_N=ahead_N,
            terms_only=True,
            likelihood=likelihood,
        )

    def cpu(self) -> Self:
        """The same in main memory."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return dataclasses.replace(self, **{n: c.cpu() for n, c in columns.items() if c is not None})


_COLUMNS = [field.name for field in dataclasses.fields(TokenTable) if field.name.endswith("_N")]


def step_metrics(tables: Sequence[TokenTable]) -> dict[str, float]:
    """Compute the figures of an optimizer step from the tables of all its microbatches (and processes).

    Means are over action tokens. `sampler/mismatch` is the mean |lp_old - lp_roll|, `sampler/kl` the k3
    estimate of KL(sampler || old policy), both of sequences that the current weights sampled.
    `sampler/mismatch_stale` is the mean of the others, where there are any. `kl` and `entropy` are there when they were
    computed. A loss of terms alone has no more figures than itself,
    and `nll` where the terms are -log p.
    """
    if not any(table.weight_N.numel() for table in tables):
        return {"tokens/trained": 0.0}
    columns = {name: [getattr(table, name) for table in tables] for name in _COLUMNS}
    joined = {name: torch.cat(parts).double().cpu() for name, parts in columns.items() if None not in parts}
    loss = (joined["weight_N"] * joined["loss_term_N"]).sum()
    if any(table.terms_only for table in tables):
        return {
            "tokens/trained": float(joined["loss_term_N"].numel()),
            "loss": float(loss),
            **_likelihood(tables, joined),
            **_margins(joined),
            **_labelled(joined),
            **_ahead(joined),
        }
    stale = joined.pop("stale_N").bool()
    mismatch = joined["mismatch_N"][~stale]
    metrics = {
        "loss": loss,
        "loss/policy": (joined["weight_N"] * joined["policy_term_N"]).sum(),
        "ratio/mean": joined["ratio_N"].mean(),
        "ratio/max": joined["ratio_N"].max(),
        "clip/low_fraction": joined["clipped_low_N"].mean(),
        "clip/high_fraction": joined["clipped_high_N"].mean(),
    }
    if mismatch.numel():
        metrics["sampler/mismatch"] = mismatch.abs().mean()
        metrics["sampler/kl"] = kl_estimate("k3", torch.zeros_like(mismatch), mismatch).mean()
    if stale.any():
        metrics["sampler/mismatch_stale"] = joined["mismatch_N"][stale].abs().mean()
    metrics |= {name[:-2]: joined[name].mean() for name in ("kl_N", "entropy_N") if name in joined}
    return {"tokens/trained": float(stale.numel())} | {name: float(value) for name, value in metrics.items()}


def _margins(joined: dict[str, Tensor]) -> dict[str, float]:
    """Of a loss of preferences: the mean margin of its pairs, and the share that is preferred as it should be."""
    if "margin_N" not in joined:
        return {}
    weight_N, margin_N = joined["weight_N"] / joined["weight_N"].sum(), joined["margin_N"]
    return {
        "preference/margin": float((weight_N * margin_N).sum()),
        "preference/accuracy": float((weight_N * (margin_N > 0)).sum()),
        **{
            f"preference/{name}": float(
                (2 * weight_N * joined["log_ratio_N"])[joined["advantage_N"] * sign > 0].sum()
            )
            for name, sign in (("chosen", 1), ("rejected", -1))
        },
    }


def _labelled(joined: dict[str, Tensor]) -> dict[str, float]:
    """Of labels of steps: the share on the right side of 1/2, the mean probability, and the mean label."""
    if "score_N" not in joined:
        return {}
    score_N, label_N = joined["score_N"], joined["advantage_N"]
    return {
        "process/accuracy": float(((score_N > 0) == (label_N > 0.5)).double().mean()),
        "process/probability": float(score_N.sigmoid().mean()),
        "process/label": float(label_N.mean()),
    }


def _ahead(joined: dict[str, Tensor]) -> dict[str, float]:
    """Of a module that predicts one token more: the mean of -log p over all tokens, and the share it is sure of."""
    if "ahead_N" not in joined:
        return {}
    return {"nll/ahead": float(joined["ahead_N"].mean())}


def _likelihood(tables: Sequence[TokenTable], joined: dict[str, Tensor]) -> dict[str, float]:
    """The mean of -log p over all tokens, where that is what the terms are."""
    if not all(table.likelihood for table in tables if table.weight_N.numel()):
        return {}
    return {"nll": float(joined["loss_term_N"].mean())}
