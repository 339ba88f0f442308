import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.kl import kl_estimate, kl_in_reward
from rlvr_trainers.objectives.policy_gradient import policy_loss, top_entropy_mask
from rlvr_trainers.objectives.token_table import step_metrics

from rlvr_gym import ConfigError

MakeBatch = Callable[..., CreditedBatch]
NAN, INF = math.nan, math.inf


def table(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loss_and_gradient(
    config: PolicyGradientConfig,
    batch: CreditedBatch,
    logprobs: torch.Tensor,
    entropy: torch.Tensor | None = None,
    kept: torch.Tensor | None = None,
) -> tuple[float, torch.Tensor]:
    logprobs = logprobs.clone().requires_grad_()
    loss, _ = policy_loss(
        config,
        batch,
        Denominators.of(config.aggregation, batch.tokens, max_tokens=4),
        logprobs,
        entropy,
        kept,
    )
    (gradient,) = torch.autograd.grad(loss, logprobs)
    return loss.item(), gradient


# Two prompts: lengths 1 and 3 in group 0, 2 in group 1; the completion budget is 4.
MASK = [[1, 0, 0], [1, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("aggregation", "weights"),
    [
        ("sequence_mean", [1 / 3, 1 / 9, 1 / 6]),
        ("token_mean", [1 / 6, 1 / 6, 1 / 6]),
        ("prompt_mean", [1 / 8, 1 / 8, 1 / 4]),
        ("constant", [1 / 12, 1 / 12, 1 / 12]),
    ],
)
def test_the_weights_of_each_aggregation_are_those_worked_by_hand(
    make_batch: MakeBatch, aggregation: str, weights: list[float]
):
    batch = make_batch(MASK, groups=[0, 0, 1])
    config = PolicyGradientConfig.model_validate({"aggregation": aggregation})
    found = Denominators.of(config.aggregation, batch.tokens, max_tokens=4).weights(batch.tokens)
    torch.testing.assert_close(found, table(MASK) * table(weights)[:, None], rtol=1e-15, atol=0)


def test_an_unscored_sample_leaves_the_denominator_and_a_filtered_one_stays(make_batch: MakeBatch):
    config = PolicyGradientConfig()
    mask = [[1, 1], [0, 0], [0, 0]]
    denominators = Denominators.of(
        config.aggregation, make_batch(mask, scored=[True, True, False]).tokens, max_tokens=2
    )
    assert denominators.sequences == 2  # the first and the filtered second


def test_a_group_of_which_nothing_is_known_is_none_of_the_prompts(make_batch: MakeBatch):
    config = PolicyGradientConfig(aggregation="prompt_mean")
    batch = make_batch([[1, 1], [1, 0], [0, 0]], groups=[0, 1, 2], scored=[True, True, False])
    weights = Denominators.of(config.aggregation, batch.tokens, max_tokens=2).weights(batch.tokens)
    torch.testing.assert_close(weights, table([[0.25, 0.25], [0.5, 0], [0, 0]]), rtol=1e-15, atol=0)


def test_a_batch_without_a_single_token_has_loss_zero(make_batch: MakeBatch):
    for aggregation in ("sequence_mean", "token_mean", "prompt_mean", "constant"):
        config = PolicyGradientConfig.model_validate({"aggregation": aggregation})
        batch = make_batch([[0, 0]], scored=[False])
        loss, tokens = policy_loss(
            config,
            batch,
            Denominators.of(config.aggregation, batch.tokens, max_tokens=4),
            table([[0.0, 0.0]]),
        )
        assert loss.item() == 0.0
        assert step_metrics([tokens]) == {"tokens/trained": 0.0}
    assert step_metrics([]) == {"tokens/trained": 0.0}


@pytest.mark.parametrize(
    ("advantage", "ratio", "gradient"),
    [(-1, 0.5, 0.0), (-1, 1.0, 1.0), (-1, 1.5, 1.5), (1, 0.5, -0.5), (1, 1.0, -1.0), (1, 1.5, 0.0)],
)
def test_the_clip_gradient_table(make_batch: MakeBatch, advantage: float, ratio: float, gradient: float):
    batch = make_batch([[1]], advantages=advantage, old_logprobs=-1.0)
    _, found = loss_and_gradient(PolicyGradientConfig(), batch, table([[-1 + math.log(ratio)]]))
    assert found.item() == pytest.approx(gradient, abs=1e-15)


def test_clip_higher_lets_a_good_token_rise_to_1_28(make_batch: MakeBatch):
    config = PolicyGradientConfig(clip_low=0.2, clip_high=0.28)
    batch = make_batch([[1]], advantages=1.0, old_logprobs=0.0)
    assert loss_and_gradient(config, batch, table([[math.log(1.27)]]))[1].item() == pytest.approx(-1.27)
    assert loss_and_gradient(config, batch, table([[math.log(1.29)]]))[1].item() == 0.0


def test_without_clip_bounds_every_ratio_has_its_gradient(make_batch: MakeBatch):
    config = PolicyGradientConfig(clip_low=None, clip_high=None)
    for advantage, ratio in ((1.0, 7.0), (-1.0, 0.01)):
        batch = make_batch([[1]], advantages=advantage, old_logprobs=0.0)
        _, gradient = loss_and_gradient(config, batch, table([[math.log(ratio)]]))
        assert gradient.item() == pytest.approx(-advantage * ratio)


@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "gradient"),
    [(-1, 2.0, 2.0, 2.0), (-1, 4.0, 4.0, 4.0), (1, 4.0, -1.2, 0.0)],
)
def test_dual_clip_is_off_by_default(
    make_batch: MakeBatch, advantage: float, ratio: float, loss: float, gradient: float
):
    batch = make_batch([[1]], advantages=advantage, old_logprobs=0.0)
    found = loss_and_gradient(PolicyGradientConfig(), batch, table([[math.log(ratio)]]))
    assert (found[0], found[1].item()) == (pytest.approx(loss), pytest.approx(gradient))


