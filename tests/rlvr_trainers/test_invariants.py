"""Invariants of every release, tested on the real path: token_logprobs, policy_loss, backward."""

import dataclasses
import itertools
import math
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.logprobs import token_logprobs
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.kl import kl_in_reward
from rlvr_trainers.objectives.policy_gradient import policy_loss

from rlvr_gym import Rollout
from tests import warm
from tests.rlvr_trainers.batches import credited

Rollouts = tuple[list[Rollout], list[int]]
Make = Callable[..., Any]
MakeBatch = Callable[..., CreditedBatch]

MAX_TOKENS = 13
AGGREGATIONS = ["sequence_mean", "token_mean", "prompt_mean", "constant"]


def everything_on(aggregation: str) -> PolicyGradientConfig:
    """A configuration with every term in the loss."""
    settings: dict[str, Any] = {
        "aggregation": aggregation,
        "kl_coefficient": 0.1,
        "entropy_coefficient": 0.01,
    }
    return PolicyGradientConfig.model_validate(
        settings | {"sampler_correction": "token_tis", "clip_high": 0.28}
    )


def whole_step(rollouts: Rollouts, model: torch.nn.Module) -> CreditedBatch:
    """A step whose old policy and reference differ from `model`."""
    scores = [math.nan if r.verdict.score is None else r.verdict.score for r in rollouts[0]]
    advantages = outcome_advantages(np.array(scores), rollouts[1], PolicyGradientConfig())
    tokens = TokenBatch.of_rollouts(*rollouts, filter_truncated=True)
    with torch.no_grad():
        lp, _ = token_logprobs(model, tokens, temperature=0.8)
    wave = torch.sin(torch.arange(lp.numel())).view_as(lp)
    return credited(tokens, advantages, old_logprobs_BT=lp + 0.3 * wave, ref_logprobs_BT=lp - 0.5 * wave)


def gradient(
    model: torch.nn.Module, config: PolicyGradientConfig, step: CreditedBatch, parts: Sequence[CreditedBatch]
) -> list[torch.Tensor]:
    """The gradient of a whole optimizer step, computed in `parts`."""
    denominators = Denominators.of(config.aggregation, step.tokens, max_tokens=MAX_TOKENS)
    model.zero_grad()
    for part in parts:
        logprobs, entropy = token_logprobs(model, part.tokens, temperature=0.8, chunk=6, with_entropy=True)
        policy_loss(config, part, denominators, logprobs, entropy)[0].backward()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()]


