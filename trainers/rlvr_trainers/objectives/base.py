"""The objective contract: the loss of one optimizer step, computed one microbatch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.objectives.token_table import TokenTable


class Batch(Protocol):
    """Everything a learner needs to learn from: tokens, and the objective's own data about them."""

    @property
    def tokens(self) -> TokenBatch:
        """The sequences."""
        ...

    def select(self, rows: Sequence[int]) -> Self:
        """The sequences at `rows`, in that order."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        ...


B = TypeVar("B", bound=Batch, contravariant=True)


class Objective(Protocol[B]):
    """The loss of one optimizer step, with the denominators of all of it.

    The losses of microbatches are plain sums: added up, in whatever parts, they are the loss of the step.
    """

    @property
    def needs_entropy(self) -> bool:
        """True when `loss` needs the entropies of the tokens' distributions."""
        ...

    def learns(self, minibatch: B) -> Tensor:
        """(B,) False for a sequence of the step whose loss has no gradient, whatever its log-probabilities are."""
        ...

    def loss(
        self, part: B, rows: Sequence[int], logprobs_BT: Tensor, entropy_BT: Tensor | None
    ) -> tuple[Tensor, TokenTable]:
        """The loss of the sequences at `rows` of the step, which are `part`, and what it saw of their tokens.

        `logprobs_BT` are those of the model in training, with gradient.
        """
        ...
