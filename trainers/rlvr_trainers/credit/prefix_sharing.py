"""Samples of a group that are the same up to a token: the steps of GRPO's hidden process reward model.

Shapes: B sequences, T completion tokens.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.credit.statistics import rows_of


def sharers(tokens: TokenBatch) -> Tensor:
    """Count, for each completion token, the scored samples of its group that are the same up to and with it.

    Float64 (B, T), the sample itself counted: at least 1, and 1 throughout where a sample is unscored.

    Under token means and with one update a step, the samples that share a token give it together the mean of their
    advantages as many times as they are: |lambda| (mean of their rewards - mean of the group's) / std. A group's
    outcomes are so a reward of each step already, weighted by how many samples went through it (arXiv 2509.21154).
    """
    counts_BT = np.ones(tokens.mask_BT.shape)
    ids = [sequence.tolist() for sequence in _completions(tokens)]
    scored = tokens.scored_B.tolist()
    for rows in rows_of(tokens.groups_B.tolist()).values():
        _count(counts_BT, [row for row in rows if scored[row]], ids)
    return torch.from_numpy(counts_BT)


def _count(counts_BT: np.ndarray, rows: list[int], ids: list[list[int]]) -> None:
    """Follow the samples of one group token by token, as long as any two are the same."""
    branches = [rows]
    place = 0
    while branches:
        longer: dict[tuple[int, int], list[int]] = {}
        for branch, together in enumerate(branches):
            for row in together:
                if place < len(ids[row]):
                    longer.setdefault((branch, ids[row][place]), []).append(row)
        branches = [together for together in longer.values() if len(together) > 1]
        for together in branches:
            counts_BT[together, place] = len(together)
        place += 1


def _completions(tokens: TokenBatch) -> list[Tensor]:
    flat = tokens.input_ids.flatten().cpu()
    begins = (tokens.offsets_B + tokens.prompt_lengths_B).tolist()
    ends = (tokens.offsets_B + tokens.lengths_B).tolist()
    return [flat[begin:end] for begin, end in zip(begins, ends, strict=True)]
