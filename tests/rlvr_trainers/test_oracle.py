"""An independent oracle: float64, loops over samples and tokens, gradients worked out on paper; no torch in it."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.kl import kl_in_reward
from rlvr_trainers.objectives.policy_gradient import policy_loss, top_entropy_mask

MAX_TOKENS = 9
PRESETS: dict[str, dict[str, Any]] = {
    "grpo": {"kl_coefficient": 0.04},
    "grpo_r1": {"clip_low": 10.0, "clip_high": 10.0, "kl_coefficient": 0.001},
    "dr_grpo": {"advantage": "centred", "aggregation": "constant"},
    "dapo": {"aggregation": "token_mean", "clip_high": 0.28},
    "gspo": {"ratio": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
    "rloo": {
        "advantage": "leave_one_out",
        "aggregation": "constant",
        "clip_low": None,
        "clip_high": None,
        "kl_place": "reward",
        "kl_estimator": "k1",
        "kl_coefficient": 0.05,
    },
    "pass@k": {"advantage": "max_at_k", "at_k": 2, "aggregation": "constant"},
    "pass@k, kl": {
        "advantage": "max_at_k",
        "at_k": 3,
        "kl_place": "reward",
        "kl_estimator": "k1",
        "kl_coefficient": 0.05,
    },
    "reinforce++ baseline": {"advantage": "whitened", "kl_estimator": "k2", "kl_coefficient": 0.01},
    "cispo": {"surrogate": "cispo", "cispo_cap": 1.1, "aggregation": "token_mean"},
    "deepseek-v3.2": {"kl_place": "weighted_loss", "kl_coefficient": 0.02},
    "dual clip": {"dual_clip": 1.05},
    "top entropies": {"entropy_top_share": 0.3, "aggregation": "token_mean"},
}
PLACES: dict[str, list[dict[str, Any]]] = {
    "aggregation": [
        {"aggregation": name} for name in ("sequence_mean", "token_mean", "prompt_mean", "constant")
    ],
    "ratio": [{"ratio": name} for name in ("token", "sequence", "sequence_token")],
    "advantage": [
        {"advantage": name} for name in ("group_std", "centred", "leave_one_out", "batch_std", "whitened")
    ],
    "extras": [
        {},
        {"kl_coefficient": 0.1, "entropy_coefficient": 0.02, "sampler_correction": "token_tis"},
        {"sampler_correction": "token_mask", "sampler_low": 0.8, "sampler_cap": 1.2},
        {"sampler_correction": "sequence_mask", "sampler_low": 0.95, "sampler_cap": 1.05},
        {"sampler_correction": "probability_mask", "sampler_gap": 0.05},
        {"old_policy": "sampler"},
    ],
}
COMBINATIONS = {
    "-".join(str(value) for part in parts for value in part.values()): {
        k: v for p in parts for k, v in p.items()
    }
    for parts in itertools.product(*PLACES.values())
}


@dataclass
class Step:
    """All that one optimizer step is made of, (B,) and (B, T) arrays."""

    rewards: np.ndarray
    groups: list[int]
    mask: np.ndarray
    lp: np.ndarray
    old: np.ndarray
    roll: np.ndarray
    ref: np.ndarray
    entropy: np.ndarray


def some_step() -> Step:
    """Four groups in no order: one of equal rewards, two unscored samples, ragged masks with holes."""
    rng = np.random.default_rng(11)
    groups = [0, 1, 2, 0, 1, 2, 3, 3, 0, 1, 2, 0]
    rewards = np.array([1, 0, 1, 0, 0, 0.5, 1, 1, 0.25, 1, np.nan, np.nan])
    mask = rng.random((12, 7)) < 0.6
    mask[:, 0] = True
    mask[[1, 4], 1:] = False
    mask[np.isnan(rewards)] = False
    old = -2 * rng.random(mask.shape)
    lp, roll, ref = (old + scale * rng.standard_normal(mask.shape) for scale in (0.2, 0.7, 0.5))
    return Step(rewards, groups, mask, lp, old, roll, ref, entropy=rng.random(mask.shape))


def oracle_advantages(step: Step, config: PolicyGradientConfig) -> list[float]:
    rewards = [float(reward) for reward in step.rewards]
    known = [i for i in range(len(rewards)) if not math.isnan(rewards[i])]
    centred = [0.0] * len(rewards)
    penalty = [0.0] * len(rewards)
    for i in known:
        others = [j for j in known if step.groups[j] == step.groups[i] and j != i]
        everyone = [*others, i]
        kl = {j: sum(step.old[j, t] - step.ref[j, t] for t in np.flatnonzero(step.mask[j])) for j in everyone}
        baseline = others if config.advantage in ("leave_one_out", "max_at_k") else everyone
        centred[i] = rewards[i] - sum(rewards[j] for j in baseline) / len(baseline)
        penalty[i] = -config.kl_coefficient * (kl[i] - sum(kl[j] for j in baseline) / len(baseline))
    advantages = [0.0] * len(rewards)
    for i in known:
        mates = [rewards[j] for j in known if step.groups[j] == step.groups[i]]
        if max(mates) - min(mates) <= 1e-6:
            advantages[i] = 0.0
        elif config.advantage == "group_std":
            advantages[i] = centred[i] / (sample_std(mates) + config.std_epsilon)
        elif config.advantage == "batch_std":
            advantages[i] = centred[i] / (sample_std([rewards[j] for j in known]) + config.std_epsilon)
        elif config.advantage == "whitened":
            tokens = [centred[j] for j in known for _ in np.flatnonzero(step.mask[j])]
            mean = sum(tokens) / len(tokens)
            spread = math.sqrt(sum((x - mean) ** 2 for x in tokens) / len(tokens))
            advantages[i] = (centred[i] - mean) / (spread + config.std_epsilon)
        elif config.at_k is not None:
            others = [rewards[j] for j in known if step.groups[j] == step.groups[i] and j != i]
            sets = list(itertools.combinations(others, config.at_k - 1))
            gains = [max(0.0, rewards[i] - max(chosen)) for chosen in sets]
            advantages[i] = config.at_k * sum(gains) / len(sets) if sets else 0.0
        else:
            advantages[i] = centred[i]
    if config.kl_place == "reward":
        advantages = [a + p for a, p in zip(advantages, penalty, strict=True)]
    return advantages


def sample_std(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((x - mean) ** 2 for x in values) / (len(values) - 1))


def oracle_weight(step: Step, config: PolicyGradientConfig, i: int) -> float:
    scored = [j for j in range(len(step.rewards)) if not math.isnan(step.rewards[j])]
    length = {j: int(step.mask[j].sum()) for j in scored}
    match config.aggregation:
        case "sequence_mean":
            return 1 / len(scored) / length[i]
        case "token_mean":
            return 1 / sum(length.values())
        case "constant":
            return 1 / (len(scored) * MAX_TOKENS)
        case "prompt_mean":
            mates = [j for j in scored if step.groups[j] == step.groups[i]]
            return 1 / len({step.groups[j] for j in scored}) / sum(length[j] for j in mates)


def oracle_surrogate(config: PolicyGradientConfig, r: float, a: float) -> tuple[float, float]:
    """The clipped surrogate's loss at ratio r, and its derivative with respect to log r."""
    low = -math.inf if config.clip_low is None else 1 - config.clip_low
    high = math.inf if config.clip_high is None else 1 + config.clip_high
    loss, slope = -r * a, -r * a
    if a > 0 and r > high:
        loss, slope = -high * a, 0.0
    if a < 0 and r < low:
        loss, slope = -low * a, 0.0
    if a < 0 and config.dual_clip is not None and loss > -config.dual_clip * a:
        loss, slope = -config.dual_clip * a, 0.0
    return loss, slope


