"""Several processes as one: each rank plays and learns from its share, and all hold the same batch.

Started by `rlvr train --processes` or torchrun, every rank samples its share of the prompts and all gather
the judged rollouts, so that advantages and denominators are computed from the whole batch everywhere;
gradients, which are plain sums over sequences, are then summed over ranks. What could differ between ranks
(whether a step succeeded, which evaluation was best, whether a stop was asked for) is settled by all of them
together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, final

import torch
import torch.distributed as dist

from rlvr_gym.errors import RlvrError, TrainingError

T = TypeVar("T")


@final
class Mesh:
    """The process group of this run; a single process where none was started.

    Every method but `share` is for all ranks to call at the same place; each raises TrainingError when
    another rank has ended.
    """

    def __init__(self) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self._ours = self.world > 1 and not dist.is_initialized()
        if self._ours:
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")

    @property
    def first(self) -> bool:
        """True in the process that writes files and speaks to the user."""
        return self.rank == 0

    def share(self, everything: Sequence[T]) -> list[T]:
        """This rank's part of a sequence that all ranks hold."""
        return list(everything[self.rank :: self.world])

    def gather(self, mine: Sequence[T]) -> list[T]:
        """All ranks' parts, put back in the order that `share` took them from."""
        if self.world == 1:
            return list(mine)
        parts: list[Any] = [None] * self.world
        with _others_needed():
            dist.all_gather_object(parts, list(mine))
        longest = max(len(part) for part in parts)
        return [part[i] for i in range(longest) for part in parts if i < len(part)]

    def together(self, work: Callable[[], T]) -> T:
        """Run `work` on every rank, and return its result; if it failed on any, raise its RlvrError on all."""
        if self.world == 1:
            return work()
        result, error = None, None
        try:
            result = work()
        except RlvrError as raised:
            error = raised
        for failure in self.gather([error]):
            if failure is not None:
                raise error or failure
        return result  # type: ignore[return-value] # a T: no rank has failed

    def agreed(self, value: T) -> T:
        """The first rank's value."""
        return self.gather([value])[0]

    def any(self, condition: bool) -> bool:
        """Return whether the condition holds on any rank."""
        return any(self.gather([condition]))

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up gradients over ranks, in place."""
        if self.world == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            self.summed(parameter.grad)

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor added up over ranks, in place."""
        if self.world > 1:
            with _others_needed():
                dist.all_reduce(tensor)
        return tensor

    def leave(self) -> None:
        """End this process's part in the group, for good."""
        if self._ours:
            dist.destroy_process_group()
            self._ours = False


@contextmanager
def _others_needed() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            f"another process of this run has ended; its own message says why ({str(error).partition(chr(10))[0]})"
        ) from error
