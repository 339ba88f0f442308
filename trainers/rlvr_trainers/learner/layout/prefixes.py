"""Sequences laid out so that a prefix which several of them begin with is computed once.

A bundle is a run of sequences in one row of the model's input: a tree of prefixes, whose branches do not see one
another. Every token stands at the position that it has in its sequence and attends to that sequence's tokens before
it, so hidden states and gradients are those of each sequence alone.

Shapes: B sequences, R rows of S tokens, N action tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rlvr_trainers.batch import TokenBatch


@dataclass(frozen=True, kw_only=True)
class PrefixRows:
    """The rows that a model reads for the sequences of a batch."""

    input_ids: Tensor
    """(R, S)"""
    position_ids: Tensor
    """(R, S)"""
    visible_RSS: Tensor
    """True where a token (second dimension) attends to another (third); padding attends to itself."""
    predictors_N: Tensor
    """Position in `input_ids.flatten()` of the token before each action token, in the order of the batch's mask."""

    @classmethod
    def of(cls, batch: TokenBatch, bundles: Sequence[int]) -> Self:
        """Lay out a batch of one sequence a row; its sequences, in their order, fill bundles of these sizes.

        A sequence shares what it has in common with the one before it, so those with a prefix in common stand next
        to one another. Tokens after the last that predicts anything are left out.
        """
        needed = needed_ids(batch)
        ends = [0, *accumulate(bundles)]
        rows = [_Row.of(needed[start:end]) for start, end in pairwise(ends)]
        width = max(1, *(len(row.ids) for row in rows))
        ids = np.full((len(rows), width), batch.input_ids[0, 0].item(), dtype=np.int64)
        positions = np.zeros_like(ids)
        visible = np.tile(np.eye(width, dtype=bool), (len(rows), 1, 1))
        for place, row in enumerate(rows):
            ids[place, : len(row.ids)] = row.ids
            positions[place, : len(row.ids)] = row.positions
            row.show(visible[place])
        paths = [row_place * width + path for row_place, row in enumerate(rows) for path in row.paths]
        device = batch.input_ids.device
        return cls(
            input_ids=torch.from_numpy(ids).to(device),
            position_ids=torch.from_numpy(positions).to(device),
            visible_RSS=torch.from_numpy(visible).to(device),
            predictors_N=torch.from_numpy(_predictors(batch, paths)).to(device),
        )


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One bundle: its distinct tokens, and where each sequence has its own."""

    ids: np.ndarray
    positions: np.ndarray
    paths: list[np.ndarray]
    """Of each sequence: the place in the row of each of its tokens, rising."""
    shared: list[int]
    """Of each sequence: how many of its tokens were there before it."""

    @classmethod
    def of(cls, sequences: Sequence[np.ndarray]) -> Self:
        ids, positions, paths, shared = [], [], [], []
        width = 0
        for place, sequence in enumerate(sequences):
            before = common_prefix(sequences[place - 1], sequence) if place else 0
            own = np.arange(width, width + len(sequence) - before)
            width += len(own)
            ids.append(sequence[before:])
            positions.append(np.arange(before, len(sequence)))
            paths.append(np.concatenate([paths[-1][:before], own]) if place else own)
            shared.append(before)
        return cls(ids=np.concatenate(ids), positions=np.concatenate(positions), paths=paths, shared=shared)

    def show(self, visible_SS: np.ndarray) -> None:
        """Let every token see its sequence up to itself."""
        for path, before in zip(self.paths, self.shared, strict=True):
            own = path[before:]
            visible_SS[own[:, None], path] = path <= own[:, None]


def needed_ids(batch: TokenBatch) -> list[np.ndarray]:
    """Each sequence's tokens up to the last that predicts an action token; none where there is none."""
    mask_BT = batch.mask_BT.cpu()
    last_B = (mask_BT * torch.arange(1, mask_BT.shape[1] + 1)).amax(1) if mask_BT.shape[1] else mask_BT.sum(1)
    lengths = torch.where(last_B > 0, batch.prompt_lengths_B.cpu() + last_B - 1, 0).tolist()
    flat = batch.input_ids.flatten().cpu().numpy()
    offsets = batch.offsets_B.tolist()
    return [flat[start : start + length] for start, length in zip(offsets, lengths, strict=True)]


def common_prefix(one: np.ndarray, other: np.ndarray) -> int:
    """Number of tokens that both begin with."""
    length = min(len(one), len(other))
    differing = np.flatnonzero(one[:length] != other[:length])
    return int(differing[0]) if len(differing) else length


def _predictors(batch: TokenBatch, paths: Sequence[np.ndarray]) -> np.ndarray:
    found = [np.zeros(0, dtype=np.int64)]
    for path, prompt, mask_T in zip(
        paths, batch.prompt_lengths_B.tolist(), batch.mask_BT.cpu().numpy(), strict=True
    ):
        found.append(path[prompt + np.flatnonzero(mask_T) - 1])
    return np.concatenate(found)
