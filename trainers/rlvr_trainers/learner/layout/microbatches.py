"""Microbatches of at most so many tokens, dealt out evenly to the processes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def microbatches(
    lengths: Sequence[int], budget_tokens: int, *, part: int = 0, parts: int = 1
) -> list[list[int]]:
    """Split sequences into microbatches of at most `budget_tokens` tokens, padding included.

    Returns the indices into `lengths` of each, every index once. Sequences of like length share a microbatch,
    the longest come first (memory that will not suffice is found out at once), and a sequence longer than the
    budget is a microbatch of its own.

    With `parts`, those of one of so many processes. The parts are even: in sequences to within one, in tokens to
    within the longest sequence, and in microbatches exactly, unless a part has as many sequences as microbatches
    and another has one more of both.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    # Every part has its n-th longest from the n-th block of `parts` sequences, and none longer than the block's first.
    sizes = _microbatch_sizes([lengths[i] for i in order[::parts]], budget_tokens)
    if len(order) % parts and sizes[-1] == 1 and sizes[:-1] and sizes[-2] > 1:
        # The last microbatch would be the one sequence that some parts have not got.
        sizes[-2:] = [sizes[-2] - 1, 2]
    mine = _dealt_out(lengths, order, parts)[part]
    ends = list(accumulate(sizes))
    batches = [mine[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return [batch for batch in batches if batch]


def even_budget(lengths: Sequence[int], budget_tokens: int, *, parts: int = 1) -> int:
    """The smallest budget that takes no more microbatches than `budget_tokens`: they are even, and none is larger."""
    longest_first = sorted(lengths, reverse=True)[::parts]
    count = len(_microbatch_sizes(longest_first, budget_tokens))
    low, high = 1, budget_tokens
    while low < high:
        middle = (low + high) // 2
        if len(_microbatch_sizes(longest_first, middle)) <= count:
            high = middle
        else:
            low = middle + 1
    return low


def _microbatch_sizes(lengths: Sequence[int], budget_tokens: int) -> list[int]:
    """Number of sequences in each microbatch, the longest sequences first."""
    sizes: list[int] = []
    longest = 0
    for length in lengths:
        if sizes and (sizes[-1] + 1) * longest <= budget_tokens:
            sizes[-1] += 1
        else:
            sizes.append(1)
            longest = length
    return sizes


def _dealt_out(lengths: Sequence[int], order: Sequence[int], parts: int) -> list[list[int]]:
    """Deal out blocks of `parts` sequences, each block's longest to the part with the fewest tokens so far."""
    shares: list[list[int]] = [[] for _ in range(parts)]
    tokens = [0] * parts
    for start in range(0, len(order), parts):
        takers = sorted(range(parts), key=lambda taker: tokens[taker])
        for index, taker in zip(order[start : start + parts], takers, strict=False):
            shares[taker].append(index)
            tokens[taker] += lengths[index]
    return shares