@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "gradient"),
    [(-1, 2.0, 2.0, 2.0), (-1, 4.0, 3.0, 0.0), (1, 4.0, -1.2, 0.0)],
)
def test_dual_clip_bounds_what_a_bad_token_can_cost(
    make_batch: MakeBatch, advantage: float, ratio: float, loss: float, gradient: float
):
    batch = make_batch([[1]], advantages=advantage, old_logprobs=0.0)
    found = loss_and_gradient(PolicyGradientConfig(dual_clip=3.0), batch, table([[math.log(ratio)]]))
    assert (found[0], found[1].item()) == (pytest.approx(loss), pytest.approx(gradient))


@pytest.mark.parametrize(("ratio", "weight"), [(0.1, 0.1), (1.0, 1.0), (1.9, 1.9), (5.0, 2.0)])
def test_cispo_weighs_every_token_by_its_capped_ratio(make_batch: MakeBatch, ratio: float, weight: float):
    config = PolicyGradientConfig(surrogate="cispo", cispo_cap=2.0)
    for advantage in (1.0, -1.0):
        batch = make_batch([[1]], advantages=advantage, old_logprobs=-2.0)
        lp = -2 + math.log(ratio)
        loss, gradient = loss_and_gradient(config, batch, table([[lp]]))
        assert loss == pytest.approx(-weight * advantage * lp)
        assert gradient.item() == pytest.approx(-weight * advantage)


