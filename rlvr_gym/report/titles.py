"""Titles of tasks that people can read: the first words of their prompts that not all prompts have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

LONGEST = 90
"""Characters of a title."""
SHARED = 4
"""Number of common words from which they are instructions, and not part of the question."""


def titles(prompts: Sequence[str]) -> list[str]:
    """A title for each prompt, "" for one that says nothing."""
    worded = [prompt[:4_000].split() for prompt in prompts]
    shared = _shared(worded) if len(set(prompts)) > 1 else 0
    skipped = shared if shared >= SHARED else 0
    return [_shortened(" ".join(words[skipped:] or words)) for words in worded]


def _shared(worded: list[list[str]]) -> int:
    """Number of words that all begin with."""
    pairs = zip(min(worded), max(worded), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rpartition(" ")[0] + " …" if " " in text[:LONGEST] else text[:LONGEST] + "…"
