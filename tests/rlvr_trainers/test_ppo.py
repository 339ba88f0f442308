"""PPO: the critic's loss by hand, credit and gradients as the paper has them, and runs that learn with one sample."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.ppo import Ppo
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.critic import Critic
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.models import Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.objectives.value import ValueObjective
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from rlvr_trainers.trainer import Trainer
from torch import Tensor

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from tests.rlvr_trainers.judged import RIGHT, UNKNOWN, WRONG, said
from tests.rlvr_trainers.shuffled import among_all, pass_at_1
from tests.rlvr_trainers.test_trainer import same_weights, without_times

ROLLOUTS = [
    *[said("a", RIGHT, tokens=(5, 6, 7)), said("b", WRONG, tokens=(5, 8)), said("c", UNKNOWN, tokens=(9,))],
    *[said("d", WRONG, tokens=(4,)), said("e", RIGHT, tokens=(6, 6)), said("f", WRONG, tokens=(7, 5, 4, 8))],
]
AROUND = Surroundings(
    reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=9, updates_per_step=2, decode=str
)


def models() -> tuple[Policy, Policy, Critic]:
    policy, reference = (Policy(ModelConfig(path="tiny:0123456789"), seed=seed) for seed in (0, 1))
    critic = Critic(policy, own_model=True)
    for module in (policy.model, reference.model, critic._base, critic._head):
        module.double()
    torch.manual_seed(0)
    torch.nn.init.normal_(critic._head.weight)
    return policy, reference, critic


def credited_step(config: Ppo, policy: Policy, reference: Policy, critic: Critic) -> CreditedBatch:
    algorithm = config.build(AROUND)
    parts: dict[Role, Any] = {Role.POLICY: policy, Role.REFERENCE: reference, Role.CRITIC: critic}

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            values, _ = parts[role].logprobs(tokens, temperature=1.0)
        return values, torch.zeros_like(values)

    scored = algorithm.score(algorithm.tokens(ROLLOUTS, range(6)), scorer)
    return algorithm.credit(ROLLOUTS, scored)


def test_the_reward_is_the_outcome_at_the_last_token_less_the_kl_of_each() -> None:
    policy, reference, critic = models()
    config = Ppo(whiten=False, gae_lambda=1.0, kl_coefficient=0.3)
    batch = credited_step(config, policy, reference, critic)
    tokens = batch.tokens
    with torch.no_grad():
        lp, _ = policy.logprobs(tokens, temperature=1.0)
        lp_ref, _ = reference.logprobs(tokens, temperature=1.0)
        values, _ = critic.logprobs(tokens, temperature=1.0)
    assert batch.returns_BT is not None
    for row, rollout in enumerate(ROLLOUTS):
        length = rollout.length if rollout.verdict.scored else 0
        kl = (lp - lp_ref)[row, :length].tolist()
        for place in range(length):
            expected = float(rollout.reward or 0.0) - 0.3 * math.fsum(kl[place:])
            assert float(batch.returns_BT[row, place]) == pytest.approx(expected, abs=1e-10)
            advantage = expected - float(values[row, place])
            assert float(batch.advantages_BT[row, place]) == pytest.approx(advantage, abs=1e-10)
    assert not batch.tokens.mask_BT[2].any()
    assert batch.advantages_BT[2].tolist() == [0.0] * 4


def test_without_a_critic_advantages_are_returns_less_their_mean_over_tokens() -> None:
    policy, reference, critic = models()
    batch = credited_step(Ppo(critic="none", gae_lambda=1.0, kl_coefficient=0.3), policy, reference, critic)
    mask, tokens = batch.tokens.mask_BT, batch.tokens
    with torch.no_grad():
        kl = policy.logprobs(tokens, temperature=1.0)[0] - reference.logprobs(tokens, temperature=1.0)[0]
    returns: list[float] = []
    for row, place in mask.nonzero().tolist():
        later = [float(kl[row, t]) for t in range(place, mask.shape[1]) if mask[row, t]]
        returns.append(float(ROLLOUTS[row].reward or 0.0) - 0.3 * math.fsum(later))
    mean = math.fsum(returns) / len(returns)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in returns) / len(returns))
    expected = [(value - mean) / (spread + 1e-8) for value in returns]
    assert batch.advantages_BT[mask].tolist() == pytest.approx(expected, abs=1e-10)
    assert batch.values_BT is None
    assert batch.returns_BT is None


def test_without_kl_there_is_no_reference() -> None:
    algorithm = Ppo(kl_coefficient=0.0).build(AROUND)
    assert not algorithm.needs_reference
    assert Ppo().build(AROUND).needs_reference


def values_batch(old: list[float], returns: list[float]) -> CreditedBatch:
    count = len(old)
    tokens = TokenBatch.of_sequences(
        [[1]], [[2] * count], masks=[[True] * count], logprobs=[[0.0] * count], groups=[0], scored=[True]
    )
    zeros = torch.zeros(1, dtype=torch.float64)
    return CreditedBatch(
        tokens=tokens,
        rewards_B=zeros,
        advantages_B=zeros,
        advantages_BT=torch.zeros(1, count, dtype=torch.float64),
        values_BT=torch.tensor([old], dtype=torch.float64),
        returns_BT=torch.tensor([returns], dtype=torch.float64),
    )


def test_the_critics_loss_and_its_clipping_are_worked_by_hand() -> None:
    batch = values_batch([0.0, 0.0, 0.0, 0.0], [1.0, 1.0, -1.0, 0.1])
    values = torch.tensor([[0.1, 0.5, 0.5, 0.5]], dtype=torch.float64, requires_grad=True)
    loss, table = ValueObjective(batch, clip=0.2).loss(batch, [0], values, None)
    # Held values: 0.1, 0.2, 0.2, 0.2. The second went too far towards its return: it has no gradient.
    terms = [0.9**2 / 2, 0.8**2 / 2, 1.5**2 / 2, 0.4**2 / 2]
    assert loss.item() == pytest.approx(sum(terms) / 4, rel=1e-14)
    assert step_metrics([table])["loss"] == pytest.approx(loss.item(), rel=1e-14)
    (gradient,) = torch.autograd.grad(loss, [values])
    np.testing.assert_allclose(gradient.numpy(), [[-0.9 / 4, 0.0, 1.5 / 4, 0.4 / 4]], atol=1e-15)
    unclipped, _ = ValueObjective(batch, clip=None).loss(batch, [0], values, None)
    assert unclipped.item() == pytest.approx((0.9**2 + 0.5**2 + 1.5**2 + 0.4**2) / 8, rel=1e-14)


def test_a_value_is_of_the_state_before_its_token() -> None:
    """Later tokens, the token itself included, change no value."""
    _, _, critic = models()
    one = TokenBatch.of_rollouts([said("x", RIGHT, tokens=(5, 6, 7))], [0])
    other = TokenBatch.of_rollouts([said("x", RIGHT, tokens=(5, 6, 9))], [0])
    with torch.no_grad():
        values, _ = critic.logprobs(one, temperature=1.0)
        others, _ = critic.logprobs(other, temperature=1.0)
    torch.testing.assert_close(values, others, rtol=0, atol=1e-12)
    assert len(set(values[0].tolist())) == 3


def test_the_critics_gradient_is_the_same_whatever_the_microbatches() -> None:
    policy, reference, critic = models()
    batch = credited_step(Ppo(), policy, reference, critic)

    def gradient(budget: int) -> tuple[float, list[Tensor]]:
        for weight in critic.parameters:
            weight.grad = None
        objective, tables = ValueObjective(batch, clip=0.2), []
        for rows in microbatches(batch.tokens.lengths_B.tolist(), budget):
            part = batch.select(rows)
            values, _ = critic.logprobs(part.tokens, temperature=1.0)
            loss, table = objective.loss(part, rows, values, None)
            loss.backward()
            tables.append(table)
        return step_metrics(tables)["loss"], [w.grad.clone() for w in critic.parameters if w.grad is not None]

    whole_loss, whole = gradient(10_000)
    parts_loss, parts = gradient(4)
    assert parts_loss == pytest.approx(whole_loss, rel=1e-12)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    assert sum(float(g.abs().sum()) for g in whole) > 0


@pytest.mark.parametrize("own", [True, False])
def test_a_head_leaves_the_policy_as_it_is_and_a_model_is_a_copy(own: bool) -> None:
    policy = Policy(ModelConfig(path="tiny:0123456789"), seed=0)
    critic = Critic(policy, own_model=own)
    shared = {id(weight) for weight in policy.parameters}
    assert (len(critic.parameters) > 2) == own
    assert not shared & {id(weight) for weight in critic.parameters}
    batch = TokenBatch.of_rollouts(ROLLOUTS[:2], [0, 1])
    values, _ = critic.logprobs(batch, temperature=1.0)
    assert values.tolist() == [[0, 0, 0], [0, 0, 0]]
    torch.nn.init.ones_(critic._head.weight)
    values, _ = critic.logprobs(batch, temperature=1.0)
    values.sum().backward()
    assert all(weight.grad is None for weight in policy.parameters)
    assert any(weight.grad is not None for weight in critic.parameters)


# Runs

REVERSE = ["env.id=reverse", "env.digits=2", "env.style=symbols"]
TINY = [
    *["model.path=tiny:0123456789>", "sampling.max_tokens=4", "run.checkpoint_every=2"],
    *["optimizer.learning_rate=1e-3", "algorithm.critic_learning_rate=1e-3", "algorithm.kl_coefficient=0.01"],
]
WARM = [
    *["warmup.steps=100", "warmup.batch_size=64", "warmup.learning_rate=3e-3", "warmup.label_noise=0.6"],
    *["batch.prompts=64", "batch.minibatches=2", "batch.epochs=2", "run.checkpoint_every=1000"],
    *["eval.every=1000", "eval.tasks=20", "eval.n=16", "run.steps=60"],
]


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("ppo", parse_overrides([*TINY, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def learned(run_dir: Path, *more: str, seed: int, shuffled: bool = False) -> tuple[float, float]:
    """Held-out pass@1 of a model that a noisy warm-up left half wrong, and of what PPO made of it."""
    trainer = Trainer(config(run_dir, *REVERSE, *WARM, f"run.seed={seed}", *more))
    return pass_at_1(trainer, among_all if shuffled else None)


@pytest.mark.long
def test_one_sample_of_a_prompt_is_enough_to_learn_from(tmp_path: Path) -> None:
    before, after = learned(tmp_path, seed=0)
    assert before <= 0.5
    assert after >= 0.85
    last = rows(tmp_path)[-1]
    assert last["critic/explained_variance"] > 0.1
    assert "groups/degenerate_share" in last


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_a_critic_it_learns_too(seed: int, tmp_path: Path) -> None:
    settings = ["algorithm.critic=none", "algorithm.gae_lambda=1"]
    before, after = learned(tmp_path / "right", *settings, seed=seed)
    assert before <= 0.5
    assert after >= 0.8
    before, after = learned(tmp_path / "shuffled", *settings, seed=seed, shuffled=True)
    assert after <= before + 0.15


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_from_verdicts_and_not_from_shuffled_ones(seed: int, tmp_path: Path) -> None:
    before, after = learned(tmp_path / "right", seed=seed)
    assert before <= 0.5
    assert after >= 0.85
    before, after = learned(tmp_path / "shuffled", seed=seed, shuffled=True)
    assert after <= before + 0.15


@pytest.mark.slow
def test_a_head_on_the_policys_states_learns_too(tmp_path: Path) -> None:
    before, after = learned(tmp_path, "algorithm.critic=head", seed=0)
    assert before <= 0.5
    assert after >= 0.6


@pytest.mark.parametrize("critic", ["model", "head", "none"])
def test_four_steps_are_two_steps_and_two_more(critic: str, tmp_path: Path) -> None:
    more = [*REVERSE, "env.reward=per_digit", f"algorithm.critic={critic}", "batch.prompts=8"]
    more += ["algorithm.gae_lambda=1"] if critic == "none" else []
    more += ["warmup.steps=3", "warmup.batch_size=8"]
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(config(tmp_path / name, *more, f"run.steps={steps}")).run()
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")
    both = [list(map(without_times, rows(tmp_path / name))) for name in ("whole", "parts")]
    assert both[0] == both[1]
    assert (both[0][-1].get("critic/loss", 0.0) > 0) is (critic != "none")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["buffer.max_staleness=1"], "which algorithm.kind=ppo does not correct for"),
        (["batch.microbatch_tokens=auto"], "measures the policy alone"),
        (
            ["dynamic_sampling.max_rounds=3"],
            "dynamic_sampling replaces groups whose samples all earned the same",
        ),
        (["algorithm.advantage=group_std"], "algorithm.advantage: no such setting"),
        (["algorithm.critic=none"], "needs gae_lambda=1 and whiten=true"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(more: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match=message):
        config(tmp_path / "run", *REVERSE, *more)