def test_gspo_clips_the_geometric_mean_of_a_sequences_ratios(make_batch: MakeBatch):
    config = PolicyGradientConfig(ratio="sequence", clip_low=3e-4, clip_high=4e-4)
    # Log ratios 0.1 and -0.0998: s = exp(0.0001), inside the range although both tokens are far outside.
    logprobs = table([[0.1, -0.0998]])
    loss, gradient = loss_and_gradient(
        config, make_batch([[1, 1]], advantages=2.0, old_logprobs=0.0), logprobs
    )
    s = math.exp(0.0001)
    assert loss == pytest.approx(-2 * s)
    np.testing.assert_allclose(gradient, [[-s, -s]])
    # Log ratios 0.1 and 0: s = exp(0.05) > 1 + 4e-4.
    loss, gradient = loss_and_gradient(
        config, make_batch([[1, 1]], advantages=2.0, old_logprobs=0.0), table([[0.1, 0.0]])
    )
    assert loss == pytest.approx(-2 * 1.0004)
    np.testing.assert_array_equal(gradient, [[0.0, 0.0]])


@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_the_gradient_is_the_finite_difference_of_the_loss(make_batch: MakeBatch, ratio: str):
    settings = {
        "ratio": ratio,
        "clip_low": 0.05,
        "clip_high": 0.08,
        "kl_coefficient": 0.1,
        "kl_estimator": "k2",
    }
    config = PolicyGradientConfig.model_validate(settings)
    rng = np.random.default_rng(0)
    old, lp = -rng.random((3, 3)), None
    lp = table(old + 0.1 * rng.standard_normal((3, 3)))
    batch = make_batch(
        MASK, groups=[0, 0, 1], advantages=rng.standard_normal((3, 3)), old_logprobs=old, ref_logprobs=-0.5
    )
    _, gradient = loss_and_gradient(config, batch, lp)
    for place in np.ndindex(3, 3):
        nudge = torch.zeros(3, 3, dtype=torch.float64)
        nudge[place] = 1e-6
        ahead, behind = (loss_and_gradient(config, batch, lp + side * nudge)[0] for side in (1, -1))
        assert gradient[place].item() == pytest.approx((ahead - behind) / 2e-6, abs=1e-8)


def test_without_old_log_probabilities_the_ratio_is_exactly_one_and_the_gradient_that_of_reinforce(
    make_batch: MakeBatch,
):
    batch = make_batch([[1, 1]], advantages=[[3.0, -2.0]])
    lp = table([[-0.123456789, -9.87654321]]).requires_grad_()
    config = PolicyGradientConfig()
    loss, tokens = policy_loss(
        config, batch, Denominators.of(config.aggregation, batch.tokens, max_tokens=2), lp
    )
    assert (tokens.ratio_N == 1.0).all()
    np.testing.assert_array_equal(torch.autograd.grad(loss, lp)[0], [[-1.5, 1.0]])


def test_kl_estimators_by_hand():
    lp, ref = table(math.log(0.5)), table(math.log(0.25))
    assert kl_estimate("k1", lp, ref).item() == pytest.approx(math.log(2))
    assert kl_estimate("k2", lp, ref).item() == pytest.approx(math.log(2) ** 2 / 2)
    assert kl_estimate("k3", lp, ref).item() == pytest.approx(0.5 - 1 + math.log(2))


def test_k3_of_nearly_equal_log_probabilities_does_not_round_to_zero():
    assert kl_estimate("k3", table(1e-9), table(0.0)).item() == pytest.approx(5e-19, rel=1e-3, abs=0)


def test_kl_in_the_reward_is_the_sum_of_k1_over_action_tokens():
    kl = kl_in_reward(
        table([[-1.0, -2.0, NAN]]), table([[-1.5, -4.0, 7.0]]), torch.tensor([[True, True, False]])
    )
    np.testing.assert_array_equal(kl, [2.5])


def test_token_tis_multiplies_the_policy_term_alone_by_the_truncated_ratio(make_batch: MakeBatch):
    config = PolicyGradientConfig(sampler_correction="token_tis", kl_coefficient=1.0, kl_estimator="k2")
    rollout = [[math.log(0.5 / 3), math.log(0.5 / 0.25)]]  # rho = 3, cut to 2, and 0.25
    lp = table([[math.log(0.5)] * 2])
    batch = make_batch([[1, 1]], advantages=1.0, rollout_logprobs=rollout, ref_logprobs=math.log(0.25))
    _, gradient = loss_and_gradient(config, batch, lp)
    k2 = math.log(2)
    np.testing.assert_allclose(gradient, [[(-2 + k2) / 2, (-0.25 + k2) / 2]])