def oracle_correction(config: PolicyGradientConfig, step: Step, i: int, t: int) -> float:
    """The factor of a token's policy term for the mismatch between trainer and sampler."""
    trainer, sampler = math.exp(step.old[i, t]), math.exp(step.roll[i, t])
    low, high = config.sampler_low, config.sampler_cap
    match config.sampler_correction:
        case "none":
            return 1.0
        case "token_tis":
            return min(trainer / sampler, high)
        case "token_mask":
            return float(low <= trainer / sampler <= high)
        case "probability_mask":
            return float(abs(trainer - sampler) <= config.sampler_gap)
        case "sequence_mask":
            ratios = [math.exp(step.old[i, u] - step.roll[i, u]) for u in np.flatnonzero(step.mask[i])]
            return float(low <= math.prod(ratios) ** (1 / len(ratios)) <= high)


def oracle(step: Step, config: PolicyGradientConfig) -> tuple[float, np.ndarray, np.ndarray]:
    """The loss, and its gradients with respect to log-probabilities and entropies."""
    advantages = oracle_advantages(step, config)
    total, by_lp, by_entropy = 0.0, np.zeros(step.mask.shape), np.zeros(step.mask.shape)
    valid = sorted(step.entropy[i, t] for i, t in np.argwhere(step.mask))
    kept_from = np.quantile(valid, 1 - config.entropy_top_share) if config.entropy_top_share else -math.inf
    for i in range(len(step.rewards)):
        tokens = [int(t) for t in np.flatnonzero(step.mask[i])]
        start = step.roll if config.old_policy == "sampler" else step.old
        mean_log_ratio = sum(step.lp[i, t] - start[i, t] for t in tokens) / max(1, len(tokens))
        for t in tokens:
            w, a = oracle_weight(step, config, i), advantages[i]
            lp, ref = step.lp[i, t], step.ref[i, t]
            r = math.exp(lp - start[i, t])
            w_policy = w * oracle_correction(config, step, i, t)
            if step.entropy[i, t] < kept_from:
                w_policy = 0.0
            if config.surrogate == "cispo":
                capped = min(r, config.cispo_cap or 0.0)
                total += w_policy * -capped * a * lp
                by_lp[i, t] += w_policy * -capped * a
            else:
                loss, slope = oracle_surrogate(
                    config, r if config.ratio == "token" else math.exp(mean_log_ratio), a
                )
                total += w_policy * loss
                if config.ratio == "sequence":
                    for u in tokens:
                        by_lp[i, u] += w_policy * slope / len(tokens)
                else:
                    by_lp[i, t] += w_policy * slope
            beta, d = config.kl_coefficient, ref - lp
            if config.kl_place == "loss" and config.kl_estimator == "k2":
                total += w * beta * d * d / 2
                by_lp[i, t] += w * beta * -d
            elif config.kl_place == "loss":
                total += w * beta * (math.exp(d) - 1 - d)
                by_lp[i, t] += w * beta * (1 - math.exp(d))
            elif config.kl_place == "weighted_loss":
                k3 = math.exp(d) - 1 - d
                total += w * beta * r * k3
                by_lp[i, t] += w * beta * r * (k3 + 1 - math.exp(d))
            total -= w * config.entropy_coefficient * step.entropy[i, t]
            by_entropy[i, t] -= w * config.entropy_coefficient
    return total, by_lp, by_entropy


