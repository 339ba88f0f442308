"""Several processes as one: each rank plays and learns from its share, and all hold the same batch.

Started by torchrun, every rank samples its share of the prompts and all gather the judged rollouts, so that
advantages and denominators are computed from the whole batch everywhere; gradients, which are plain sums
over microbatches, are then summed over ranks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, final

import torch
import torch.distributed as dist

T = TypeVar("T")


@final
class Ranks:
    """The process group of this run; a single process where none was started."""

    def __init__(self) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def share(self, everything: Sequence[T]) -> list[T]:
        """This rank's part of a sequence that all ranks hold."""
        return list(everything[self.rank :: self.world])

    def gather(self, mine: Sequence[T]) -> list[T]:
        """All ranks' parts, put back in the order that `share` took them from."""
        if self.world == 1:
            return list(mine)
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, list(mine))
        longest = max(len(part) for part in parts)
        return [part[i] for i in range(longest) for part in parts if i < len(part)]

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up gradients over ranks, in place."""
        if self.world == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor added up over ranks, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Return once every rank has come here."""
        if self.world > 1:
            dist.barrier()
