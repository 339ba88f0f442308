"""Randomness that is handed in: every stream is derived by hashing what it is for."""

from __future__ import annotations

import hashlib
import random


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed for the stream named by `parts`.

    Hashing keeps streams apart where arithmetic does not: `seed + index` gives (0, 1) and (1, 0) the same
    stream, so that generators with neighbouring seeds share all but one of their tasks.
    """
    joined = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(joined.encode()).digest()[:8], "big") >> 1


def derive_rng(*parts: str | int) -> random.Random:
    """A `random.Random` on the stream named by `parts`."""
    return random.Random(derive_seed(*parts))
