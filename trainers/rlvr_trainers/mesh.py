"""Several processes as one: each rank plays and learns from its share, and all hold the same batch.

Started by `rlvr train --processes` or torchrun, every rank samples its share of the prompts and all gather
the judged rollouts, so that advantages and denominators are computed from the whole batch everywhere;
gradients, which are plain sums over sequences, are then summed over ranks. What could differ between ranks
(whether a step succeeded, which evaluation was best, whether a stop was asked for) is settled by all of them
together.

Each rank holds the whole model, or, with `mesh.shard: N`, one of N parts of its weights, gradients and optimizer
state: N neighbouring ranks hold one replica among them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, final

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from rlvr_gym.errors import ConfigError, RlvrError, TrainingError

T = TypeVar("T")


@final
class Mesh:
    """The process group of this run; a single process where none was started.

    Every method but `share` is for all ranks to call at the same place; each raises TrainingError when
    another rank has ended. `shard` is the number of ranks that share one replica's weights. Raises ConfigError where
    that does not divide the number of ranks.
    """

    def __init__(self, *, shard: int = 1) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.shard = shard
        refuse_uneven_shards(shard, self.world)
        self._devices: DeviceMesh | None = None
        self._told: RlvrError | None = None
        self._ours = self.world > 1 and not dist.is_initialized()
        if self._ours:
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")

    @property
    def first(self) -> bool:
        """True in the process that writes files and speaks to the user."""
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        """True where a rank holds only a part of the weights."""
        return self.shard > 1

    def devices(self, device_type: str) -> DeviceMesh:
        """The ranks as FSDP knows them: by shard, and before that by replica where there are several."""
        if self._devices is None:
            replicas = self.world // self.shard
            shape = (replicas, self.shard) if replicas > 1 else (self.shard,)
            names = ("replicas", "shards") if replicas > 1 else ("shards",)
            self._devices = init_device_mesh(device_type, shape, mesh_dim_names=names)
        return self._devices

    def share(self, everything: Sequence[T]) -> list[T]:
        """This rank's part of a sequence that all ranks hold."""
        return list(everything[self.rank :: self.world])

    def gather(self, mine: Sequence[T]) -> list[T]:
        """All ranks' parts, put back in the order that `share` took them from."""
        if self.world == 1:
            return list(mine)
        parts: list[Any] = [None] * self.world
        with others_needed():
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
                self._told = error or failure
                raise self._told
        return result  # type: ignore[return-value] # a T: no rank has failed

    def all_know(self, error: BaseException) -> bool:
        """Return whether all ranks have failed at the same place, so that they can go on doing things together."""
        return self._told is not None and self._told in (error, error.__cause__)

    def agreed(self, value: T) -> T:
        """The first rank's value."""
        return self.gather([value])[0]

    def any(self, condition: bool) -> bool:
        """Return whether the condition holds on any rank."""
        return any(self.gather([condition]))

    def largest(self, number: int) -> int:
        """The largest of all ranks' numbers."""
        return max(self.gather([number]))

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up gradients over ranks, in place; those of sharded weights are summed by the backward pass itself."""
        if self.world == 1 or self.sharded:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad.dtype == torch.bfloat16:  # a sum in so few bits would lose small parts
                parameter.grad = self.summed(parameter.grad.float()).to(torch.bfloat16)
            else:
                self.summed(parameter.grad)

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor added up over ranks, in place."""
        if self.world > 1:
            with others_needed():
                dist.all_reduce(tensor)
        return tensor

    def leave(self) -> None:
        """End this process's part in the group, for good."""
        if self._ours:
            dist.destroy_process_group()
            self._ours = False


def refuse_uneven_shards(shard: int, world: int) -> None:
    """Raise ConfigError unless `world` processes make whole replicas of `shard` processes each."""
    if world % shard:
        raise ConfigError(
            f"mesh.shard={shard} splits the model over {shard} processes, and this run has {world}: give "
            f"--processes {shard} (or a multiple of it), or mesh.shard=1"
        )


@contextmanager
def others_needed(*, alone: bool = False) -> Iterator[None]:
    """Around what all ranks do together: raises TrainingError where one of them is gone.

    With `alone`, around what may also fail for reasons of its own.
    """
    try:
        yield
    except RuntimeError as error:
        network = isinstance(error, dist.DistError) or any(name in str(error) for name in ("gloo", "NCCL"))
        if alone and not network:
            raise
        raise TrainingError(
            f"another process of this run has ended; its own message says why ({str(error).partition(chr(10))[0]})"
        ) from error