def test_old_log_probabilities_from_the_sampler_are_not_corrected_twice(make_batch: MakeBatch):
    sampler = [[-1.0, -2.0]]
    batch = make_batch([[1, 1]], advantages=1.0, old_logprobs=sampler, rollout_logprobs=sampler)
    lp = table([[-1.1, -1.9]])
    plain = loss_and_gradient(PolicyGradientConfig(), batch, lp)
    corrected = loss_and_gradient(PolicyGradientConfig(sampler_correction="token_tis"), batch, lp)
    assert plain[0] == corrected[0]
    assert torch.equal(plain[1], corrected[1])


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"sampler_correction": "token_mask"}, [[1, 0, 1], [1, 1, 1]]),
        ({"sampler_correction": "token_mask", "sampler_low": 0.9}, [[1, 0, 0], [1, 1, 1]]),
        ({"sampler_correction": "sequence_mask", "sampler_cap": 1.2}, [[0, 0, 0], [1, 1, 1]]),
        ({"sampler_correction": "probability_mask", "sampler_gap": 0.35}, [[1, 0, 1], [1, 1, 1]]),
    ],
)
def test_what_a_mask_leaves_out_stays_in_the_denominator(
    make_batch: MakeBatch, settings: dict[str, object], kept: list[list[int]]
):
    rollout = np.log([[0.5, 0.1, 0.8], [0.5, 0.5, 0.5]])  # rho is 1, 5 and 0.625, their geometric mean 1.46
    config = PolicyGradientConfig.model_validate({"aggregation": "token_mean", **settings})
    batch = make_batch([[1, 1, 1], [1, 1, 1]], advantages=1.0, rollout_logprobs=rollout)
    _, gradient = loss_and_gradient(config, batch, table([[math.log(0.5)] * 3] * 2))
    np.testing.assert_allclose(gradient, -np.array(kept) / 6)


def test_a_ratio_that_starts_from_the_sampler_is_clipped_there(make_batch: MakeBatch):
    rollout = [[math.log(0.25), math.log(0.45)]]  # ratios 2, which is clipped, and 1.11
    batch = make_batch([[1, 1]], advantages=1.0, rollout_logprobs=rollout)
    lp = table([[math.log(0.5)] * 2])
    _, gradient = loss_and_gradient(PolicyGradientConfig(old_policy="sampler"), batch, lp)
    np.testing.assert_allclose(gradient, [[0.0, -0.5 / 0.45 / 2]])


def test_the_sampler_is_corrected_in_one_place_only():
    with pytest.raises(ValidationError, match="use one of the two"):
        PolicyGradientConfig(old_policy="sampler", sampler_correction="token_tis")
    with pytest.raises(ValidationError, match=r"sampler_low \(2.0\) must be below sampler_cap \(1.5\)"):
        PolicyGradientConfig(sampler_correction="token_mask", sampler_low=2.0, sampler_cap=1.5)


def test_samples_of_older_weights_are_no_sign_of_wrong_weights(make_batch: MakeBatch):
    rollout = [[-1.0, -1.0], [-3.0, -3.0]]
    batch = make_batch([[1, 1], [1, 1]], rollout_logprobs=rollout, stale=[False, True])
    config = PolicyGradientConfig()
    _, tokens = policy_loss(
        config,
        batch,
        Denominators.of(config.aggregation, batch.tokens, max_tokens=2),
        table([[-1.5] * 2] * 2),
    )
    metrics = step_metrics([tokens])
    assert metrics["sampler/mismatch"] == pytest.approx(0.5)
    assert metrics["sampler/mismatch_stale"] == pytest.approx(1.5)
    alone = step_metrics([replace(tokens, stale_N=torch.ones(4, dtype=torch.bool))])
    assert "sampler/mismatch" not in alone
    assert alone["tokens/trained"] == 4


