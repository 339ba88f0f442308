"""Completions that say nearly the same: what a policy says again and again, over many tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from zlib import crc32

import numpy as np

SIMILAR = 0.7
"""Near-duplicates share this part of their runs of three words, by estimate."""
WORDS = 3
HASHES, ROWS = 64, 4
"""Of so many minima, so many together find a candidate: of pairs at the limit, 99 % are found."""
LONGEST = 20_000
"""Characters of a completion that are looked at."""
_PRIME = (1 << 31) - 1


def clusters(texts: Sequence[str]) -> list[int]:
    """The number of the cluster that each text belongs to, by the order in which clusters begin.

    Case, spacing and, from eight words on, the digits make no difference. A text joins the cluster whose first text
    is most like it, so that no chain of small steps makes unlike ones one cluster. The same texts give the same
    clusters in every process.
    """
    folded = [_folded(text[:LONGEST]) for text in texts]
    distinct = {text: place for place, text in reversed(list(enumerate(folded)))}
    first_of = _first_alike(
        {place: text for text, place in sorted(distinct.items(), key=lambda item: item[1])}
    )
    numbers: dict[int, int] = {}
    return [numbers.setdefault(first_of[distinct[text]], len(numbers)) for text in folded]


def _folded(text: str) -> tuple[str, ...]:
    words = text.casefold().split()
    return tuple(re.sub(r"\d+", "0", word) for word in words) if len(words) >= 8 else tuple(words)


def _first_alike(texts: dict[int, tuple[str, ...]]) -> dict[int, int]:
    """The first text of each one's cluster, by their places."""
    multipliers, offsets = np.random.default_rng(0).integers(1, _PRIME, (2, HASHES), dtype=np.int64)
    firsts: dict[int, np.ndarray] = {}
    buckets: dict[tuple[int, bytes], list[int]] = {}
    found: dict[int, int] = {}
    for place, words in texts.items():
        minima = _minima(words, multipliers, offsets)
        keys = [(row, minima[row : row + ROWS].tobytes()) for row in range(0, HASHES, ROWS)]
        candidates = dict.fromkeys(one for key in keys for one in buckets.get(key, ()))
        alike = max(((_likeness(minima, firsts[one]), -one) for one in candidates), default=(0.0, 0))
        if alike[0] >= SIMILAR:
            found[place] = -alike[1]
            continue
        found[place], firsts[place] = place, minima
        for key in keys:
            buckets.setdefault(key, []).append(place)
    return found


def _minima(words: Sequence[str], multipliers: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The smallest of the hashes of all runs of words, for each of the hash functions."""
    shingles = np.fromiter({crc32(run.encode(errors="replace")) for run in _runs(words)}, dtype=np.int64)
    return ((shingles[:, None] % _PRIME * multipliers + offsets) % _PRIME).min(axis=0)


def _runs(words: Sequence[str]) -> Iterable[str]:
    # Of a text that is shorter than a run, only the same text is a near-duplicate.
    count = max(1, len(words) - WORDS + 1)
    return (" ".join(words[start : start + WORDS]) for start in range(count))


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float((one == other).mean())
