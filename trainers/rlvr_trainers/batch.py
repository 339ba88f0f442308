"""Rollouts as tensors: which tokens the model reads, and which of them it is answerable for.

Shapes: B sequences, T completion tokens (environment turns included), R rows of S tokens as the model reads
them (one sequence a row, or all sequences packed in one row), N action tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.rollouts import Rollout
from rlvr_trainers.advantages import broadcast


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Sequences with all that a policy update needs to know of their tokens.

    The same type is a whole rollout step, a minibatch (`select`) and a microbatch (`select` again); `packed`
    lays the same sequences out in one row. Values at positions outside `mask_BT` mean nothing.
    """

    input_ids: Tensor
    """(R, S). Prompt, completion, padding on the right."""
    position_ids: Tensor
    """(R, S). From 0 at the start of every sequence; counting on through the padding after it."""
    attention_mask: Tensor | None
    """(R, S), or None: causality hides padding on the right, and positions tell packed sequences apart."""
    offsets_B: Tensor
    """Where each sequence begins in `input_ids.flatten()`."""
    prompt_lengths_B: Tensor
    lengths_B: Tensor
    """Tokens of prompt and completion."""
    groups_B: Tensor
    scored_B: Tensor
    """False where nothing is known of a sample: no tokens in `mask_BT`, no place in any denominator."""
    mask_BT: Tensor
    """True for the tokens in the loss: sampled by the policy, of a scored and not filtered sample."""
    advantages_BT: Tensor
    rollout_logprobs_BT: Tensor
    """The sampler's own."""
    old_logprobs_BT: Tensor | None = None
    """Of the policy that sampled; None for the policy being trained itself, in a step's only update."""
    ref_logprobs_BT: Tensor | None = None
    policy_mask_BT: Tensor | None = None
    """True for tokens that keep their policy term (see `top_entropy_mask`); None keeps all in `mask_BT`."""

    @classmethod
    def of(
        cls,
        rollouts: Sequence[Rollout],
        groups: Sequence[int],
        advantages: np.ndarray,
        *,
        filter_truncated: bool = False,
    ) -> Self:
        """Lay rollouts out one a row, padded on the right.

        Args:
            rollouts: tokens are used as sampled.
            groups: (B,) group ids, the same across every process.
            advantages: (B,), or (B, T) for advantages that differ by token.
            filter_truncated: take the tokens of truncated samples out of the loss (overlong filtering).
        """
        for rollout in rollouts:
            if not rollout.prompt_ids:
                raise DataError(
                    f"task {rollout.task.id}: the prompt has no tokens, so nothing predicts the first one"
                )
        kept = [r.verdict.scored and not (filter_truncated and r.truncated) for r in rollouts]
        mask_BT = _padded(
            [[m and keep for m in r.action_mask] for r, keep in zip(rollouts, kept, strict=True)], bool
        )
        advantages_BT = broadcast(advantages, mask_BT) if advantages.ndim == 1 else advantages
        if advantages_BT.shape != mask_BT.shape:
            raise ConfigError(
                f"advantages of shape {advantages.shape} for completions of shape {mask_BT.shape}"
            )
        sequences = [torch.tensor([*r.prompt_ids, *r.token_ids]) for r in rollouts]
        return cls(
            **_rows(sequences),
            attention_mask=None,
            prompt_lengths_B=torch.tensor([len(r.prompt_ids) for r in rollouts]),
            groups_B=torch.tensor(list(groups)),
            scored_B=torch.tensor([r.verdict.scored for r in rollouts]),
            mask_BT=torch.from_numpy(mask_BT),
            advantages_BT=torch.from_numpy(np.asarray(advantages_BT, dtype=np.float64)),
            rollout_logprobs_BT=torch.from_numpy(_padded([r.logprobs for r in rollouts], np.float64)),
        )

    def select(self, rows: Sequence[int]) -> Self:
        """The sequences at `rows`, in that order, one a row with no more padding than they need."""
        completions_B = (self.lengths_B - self.prompt_lengths_B)[list(rows)]
        longest = int(completions_B.max())
        per_row = {name: value[list(rows)] for name, value in self._per_sequence().items()}
        per_row |= {name: value[:, :longest] for name, value in per_row.items() if name.endswith("_BT")}
        sequences = self._sequences()
        layout = _rows([sequences[row] for row in rows])
        return dataclasses.replace(self, **per_row | layout, attention_mask=None)

    def packed(self) -> Self:
        """The same sequences end to end in one row, without padding.

        Positions restart with every sequence, by which transformers' attention keeps sequences apart.
        """
        sequences = self._sequences()
        return dataclasses.replace(
            self,
            input_ids=torch.cat(sequences)[None],
            position_ids=torch.cat([torch.arange(len(s), device=s.device) for s in sequences])[None],
            attention_mask=None,
            offsets_B=self.lengths_B.cumsum(0) - self.lengths_B,
        )

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        tensors = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return dataclasses.replace(self, **{n: t.to(device) for n, t in tensors.items() if t is not None})

    @property
    def is_packed(self) -> bool:
        """Whether several sequences share a row."""
        return len(self.input_ids) < self.size

    @property
    def size(self) -> int:
        """B."""
        return len(self.lengths_B)

    @property
    def predictors_N(self) -> Tensor:
        """Where in `input_ids.flatten()` the token before each action token stands, in the mask's order."""
        row_N, token_N = self.mask_BT.nonzero(as_tuple=True)
        return self.offsets_B[row_N] + self.prompt_lengths_B[row_N] + token_N - 1

    @property
    def targets_N(self) -> Tensor:
        """The action tokens' ids, in the mask's order."""
        return self.input_ids.flatten()[self.predictors_N + 1]

    def _sequences(self) -> list[Tensor]:
        flat = self.input_ids.flatten()
        return [
            flat[o : o + n] for o, n in zip(self.offsets_B.tolist(), self.lengths_B.tolist(), strict=True)
        ]

    def _per_sequence(self) -> dict[str, Tensor]:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {n: t for n, t in fields.items() if n.endswith(("_B", "_BT")) and t is not None}


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


def _microbatch_sizes(lengths: Sequence[int], budget_tokens: int) -> list[int]:
    """How many sequences, the longest first, each microbatch takes."""
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


def _rows(sequences: Sequence[Tensor]) -> dict[str, Tensor]:
    """One sequence a row, padded on the right.

    Any id will do for padding, for no later token sees it. It is the sequence's own first: transformers takes the
    padding token for a sign that the caller has forgotten an attention mask.
    """
    rows, width = len(sequences), max(map(len, sequences))
    input_ids = torch.stack([torch.cat([s, s[:1].expand(width - len(s))]) for s in sequences])
    device = input_ids.device
    return {
        "input_ids": input_ids,
        "position_ids": torch.arange(width, device=device).expand(rows, width),
        "offsets_B": torch.arange(rows, device=device) * width,
        "lengths_B": torch.tensor([len(s) for s in sequences], device=device),
    }


def _padded(rows: Sequence[Sequence[float]], dtype: type) -> np.ndarray:
    array = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=dtype)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array
