"""Generalised advantages by hand, and at the ends of what lambda can be."""

import numpy as np
import pytest
import torch
from rlvr_trainers.credit.gae import generalised_advantages, whitened
from torch import Tensor


def f64(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def estimated(
    rewards: Tensor, values: Tensor, mask: Tensor | None = None, *, discount: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    mask = torch.ones(rewards.shape, dtype=torch.bool) if mask is None else mask
    return generalised_advantages(rewards, values, mask, discount=discount, gae_lambda=lam)


def test_advantages_are_worked_by_hand() -> None:
    # deltas: 0 + 0.5 * 0.6 - 0.4 = -0.1;  0 + 0.5 * 0.2 - 0.6 = -0.5;  1 - 0.2 = 0.8
    advantages, returns = estimated(f64([0, 0, 1]), f64([0.4, 0.6, 0.2]), discount=0.5, lam=0.8)
    expected = [-0.1 + 0.4 * (-0.5 + 0.4 * 0.8), -0.5 + 0.4 * 0.8, 0.8]
    np.testing.assert_allclose(advantages[0].numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(returns[0].numpy(), np.add(expected, [0.4, 0.6, 0.2]), rtol=1e-14)


def test_lambda_1_is_the_return_less_the_value_and_lambda_0_a_single_step() -> None:
    torch.manual_seed(0)
    rewards, values = torch.randn(4, 7, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    to_go = rewards.flip(1).cumsum(1).flip(1)
    whole, returns = estimated(rewards, values, lam=1.0)
    torch.testing.assert_close(whole, to_go - values, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(returns, to_go, rtol=1e-12, atol=1e-12)
    single, _ = estimated(rewards, values, lam=0.0)
    after = torch.cat([values[:, 1:], torch.zeros(4, 1, dtype=torch.float64)], 1)
    torch.testing.assert_close(single, rewards + after - values, rtol=1e-12, atol=1e-12)


def test_a_perfect_critic_leaves_no_advantage() -> None:
    rewards = f64([0.5, 0, 2])
    values = rewards.flip(1).cumsum(1).flip(1)
    advantages, _ = estimated(rewards, values)
    np.testing.assert_allclose(advantages.numpy(), 0.0, atol=1e-15)


def test_tokens_of_the_environment_are_no_steps() -> None:
    mask = torch.tensor([[True, False, False, True, True, False]])
    rewards, values = f64([0.1, 9, 9, 0, 1, 9]), f64([0.3, 7, 7, 0.5, 0.2, 7])
    advantages, returns = estimated(rewards, values, mask, discount=0.9)
    dense, dense_returns = estimated(f64([0.1, 0, 1]), f64([0.3, 0.5, 0.2]), discount=0.9)
    assert advantages[mask].tolist() == dense[0].tolist()
    assert returns[mask].tolist() == dense_returns[0].tolist()
    assert advantages[~mask].tolist() == returns[~mask].tolist() == [0, 0, 0]


def test_padding_and_other_samples_change_nothing() -> None:
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    rewards, values = f64([0, 1, 5, 5], [0, 0, 0, 1]), f64([0.5, 0.5, 5, 5], [0.1, 0.2, 0.3, 0.4])
    together, _ = estimated(rewards, values, mask)
    alone, _ = estimated(rewards[:1, :2], values[:1, :2])
    assert together[0, :2].tolist() == alone[0].tolist()


def test_whitened_values_have_mean_0_and_spread_1_over_the_mask() -> None:
    mask = torch.tensor([[True, True, False], [True, False, True]])
    values = f64([1, 2, 100], [3, -50, 6])
    scaled = whitened(values, mask)
    assert float(scaled[mask].mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(scaled[mask].std(correction=0)) == pytest.approx(1.0, abs=1e-7)
    assert scaled[~mask].tolist() == [0, 0]
    assert whitened(values, torch.zeros_like(mask)).tolist() == values.tolist()
    assert whitened(f64([2, 2]), torch.tensor([[True, True]])).tolist() == [[0, 0]]
