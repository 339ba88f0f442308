"""Recipes that follow the gradient of the expected return: every group they could draw, weighed by probability."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.kl import kl_in_reward
from rlvr_trainers.objectives.policy_gradient import policy_loss
from rlvr_trainers.recipe import load_recipe, recipe_names

MakeBatch = Callable[..., CreditedBatch]

# A tabular policy with two tokens, of which token 0 ends a sequence, and a budget of three: four sequences, of one,
# two, three and three tokens. Row t of a table holds the logits of token t.
SEQUENCES = [(0,), (1, 0), (1, 1, 0), (1, 1, 1)]
SCORES = [0.25, 1.0, 0.0, 0.5]
TABLE = torch.tensor([[0.2, -0.3], [0.4, 0.9], [-0.2, 0.3]], dtype=torch.float64)
REFERENCE_TABLE = torch.tensor([[-0.1, 0.3], [0.6, -0.4], [0.0, 0.7]], dtype=torch.float64)
BUDGET = 3

UNBIASED = {"rloo", "dr_grpo"}
IMITATING = {"sft", "mtp", "rft"}
"""They follow no return: what is imitated has the gradient of its likelihood."""
CRITICS, PREFERRING, TAUGHT = (
    {"ppo", "reinforce_pp"},
    {"dpo", "online_dpo", "reward_model", "prm"},
    {"distill"},
)
"""The first follow the return less what a critic expects or whitened, others what is preferred, the last a teacher."""
BIASED = {
    "grpo": "each group over its standard deviation, each sequence over its length, KL(ref || policy)",
    "grpo_r1": "the same",
    "dapo": "each group over its standard deviation, all tokens over the lengths that happened to be drawn",
    "quickstart": "the same",
    "addition": "the same",
    "gspo": "each group over its standard deviation, each sequence over its length",
    "gspo_token": "the same",
    "cispo": "each group over its standard deviation, all tokens over the lengths that happened to be drawn",
    "reinforce_pp_baseline": "all samples over their standard deviation, all tokens over the lengths",
    "grpo_process": "each group's steps over their standard deviation, each sequence over its length",
    "tree_grpo": "trees and groups over their standard deviations, sequences over their lengths, KL(ref || policy)",
    "hackable": "all tokens over the lengths that happened to be drawn",
    "pass_at_k": "of the expected return, as it is of the expected best of k: see below",
}

KL_IN_THE_REWARD = {"kl_place": "reward", "kl_estimator": "k1", "kl_coefficient": 0.3}


def recipe(name: str, **algorithm: Any) -> TrainConfig:
    """A recipe's own settings; `algorithm` is laid over them."""
    needed: dict[str, Any] = {"model": {"path": "tiny"}, "env": {"id": "reverse"}}
    own = needed if name not in ("quickstart", "addition", "hackable") else {}
    return load_recipe(name, own | {"algorithm": algorithm, "sampling": {"max_tokens": BUDGET}})


