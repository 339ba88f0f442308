"""KL to a reference: the estimators of a token, and their sum over a sample, for the reward."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError


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


def kl_in_reward(logprobs_BT: Tensor, ref_logprobs_BT: Tensor, mask_BT: Tensor) -> np.ndarray:
    """Each sample's KL to the reference, the sum of k1 over its action tokens, float64 (B,).

    `outcome_advantages` takes it as `kl`; `logprobs_BT` are those of the policy that sampled.
    """
    k1_BT = kl_estimate("k1", logprobs_BT.double(), ref_logprobs_BT.double())
    return torch.where(mask_BT, k1_BT, 0.0).sum(1).detach().cpu().numpy()