def test_the_top_entropy_mask_keeps_the_share_over_valid_tokens():
    entropy = torch.arange(12.0).view(2, 6)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    kept = top_entropy_mask(entropy, mask, 0.2)
    assert kept.nonzero().tolist() == [[1, 2], [1, 3]]


def test_tokens_of_equal_entropy_are_all_kept_rather_than_none():
    mask = torch.ones(1, 4, dtype=torch.bool)
    assert top_entropy_mask(torch.full((1, 4), 0.7), mask, 0.2).all()


def test_masked_out_entropies_do_not_move_the_quantile():
    mask = torch.tensor([[True, True, True, False]])
    assert top_entropy_mask(torch.tensor([[1.0, 2.0, 3.0, NAN]]), mask, 0.4).tolist() == [
        [False, False, True, False]
    ]


def test_tokens_below_the_entropy_quantile_lose_their_policy_term_and_keep_the_denominator(
    make_batch: MakeBatch,
):
    config = PolicyGradientConfig(aggregation="token_mean", kl_coefficient=1.0, kl_estimator="k2")
    batch = make_batch([[1, 1]], advantages=1.0, ref_logprobs=-2.0)
    kept = torch.tensor([[True, False]])
    _, gradient = loss_and_gradient(config, batch, table([[-1.0, -1.0]]), kept=kept)
    np.testing.assert_allclose(gradient, [[(-1 + 1) / 2, 1 / 2]])


def test_the_entropy_bonus_has_the_same_denominator_as_the_policy_term(make_batch: MakeBatch):
    config = PolicyGradientConfig(aggregation="constant", entropy_coefficient=0.5)
    batch = make_batch(MASK)
    entropy = torch.ones(3, 3, dtype=torch.float64, requires_grad=True)
    lp = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    loss, _ = policy_loss(
        config, batch, Denominators.of(config.aggregation, batch.tokens, max_tokens=4), lp, entropy
    )
    np.testing.assert_allclose(torch.autograd.grad(loss, entropy)[0], -0.5 / 12 * np.array(MASK))


def test_a_term_whose_numbers_are_missing_is_refused(make_batch: MakeBatch):
    batch = make_batch([[1]])
    with pytest.raises(ConfigError, match="needs the reference's log-probabilities"):
        loss_and_gradient(PolicyGradientConfig(kl_coefficient=0.1), batch, table([[0.0]]))
    with pytest.raises(ConfigError, match="needs the tokens' entropies"):
        loss_and_gradient(PolicyGradientConfig(entropy_coefficient=0.1), batch, table([[0.0]]))


@pytest.mark.parametrize("ratio", ["token", "sequence", "sequence_token"])
@pytest.mark.parametrize("poison", [NAN, INF, -INF])
def test_nan_and_inf_outside_the_mask_reach_neither_loss_nor_gradient_nor_metric(
    make_batch: MakeBatch, ratio: str, poison: float
):
    settings = {
        "ratio": ratio,
        "kl_coefficient": 0.1,
        "entropy_coefficient": 0.1,
        "sampler_correction": "token_tis",
    }
    config = PolicyGradientConfig.model_validate(settings)
    mask = np.array(MASK, dtype=bool)

    def run(outside: float) -> tuple[float, torch.Tensor, torch.Tensor, dict[str, float]]:
        def full(inside: float) -> np.ndarray:
            return np.where(mask, inside, outside)

        batch = make_batch(
            MASK,
            advantages=full(1.5),
            old_logprobs=full(-1.1),
            ref_logprobs=full(-0.9),
            rollout_logprobs=full(-1.0),
        )
        lp, entropy = (table(full(x).tolist()).requires_grad_() for x in (-1.2, 0.7))
        loss, tokens = policy_loss(
            config, batch, Denominators.of(config.aggregation, batch.tokens, max_tokens=4), lp, entropy
        )
        lp_gradient, entropy_gradient = torch.autograd.grad(loss, [lp, entropy])
        return float(loss.item()), lp_gradient, entropy_gradient, step_metrics([tokens])

    clean, poisoned = run(0.0), run(poison)
    assert poisoned[0] == clean[0]
    assert torch.equal(poisoned[1], clean[1])
    assert torch.equal(poisoned[2], clean[2])
    assert (poisoned[1][~torch.tensor(mask)] == 0).all()
    assert poisoned[3] == clean[3]


