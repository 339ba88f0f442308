"""Generalised advantage estimation (arXiv 1506.02438) over action tokens."""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_advantages(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, *, discount: float, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns (advantage plus value) of each action token, float64 (B, T); 0 outside the mask.

        delta_t = r_t + discount * V_next - V_t,    A_t = delta_t + discount * gae_lambda * A_next

    The next token is the next action token of the same sample, whatever stands between; after the last one all is 0.

    Args:
        rewards_BT: the reward of each token, 0 outside the mask.
        values_BT: the value expected before each token is chosen.
        mask_BT: the action tokens.
        discount: gamma.
        gae_lambda: lambda.
    """
    advantages_BT = torch.zeros(mask_BT.shape, dtype=torch.float64)
    next_value_B = next_advantage_B = torch.zeros(len(mask_BT), dtype=torch.float64)
    for place in range(mask_BT.shape[1] - 1, -1, -1):
        acts_B, value_B = mask_BT[:, place], values_BT[:, place].double()
        delta_B = rewards_BT[:, place].double() + discount * next_value_B - value_B
        advantage_B = delta_B + discount * gae_lambda * next_advantage_B
        advantages_BT[:, place] = torch.where(acts_B, advantage_B, 0.0)
        next_advantage_B = torch.where(acts_B, advantage_B, next_advantage_B)
        next_value_B = torch.where(acts_B, value_B, next_value_B)
    return advantages_BT, torch.where(mask_BT, advantages_BT + values_BT.double(), 0.0)


def whitened(values_BT: Tensor, mask_BT: Tensor, *, epsilon: float = 1e-8) -> Tensor:
    """Values with mean 0 and standard deviation 1 (ddof 0) over the mask; 0 outside it."""
    values_N = values_BT[mask_BT].double()
    if values_N.numel() == 0:
        return values_BT
    scale = values_N.std(correction=0) + epsilon
    return torch.where(mask_BT, (values_BT.double() - values_N.mean()) / scale, 0.0)