def assert_same(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> None:
    assert max(float(g.abs().max()) for g in expected) > 1e-3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def with_padding(batch: CreditedBatch, more: int) -> CreditedBatch:
    """The same sequences with junk behind them."""
    tokens = batch.tokens
    rows, width = tokens.input_ids.shape
    pad = torch.nn.functional.pad
    inside = torch.arange(width) < tokens.lengths_B[:, None]
    return dataclasses.replace(
        batch,
        tokens=dataclasses.replace(
            tokens,
            input_ids=pad(torch.where(inside, tokens.input_ids, 11), (0, more), value=13),
            position_ids=pad(tokens.position_ids, (0, more)),
            offsets_B=torch.arange(rows) * (width + more),
        ),
    )


def packed(batch: CreditedBatch) -> CreditedBatch:
    return dataclasses.replace(batch, tokens=batch.tokens.packed())


def in_budget(step: CreditedBatch, budget: int) -> list[CreditedBatch]:
    return [step.select(rows) for rows in microbatches(step.tokens.lengths_B.tolist(), budget)]


LAYOUTS: dict[str, Callable[[CreditedBatch], list[CreditedBatch]]] = {
    "one sequence at a time": lambda step: in_budget(step, 1),
    "microbatches of 40 tokens": lambda step: in_budget(step, 40),
    "in another order": lambda step: [step.select([7, 2, 11, 0, 5]), step.select([1, 10, 3, 9, 4, 8, 6])],
    "with more padding": lambda step: [with_padding(step, 9)],
    "packed": lambda step: [packed(step)],
    "packed in parts": lambda step: [packed(part) for part in in_budget(step, 60)],
}


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("positions", ["rotary", "absolute"])
def test_the_gradient_does_not_depend_on_microbatches_order_padding_or_packing(
    tiny_llama: Make, tiny_gpt2: Make, mixed_rollouts: Rollouts, aggregation: str, layout: str, positions: str
):
    model, config = {"rotary": tiny_llama, "absolute": tiny_gpt2}[positions](), everything_on(aggregation)
    step = whole_step(mixed_rollouts, model)
    assert_same(gradient(model, config, step, LAYOUTS[layout](step)), gradient(model, config, step, [step]))


@pytest.mark.parametrize("ratio", ["sequence", "sequence_token"])
def test_nor_does_it_with_ratios_of_sequences(tiny_llama: Make, mixed_rollouts: Rollouts, ratio: str):
    model, config = tiny_llama(), everything_on("sequence_mean").model_copy(update={"ratio": ratio})
    step = whole_step(mixed_rollouts, model)
    expected = gradient(model, config, step, [step])
    for layout in ("one sequence at a time", "in another order", "packed"):
        assert_same(gradient(model, config, step, LAYOUTS[layout](step)), expected)


def test_the_gradient_does_not_depend_on_the_number_of_processes(
    tiny_llama: Make, mixed_rollouts: Rollouts, tmp_path: Path
):
    model, configs = tiny_llama(), [everything_on(aggregation) for aggregation in AGGREGATIONS]
    step = whole_step(mixed_rollouts, model)
    budgets = [1, 40, 16384]
    case = {"model": model, "batch": step, "configs": configs, "budgets": budgets, "max_tokens": MAX_TOKENS}
    torch.save(case, tmp_path / "case.pt")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [
        str(warm.commands(**warm.ONE_THREAD) / "python"),
        str(Path(__file__).with_name("two_ranks.py")),
    ]
    shared = (
        os.environ | warm.ONE_THREAD | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    )
    processes = [
        subprocess.Popen(
            [*command, str(tmp_path / "case.pt"), str(tmp_path / "result.pt")], env=shared | {"RANK": rank}
        )
        for rank in "01"
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    found = torch.load(tmp_path / "result.pt")
    for config, budget in itertools.product(configs, budgets):
        assert_same(found["gradients"][config.aggregation, budget], gradient(model, config, step, [step]))
    assert found["sequences"] == [[6, 6]] * len(configs) * len(budgets)


@pytest.mark.parametrize("scored_first", [True, False])
def test_the_ratio_is_exactly_one_on_the_first_pass_of_a_model_configured_with_dropout(
    tiny_gpt2: Make, mixed_rollouts: Rollouts, scored_first: bool
):
    model = tiny_gpt2(attn_pdrop=0.5, resid_pdrop=0.5, embd_pdrop=0.5)
    config, step = everything_on("token_mean"), whole_step(mixed_rollouts, model)
    for part in in_budget(step, 40):
        with torch.no_grad():
            old, _ = token_logprobs(model, part.tokens, temperature=0.8)
        part = dataclasses.replace(part, old_logprobs_BT=old if scored_first else None)
        logprobs, entropy = token_logprobs(model, part.tokens, temperature=0.8, with_entropy=True)
        denominators = Denominators.of(config.aggregation, step.tokens, max_tokens=MAX_TOKENS)
        _, tokens = policy_loss(config, part, denominators, logprobs, entropy)
        assert (tokens.ratio_N == 1.0).all()


# The KL gradient table, by enumeration of a softmax over five tokens.

THETA = torch.tensor([0.3, -1.2, 0.8, 0.1, -0.4], dtype=torch.float64)
REFERENCE = torch.log_softmax(torch.tensor([-0.5, 0.9, 0.2, -1.0, 0.6], dtype=torch.float64), -1)


def expected_gradient(make_batch: MakeBatch, config: PolicyGradientConfig) -> torch.Tensor:
    """The gradient of policy_loss with respect to the logits, averaged over actions drawn on-policy."""
    theta = THETA.clone().requires_grad_()
    lp = torch.log_softmax(theta, -1)
    total = torch.zeros((), dtype=torch.float64)
    for action in range(5):
        kl = kl_in_reward(
            lp[action].detach().view(1, 1), REFERENCE[action].view(1, 1), torch.tensor([[True]])
        )
        advantage = -config.kl_coefficient * kl if config.kl_place == "reward" else 0.0
        batch = make_batch([[1]], advantages=advantage, ref_logprobs=REFERENCE[action].item())
        denominators = Denominators.of(config.aggregation, batch.tokens, max_tokens=1)
        loss, _ = policy_loss(config, batch, denominators, lp[action].view(1, 1))
        total = total + lp[action].detach().exp() * loss
    return torch.autograd.grad(total, theta)[0]


def kl_gradient(forward: bool) -> torch.Tensor:
    """Of KL(ref || pi) or of KL(pi || ref), with respect to the logits."""
    theta = THETA.clone().requires_grad_()
    lp = torch.log_softmax(theta, -1)
    kl = (REFERENCE.exp() * (REFERENCE - lp)).sum() if forward else (lp.exp() * (lp - REFERENCE)).sum()
    return torch.autograd.grad(kl, theta)[0]


@pytest.mark.parametrize(
    ("place", "estimator", "forward"),
    [("loss", "k2", False), ("loss", "k3", True), ("reward", "k1", False), ("weighted_loss", "k3", False)],
)
def test_each_kl_term_has_the_gradient_of_the_kl_it_stands_for(
    make_batch: MakeBatch, place: str, estimator: str, forward: bool
):
    settings: dict[str, Any] = {"kl_place": place, "kl_estimator": estimator, "kl_coefficient": 1.0}
    config = PolicyGradientConfig.model_validate(settings | {"advantage": "leave_one_out"})
    torch.testing.assert_close(
        expected_gradient(make_batch, config), kl_gradient(forward), rtol=0, atol=1e-14
    )


def test_k1_in_the_loss_has_no_gradient_in_expectation_which_is_why_it_is_refused(make_batch: MakeBatch):
    # model_construct leaves out the validation that refuses it.
    config = PolicyGradientConfig.model_construct(kl_place="loss", kl_estimator="k1", kl_coefficient=1.0)
    torch.testing.assert_close(
        expected_gradient(make_batch, config), torch.zeros_like(THETA), rtol=0, atol=1e-15
    )


@pytest.mark.parametrize(("place", "estimator"), [("loss", "k2"), ("loss", "k3"), ("weighted_loss", "k3")])
def test_without_advantage_a_step_moves_the_policy_toward_the_reference(
    make_batch: MakeBatch, place: str, estimator: str
):
    settings: dict[str, Any] = {"kl_place": place, "kl_estimator": estimator, "kl_coefficient": 0.5}
    config = PolicyGradientConfig.model_validate(settings)

    def kls(theta: torch.Tensor) -> np.ndarray:
        lp = torch.log_softmax(theta, -1)
        return np.array([lp.exp() @ (lp - REFERENCE), REFERENCE.exp() @ (REFERENCE - lp)])

    assert (kls(THETA - 0.1 * expected_gradient(make_batch, config)) < kls(THETA)).all()


# Identities.


def on_policy_step(make_batch: MakeBatch, mask: Any, **fields: Any) -> CreditedBatch:
    rng = np.random.default_rng(5)
    shape = np.array(mask).shape
    advantages = np.repeat(rng.standard_normal((shape[0], 1)), shape[1], axis=1)
    return make_batch(mask, advantages=advantages, old_logprobs=-rng.random(shape), **fields)


def loss_gradient(config: PolicyGradientConfig, batch: CreditedBatch) -> torch.Tensor:
    assert batch.old_logprobs_BT is not None
    wave = torch.sin(torch.arange(batch.advantages_BT.numel())).view(batch.advantages_BT.shape)
    lp = (batch.old_logprobs_BT + 0.15 * wave).requires_grad_()
    loss, _ = policy_loss(config, batch, Denominators.of(config.aggregation, batch.tokens, max_tokens=4), lp)
    return torch.autograd.grad(loss, lp)[0]


def test_dapo_is_grpo_where_all_completions_are_equally_long(make_batch: MakeBatch):
    batch = on_policy_step(make_batch, np.ones((6, 4)), groups=[0, 0, 0, 1, 1, 1])
    gradients = [
        loss_gradient(PolicyGradientConfig.model_validate({"aggregation": name}), batch)
        for name in AGGREGATIONS
    ]
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], rtol=1e-14, atol=0)