def test_environment_tokens_change_neither_loss_nor_denominator(make_batch: MakeBatch):
    for aggregation in ("sequence_mean", "token_mean", "prompt_mean", "constant"):
        config = PolicyGradientConfig.model_validate({"aggregation": aggregation})
        without = make_batch([[1, 1, 1], [1, 0, 0]], advantages=[[1.0, 1, 1], [-1, 0, 0]], old_logprobs=-1.0)
        between = make_batch(
            [[1, 0, 0, 1, 1], [1, 0, 0, 0, 0]],
            advantages=[[1.0, 9, 9, 1, 1], [-1, 9, 9, 9, 9]],
            old_logprobs=-1.0,
        )
        lp = table([[-1.1, -0.9, -1.3], [-0.7, 0, 0]])
        lp_between = table([[-1.1, -5, -6, -0.9, -1.3], [-0.7, -7, -8, -9, -9]])
        assert loss_and_gradient(config, between, lp_between)[0] == pytest.approx(
            loss_and_gradient(config, without, lp)[0], rel=1e-14
        )


def test_logged_metrics_are_those_recomputed_from_the_token_tables(make_batch: MakeBatch):
    rng = np.random.default_rng(3)
    config = PolicyGradientConfig(clip_low=0.1, clip_high=0.1, kl_coefficient=0.04, entropy_coefficient=0.01)
    old, roll, ref, advantages = (rng.standard_normal((3, 3)) for _ in range(4))
    lp, entropy = old + 0.2 * rng.standard_normal((3, 3)), rng.random((3, 3))
    batch = make_batch(
        MASK,
        advantages=advantages,
        old_logprobs=old,
        rollout_logprobs=roll,
        ref_logprobs=ref,
        groups=[0, 0, 1],
    )
    denominators = Denominators.of(config.aggregation, batch.tokens, max_tokens=4)
    parts = [[1], [0, 2]]
    results = [
        policy_loss(config, batch.select(rows), denominators, table(lp[rows]), table(entropy[rows]))
        for rows in parts
    ]
    metrics = step_metrics([tokens for _, tokens in results])

    m = np.array(MASK, dtype=bool)
    r, a, d = np.exp(lp - old)[m], advantages[m], (ref - lp)[m]
    assert metrics == {
        "tokens/trained": 6.0,
        "loss": pytest.approx(sum(loss.item() for loss, _ in results)),
        "loss/policy": metrics["loss/policy"],
        "ratio/mean": pytest.approx(r.mean()),
        "ratio/max": pytest.approx(r.max()),
        "clip/low_fraction": pytest.approx(((r < 0.9) & (a < 0)).mean()),
        "clip/high_fraction": pytest.approx(((r > 1.1) & (a > 0)).mean()),
        "sampler/mismatch": pytest.approx(np.abs(old - roll)[m].mean()),
        "sampler/kl": pytest.approx((np.exp((old - roll)[m]) - 1 - (old - roll)[m]).mean()),
        "kl": pytest.approx((np.exp(d) - 1 - d).mean()),
        "entropy": pytest.approx(entropy[m].mean()),
    }
    regularised = metrics["loss/policy"] + sum(
        (t.weight_N * (0.04 * t.kl_N - 0.01 * t.entropy_N)).sum().item()
        for _, t in results
        if t.kl_N is not None and t.entropy_N is not None
    )
    assert regularised == pytest.approx(metrics["loss"])
    assert metrics["clip/low_fraction"] > 0
    assert metrics["clip/high_fraction"] > 0
