"""Tokens with advantages given by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from rlvr_trainers.batch import CreditedBatch, TokenBatch


def credited(tokens: TokenBatch, advantages: Sequence[float] | np.ndarray, **tables: Any) -> CreditedBatch:
    """Each sample's advantage on each of its tokens in the loss; `tables` are further fields of the batch."""
    advantages_B = torch.as_tensor(np.asarray(advantages, dtype=np.float64))
    return CreditedBatch(
        tokens=tokens,
        rewards_B=torch.zeros_like(advantages_B),
        advantages_B=advantages_B,
        advantages_BT=advantages_B[:, None] * tokens.mask_BT,
        **tables,
    )