def log_table(logits: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of the tokens of each of SEQUENCES, 0 behind its end."""
    logp = torch.log_softmax(logits, -1)
    nothing = torch.zeros((), dtype=torch.float64)
    rows = [[logp[t, token] for t, token in enumerate(sequence)] for sequence in SEQUENCES]
    return torch.stack([torch.stack([*row, *[nothing] * (BUDGET - len(row))]) for row in rows])


def expected_gradient(make_batch: MakeBatch, config: TrainConfig, group_size: int) -> torch.Tensor:
    """Of the loss of a step over one prompt, with respect to the logits, over all groups of `group_size`."""
    logits = TABLE.clone().requires_grad_()
    lp_of, ref_of = log_table(logits), log_table(REFERENCE_TABLE)
    logp_of = lp_of.detach().sum(1).tolist()
    total = torch.zeros((), dtype=torch.float64)
    for group in itertools.combinations_with_replacement(range(len(SEQUENCES)), group_size):
        orders = math.factorial(group_size)
        for times in Counter(group).values():
            orders //= math.factorial(times)
        probability = orders * math.exp(sum(logp_of[sequence] for sequence in group))
        total = total + probability * group_loss(make_batch, config, group, lp_of, ref_of)
    return torch.autograd.grad(total, logits)[0]


def group_loss(
    make_batch: MakeBatch,
    config: TrainConfig,
    group: tuple[int, ...],
    lp_of: torch.Tensor,
    ref_of: torch.Tensor,
) -> torch.Tensor:
    """The loss of one group, by the way that a step's samples take: reward, KL, advantage, denominator."""
    lp, ref = lp_of[list(group)], ref_of[list(group)]
    mask = torch.tensor([[t < len(SEQUENCES[sequence]) for t in range(BUDGET)] for sequence in group])
    algorithm = config.algorithm
    assert isinstance(algorithm, PolicyGradientConfig)
    in_reward = algorithm.needs_reference and algorithm.kl_place == "reward"
    advantages = outcome_advantages(
        config.reward.of(np.array([SCORES[sequence] for sequence in group])),
        [0] * len(group),
        algorithm,
        lengths=mask.sum(1).tolist(),
        kl=kl_in_reward(lp, ref, mask) if in_reward else None,
    )
    batch = make_batch(mask.tolist(), advantages=advantages[:, None])
    if algorithm.needs_reference:
        batch = dataclasses.replace(batch, ref_logprobs_BT=ref)
    denominators = Denominators.of(algorithm.aggregation, batch.tokens, max_tokens=config.sampling.max_tokens)
    return policy_loss(algorithm, batch, denominators, lp)[0]


def objective_gradient(config: TrainConfig) -> torch.Tensor:
    """Of the expected reward less kl_coefficient * KL(policy || reference), over whole sequences."""
    logits = TABLE.clone().requires_grad_()
    lp, ref = log_table(logits).sum(1), log_table(REFERENCE_TABLE).sum(1)
    rewards = torch.from_numpy(config.reward.of(np.array(SCORES)))
    assert isinstance(config.algorithm, PolicyGradientConfig)
    returns = rewards - config.algorithm.kl_coefficient * (lp - ref)
    return torch.autograd.grad((lp.exp() * returns).sum(), logits)[0]


def test_the_four_sequences_are_all_there_are() -> None:
    assert log_table(TABLE).sum(1).exp().sum().item() == pytest.approx(1.0, abs=1e-15)


def test_of_every_recipe_it_is_known_whether_it_is_biased() -> None:
    assert not UNBIASED & set(BIASED)
    assert set(recipe_names()) == UNBIASED | set(BIASED) | IMITATING | CRITICS | PREFERRING | TAUGHT


@pytest.mark.parametrize(
    "kl", [{}, KL_IN_THE_REWARD, {"kl_coefficient": 0.0}], ids=["own", "kl 0.3", "no kl"]
)
def test_rloo_is_the_gradient_of_the_expected_return_over_the_budget(
    make_batch: MakeBatch, kl: dict[str, Any]
) -> None:
    config = recipe("rloo", **kl)
    found = expected_gradient(make_batch, config, config.batch.group_size)
    torch.testing.assert_close(found, -objective_gradient(config) / BUDGET, rtol=0, atol=1e-15)


@pytest.mark.parametrize("kl", [{}, KL_IN_THE_REWARD], ids=["own", "kl 0.3"])
def test_dr_grpo_is_that_gradient_times_g_minus_one_over_g(make_batch: MakeBatch, kl: dict[str, Any]) -> None:
    config = recipe("dr_grpo", **kl)
    size = config.batch.group_size
    found = expected_gradient(make_batch, config, size)
    expected = -(size - 1) / size * objective_gradient(config) / BUDGET
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", BIASED)
def test_the_other_recipes_are_biased_by_design(make_batch: MakeBatch, name: str) -> None:
    """No factor makes their expected gradient that of the return, their KL term left out or not."""
    for config in (recipe(name), recipe(name, kl_coefficient=0.0)):
        # Groups of 64 are too many to go through; of 16 there are 969.
        found = expected_gradient(make_batch, config, min(16, config.batch.group_size)).flatten()
        wanted = -objective_gradient(config).flatten()
        assert torch.cosine_similarity(found, wanted, dim=0) < 1 - 1e-5


@pytest.mark.parametrize("aggregation", ["sequence_mean", "prompt_mean", "token_mean"])
@pytest.mark.parametrize("kl", [{"kl_coefficient": 0.0}, KL_IN_THE_REWARD], ids=["no kl", "kl 0.3"])
def test_with_a_denominator_that_lengths_enter_the_leave_one_out_advantage_is_biased_as_well(
    make_batch: MakeBatch, aggregation: str, kl: dict[str, Any]
) -> None:
    config = recipe("rloo", aggregation=aggregation, **kl)
    found = expected_gradient(make_batch, config, 4).flatten()
    wanted = -objective_gradient(config).flatten()
    assert torch.cosine_similarity(found, wanted, dim=0) < 1 - 1e-5


def test_the_gradient_of_one_group_is_that_of_reinforce_summed_over_each_sequences_tokens(
    make_batch: MakeBatch,
) -> None:
    """As RLOO is written in its paper: the mean over samples of advantage times gradient of log p(sequence)."""
    config = recipe("rloo", kl_coefficient=0.0)
    group = (0, 1, 3, 2)
    logits = TABLE.clone().requires_grad_()
    lp_of = log_table(logits)
    loss = group_loss(make_batch, config, group, lp_of, log_table(REFERENCE_TABLE))
    (found,) = torch.autograd.grad(loss, logits, retain_graph=True)
    rewards = [SCORES[sequence] for sequence in group]
    advantages = [reward - (sum(rewards) - reward) / 3 for reward in rewards]
    written = (torch.tensor(advantages, dtype=torch.float64) * lp_of[list(group)].sum(1)).mean()
    (expected,) = torch.autograd.grad(written, logits)
    torch.testing.assert_close(found, -expected / BUDGET, rtol=0, atol=1e-15)