def test_gspo_is_grpo_for_completions_of_one_token(make_batch: MakeBatch):
    batch = on_policy_step(make_batch, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    gspo, grpo = (
        loss_gradient(PolicyGradientConfig.model_validate({"ratio": r}), batch) for r in ("sequence", "token")
    )
    torch.testing.assert_close(gspo, grpo, rtol=1e-14, atol=0)


def test_gspo_is_gspo_token_where_the_advantage_is_one_per_sequence(make_batch: MakeBatch):
    batch = on_policy_step(make_batch, [[1, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1]])
    for clip in (0.2, 0.01):
        settings: dict[str, Any] = {"clip_low": clip, "clip_high": clip}
        sequence = PolicyGradientConfig.model_validate(settings | {"ratio": "sequence"})
        token = PolicyGradientConfig.model_validate(settings | {"ratio": "sequence_token"})
        torch.testing.assert_close(
            loss_gradient(sequence, batch), loss_gradient(token, batch), rtol=1e-13, atol=1e-17
        )


def test_off_policy_the_unclipped_ratio_makes_up_for_the_sampler(make_batch: MakeBatch):
    """One-token sequences drawn from an old policy: E_old[r A grad lp] is the on-policy gradient."""
    theta = THETA.clone().requires_grad_()
    lp, reward = torch.log_softmax(theta, -1), torch.tensor([0.1, 1.0, 0.0, 0.4, 0.9], dtype=torch.float64)
    config = PolicyGradientConfig(clip_low=None, clip_high=None, aggregation="constant")
    total = torch.zeros((), dtype=torch.float64)
    for action in range(5):
        batch = make_batch([[1]], advantages=reward[action].item(), old_logprobs=REFERENCE[action].item())
        loss, _ = policy_loss(
            config,
            batch,
            Denominators.of(config.aggregation, batch.tokens, max_tokens=1),
            lp[action].view(1, 1),
        )
        total = total + REFERENCE[action].exp() * loss
    found = torch.autograd.grad(total, theta, retain_graph=True)[0]
    torch.testing.assert_close(found, -torch.autograd.grad(lp.exp() @ reward, theta)[0], rtol=0, atol=1e-15)
