"""The loss of preferences: by hand, by an oracle, in any parts, and to its analytic optimum."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.dpo import Dpo
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.models import Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.objectives.preference import PreferenceObjective, pair_losses
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from torch import Tensor

from rlvr_gym import ConfigError, Rollout
from tests.rlvr_trainers.batches import credited
from tests.rlvr_trainers.judged import RIGHT, UNKNOWN, WRONG, said


def pairs_of(logits: Tensor, reference: Tensor, wins: list[tuple[int, int]]) -> CreditedBatch:
    """Sequences of one token: for each of `wins`, the token that is preferred and the other."""
    tokens = [token for win in wins for token in win]
    batch = TokenBatch.of_sequences(
        [[1]] * len(tokens),
        [[token] for token in tokens],
        masks=[[True]] * len(tokens),
        logprobs=[[0.0]] * len(tokens),
        groups=[row // 2 for row in range(len(tokens))],
        scored=[True] * len(tokens),
    )
    return credited(
        batch,
        [1.0, -1.0] * len(wins),
        ref_logprobs_BT=torch.log_softmax(reference, 0)[tokens][:, None],
        pairs_B=torch.arange(len(tokens)) // 2,
    )


def step_loss(config: Dpo, logits: Tensor, batch: CreditedBatch) -> tuple[Tensor, dict[str, float]]:
    """The differentiable loss of a tabular policy, and the figures of the step."""

    def logprobs(tokens: TokenBatch) -> Tensor:
        said = tokens.input_ids[:, 1]
        return torch.log_softmax(logits, 0)[said][:, None]

    with torch.no_grad():
        objective = PreferenceObjective(config, batch, logprobs)
    loss, table = objective.loss(batch, range(batch.tokens.size), logprobs(batch.tokens), None)
    return loss, step_metrics([table])


def test_the_loss_at_the_reference_is_ln_2_and_half_of_beta_is_the_slope() -> None:
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    batch = pairs_of(logits, logits.detach(), [(0, 1), (2, 0)])
    loss, figures = step_loss(Dpo(beta=0.4), logits, batch)
    (gradient,) = torch.autograd.grad(loss, [logits])
    assert figures["loss"] == pytest.approx(math.log(2), abs=1e-15)
    assert figures["preference/margin"] == 0.0
    # Two pairs, each with slope -beta / 2 by its margin; token 0 wins once and loses once.
    np.testing.assert_allclose(gradient.numpy(), [0.0, 0.1, -0.1], atol=1e-15)


def test_margins_losses_and_accuracy_are_worked_by_hand() -> None:
    reference = torch.zeros(3, dtype=torch.float64)
    logits = torch.tensor([math.log(4), 0.0, math.log(2)], dtype=torch.float64)
    batch = pairs_of(logits, reference, [(0, 1), (1, 2)])
    _, figures = step_loss(Dpo(beta=0.5), logits, batch)
    # Margins ln 4 and -ln 2: sigmoids of half of them are 2 / 3 and 1 / (1 + sqrt 2).
    expected = -(math.log(2 / 3) + math.log(1 / (1 + math.sqrt(2)))) / 2
    assert figures["loss"] == pytest.approx(expected, rel=1e-12)
    assert figures["preference/margin"] == pytest.approx((math.log(4) - math.log(2)) / 2)
    assert figures["preference/accuracy"] == 0.5
    softmax = math.log(7)  # of 4, 1 and 2; the reference gives each a third
    assert figures["preference/chosen"] == pytest.approx((math.log(4) + 0) / 2 - softmax + math.log(3))
    assert figures["preference/rejected"] == pytest.approx((0 + math.log(2)) / 2 - softmax + math.log(3))
    _, figures = step_loss(Dpo(beta=0.5, loss="ipo"), logits, batch)
    assert figures["loss"] == pytest.approx(((math.log(4) - 1) ** 2 + (-math.log(2) - 1) ** 2) / 2)


@pytest.mark.parametrize("loss", ["sigmoid", "ipo"])
def test_the_slope_is_the_derivative_of_the_loss(loss: str) -> None:
    config = Dpo(beta=0.3, loss=loss)  # type: ignore[arg-type]
    margins = torch.linspace(-30, 30, 41, dtype=torch.float64, requires_grad=True)
    losses, slopes = pair_losses(config, margins)
    (derivative,) = torch.autograd.grad(losses.sum(), [margins])
    torch.testing.assert_close(slopes.detach(), derivative, rtol=1e-12, atol=1e-15)


def minimised(config: Dpo, reference: Tensor, wins: list[tuple[int, int]]) -> Tensor:
    logits = reference.clone().requires_grad_()
    batch = pairs_of(logits, reference, wins)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.99**step
        loss, _ = step_loss(config, logits, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.softmax(logits.detach(), 0)


def test_a_tabular_policy_ends_where_rewards_and_reference_say() -> None:
    """With labels of a Bradley-Terry model of rewards r, the optimum is proportional to reference * exp(r / beta)."""
    reference = torch.tensor([0.5, -0.4, 0.1], dtype=torch.float64)
    strengths = [1, 2, 6]  # exp(r): i beats j in strengths[i] of strengths[i] + strengths[j] cases
    wins = [
        pair
        for i in range(3)
        for j in range(3)
        if i != j
        for pair in [(i, j)] * (24 * strengths[i] // (strengths[i] + strengths[j]))
    ]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        share = wins.count((i, j)) / (wins.count((i, j)) + wins.count((j, i)))
        assert share == pytest.approx(strengths[i] / (strengths[i] + strengths[j]), abs=0.02)
    beta = 0.8
    found = minimised(Dpo(beta=beta), reference, wins)
    optimum = torch.softmax(reference + torch.tensor(strengths, dtype=torch.float64).log() / beta, 0)
    kl = float((optimum * (optimum / found).log()).sum())
    assert 0 <= kl < 1e-3
    assert float((found - torch.softmax(reference, 0)).abs().max()) > 0.2


def test_ipo_ends_at_the_margin_that_it_asks_for_even_where_one_side_always_wins() -> None:
    reference = torch.tensor([0.2, 0.0], dtype=torch.float64)
    found = minimised(Dpo(beta=0.25, loss="ipo"), reference, [(0, 1)])
    margin = float((found[0] / found[1]).log() - 0.2)
    assert margin == pytest.approx(1 / (2 * 0.25), rel=1e-3)


# Sequences of a model


ROLLOUTS = [
    *[said("a", RIGHT, tokens=(5, 6, 7)), said("b", WRONG, tokens=(5, 8)), said("c", UNKNOWN, tokens=(9,))],
    *[said("d", WRONG, tokens=(4,)), said("e", RIGHT, tokens=(6, 6)), said("f", WRONG, tokens=(7, 5, 4, 8))],
    *[said("g", RIGHT, tokens=(5,)), said("h", RIGHT, tokens=(6,))],
]
GROUPS = [0, 0, 0, 1, 1, 1, 2, 2]


def credited_step(
    policy: Policy, reference: Policy, config: Dpo, rollouts: list[Rollout] = ROLLOUTS
) -> tuple[CreditedBatch, Callable[[TokenBatch], Tensor]]:
    around = Surroundings(
        reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=9, updates_per_step=1, decode=str
    )
    algorithm = config.build(around)

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            model = policy if role is Role.POLICY else reference
            values, _ = model.logprobs(tokens, temperature=1.0)
        return values, torch.zeros_like(values)

    scored = algorithm.score(algorithm.tokens(rollouts, GROUPS), scorer)
    return algorithm.credit(rollouts, scored), lambda tokens: scorer(Role.POLICY, tokens)[0]


def two_models() -> tuple[Policy, Policy]:
    policy, reference = (Policy(ModelConfig(path="tiny:0123456789"), seed=seed) for seed in (0, 1))
    policy.model.double()
    reference.model.double()
    return policy, reference


@pytest.mark.parametrize(
    "config", [Dpo(pairs=2), Dpo(length_normalised=True), Dpo(loss="ipo"), Dpo(beta=2.0)], ids=str
)
def test_loss_and_gradient_are_those_of_the_paper_whatever_the_microbatches(config: Dpo) -> None:
    policy, reference = two_models()
    batch, logprobs = credited_step(policy, reference, config)

    def parts(budget: int) -> tuple[float, list[Tensor]]:
        policy.model.zero_grad()
        objective, tables = PreferenceObjective(config, batch, logprobs), []
        for rows in microbatches(batch.tokens.lengths_B.tolist(), budget):
            part = batch.select(rows)
            values, _ = policy.logprobs(part.tokens, temperature=1.0)
            loss, table = objective.loss(part, rows, values, None)
            loss.backward()
            tables.append(table)
        gradients = [w.grad.clone() for w in policy.parameters if w.grad is not None]
        return step_metrics(tables)["loss"], gradients

    whole_loss, whole = parts(10_000)
    single_loss, single = parts(4)
    policy.model.zero_grad()
    oracle = paper(config, batch, policy)
    oracle.backward()
    expected = [w.grad for w in policy.parameters if w.grad is not None]
    assert whole_loss == pytest.approx(oracle.item(), abs=1e-10)
    assert single_loss == pytest.approx(whole_loss, abs=1e-10)
    for one, other, third in zip(whole, single, expected, strict=True):
        torch.testing.assert_close(one, third, rtol=0, atol=1e-10)
        torch.testing.assert_close(other, third, rtol=0, atol=1e-10)


def paper(config: Dpo, batch: CreditedBatch, policy: Policy) -> Tensor:
    """The formula as it stands, pair by pair, with autograd through both sequences."""
    values, _ = policy.logprobs(batch.tokens, temperature=1.0)
    assert batch.ref_logprobs_BT is not None
    losses = []
    for good, bad in ((0, 1), (4, 3), (4, 5)):
        if batch.pairs_B is None or batch.pairs_B[good] != batch.pairs_B[bad]:
            continue
        ratios = []
        for row in (good, bad):
            said = batch.tokens.mask_BT[row]
            ratio = (values[row] - batch.ref_logprobs_BT[row])[said]
            ratios.append(ratio.mean() if config.length_normalised else ratio.sum())
        h = ratios[0] - ratios[1]
        ipo = (h - 1 / (2 * config.beta)) ** 2
        losses.append(ipo if config.loss == "ipo" else -torch.log(torch.sigmoid(config.beta * h)))
    assert len(losses) == 2
    return torch.stack(losses).mean()


def test_samples_in_no_pair_have_no_token_in_the_loss() -> None:
    batch, _ = credited_step(*two_models(), Dpo())
    assert batch.tokens.mask_BT.any(1).tolist()[:3] == [True, True, False]
    assert batch.tokens.mask_BT.any(1).tolist()[6:] == [False, False]
    assert batch.advantages_B.tolist()[:3] == [1.0, -1.0, 0.0]
    assert batch.advantages_B.sum() == 0
    assert batch.pairs_B is not None
    assert batch.pairs_B.tolist()[6:] == [-1, -1]


def test_a_loss_that_is_not_told_what_it_needs_says_so() -> None:
    policy, reference = two_models()
    batch, logprobs = credited_step(policy, reference, Dpo())
    import dataclasses

    with pytest.raises(ConfigError, match="told the pairs"):
        PreferenceObjective(Dpo(), dataclasses.replace(batch, pairs_B=None), logprobs)
    with pytest.raises(ConfigError, match="reference's log-probabilities"):
        PreferenceObjective(Dpo(), dataclasses.replace(batch, ref_logprobs_BT=None), logprobs)