def ours(
    step: Step, config: PolicyGradientConfig, make_batch: Callable[..., CreditedBatch]
) -> tuple[float, np.ndarray, np.ndarray]:
    """The same through the real path: advantages, batch, denominators, loss, backward."""
    old, ref, mask = torch.tensor(step.old), torch.tensor(step.ref), torch.tensor(step.mask)
    kl = kl_in_reward(old, ref, mask) if config.kl_place == "reward" else None
    lengths = step.mask.sum(1).tolist()
    advantages = outcome_advantages(step.rewards, step.groups, config, lengths=lengths, kl=kl)
    share = config.entropy_top_share
    kept = top_entropy_mask(torch.tensor(step.entropy), mask, share) if share else None
    batch = make_batch(
        step.mask,
        groups=step.groups,
        scored=(~np.isnan(step.rewards)).tolist(),
        advantages=advantages[:, None] * step.mask,
        old_logprobs=step.old,
        rollout_logprobs=step.roll,
        ref_logprobs=step.ref,
    )
    denominators = Denominators.of(config.aggregation, batch.tokens, max_tokens=MAX_TOKENS)
    lp, entropy = torch.tensor(step.lp, requires_grad=True), torch.tensor(step.entropy, requires_grad=True)
    loss, _ = policy_loss(config, batch, denominators, lp, entropy, kept)
    by_lp, by_entropy = torch.autograd.grad(loss, [lp, entropy], materialize_grads=True)
    return float(loss.item()), by_lp.numpy(), by_entropy.numpy()


@pytest.mark.parametrize(
    "settings", [*PRESETS.values(), *COMBINATIONS.values()], ids=[*PRESETS, *COMBINATIONS]
)
def test_loss_and_gradient_are_the_oracles(
    settings: dict[str, Any], make_batch: Callable[..., CreditedBatch]
):
    config, step = PolicyGradientConfig.model_validate(settings), some_step()
    expected_loss, expected_by_lp, expected_by_entropy = oracle(step, config)
    loss, by_lp, by_entropy = ours(step, config, make_batch)
    assert loss == pytest.approx(expected_loss, rel=1e-12, abs=1e-13)
    np.testing.assert_allclose(by_lp, expected_by_lp, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(by_entropy, expected_by_entropy, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "cispo"])
def test_the_oracles_own_gradient_is_its_finite_difference(name: str):
    config, step = PolicyGradientConfig.model_validate(PRESETS[name]), some_step()
    _, by_lp, _ = oracle(step, config)
    for i, t in [(0, 0), (2, 0), (5, 0), (9, 0)]:
        step.lp[i, t] += 1e-6
        ahead = oracle(step, config)[0]
        step.lp[i, t] -= 2e-6
        behind = oracle(step, config)[0]
        step.lp[i, t] += 1e-6
        assert by_lp[i, t] == pytest.approx((ahead - behind) / 2e-6, abs=2e-9)


def test_the_step_that_the_oracle_judges_clips_on_both_sides_and_holds_every_kind_of_sample():
    step, config = some_step(), PolicyGradientConfig()
    advantages = np.array(oracle_advantages(step, config))[:, None]
    ratio = np.exp(step.lp - step.old)
    assert (step.mask & (ratio > 1.2) & (advantages > 0)).any()
    assert (step.mask & (ratio < 0.8) & (advantages < 0)).any()
    assert np.isnan(step.rewards).any()
    assert (advantages[[6, 7]] == 0).all()
