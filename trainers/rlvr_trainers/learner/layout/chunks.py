"""The number of tokens whose logits exist at a time."""

from __future__ import annotations

import torch

_MOST_TOKENS, _FEWEST_TOKENS = 512, 64
_CPU_LOGITS = 1 << 23
"""Logits of a chunk on a CPU. Larger chunks are no faster there, and are most of what a small model's pass holds."""


def chunk_tokens(vocabulary: int, device: torch.device) -> int:
    """Tokens of a chunk: so many that products are fast, and on a CPU few enough for a large vocabulary."""
    if device.type != "cpu":
        return _MOST_TOKENS
    return max(_FEWEST_TOKENS, min(_MOST_TOKENS, _CPU_LOGITS // vocabulary))
