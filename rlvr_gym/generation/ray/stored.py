"""Models and their weights in Ray's object store."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from ray.exceptions import RayError
from torch import Tensor, nn

from rlvr_gym.errors import TrainingError

CHUNK_BYTES = 2**28
"""Most weights that are put into the store at once, beyond one tensor: so much memory they need twice."""


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor as bytes, which the processes of a machine share."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    bytes: np.ndarray

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> StoredTensor:
        """Take a tensor of any device."""
        flat = tensor.detach().cpu().contiguous().flatten()
        return cls(
            name=name, dtype=tensor.dtype, shape=tuple(tensor.shape), bytes=flat.view(torch.uint8).numpy()
        )

    def tensor(self) -> Tensor:
        """The tensor in the store's own memory, which must not be written to."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable")
            flat = torch.from_numpy(self.bytes)
        return flat.view(self.dtype).view(self.shape)


Chunk = list[StoredTensor]


@dataclass(frozen=True, kw_only=True)
class StoredWeights:
    """All weights of one update, in chunks. They stay in the store while this is held."""

    number: int
    """Counts updates: versions may repeat in a resumed run."""
    version: int
    chunks: tuple[Any, ...]

    @classmethod
    def put(cls, weights: Iterable[tuple[str, Tensor]], *, number: int, version: int) -> StoredWeights:
        """Put weights into the store. Raises TrainingError where it has no room."""
        try:
            chunks = tuple(ray.put(chunk) for chunk in _chunks(weights))
        except RayError as error:
            raise TrainingError(
                f"cannot put the weights into Ray's object store: {error}. It must hold them once on every node: "
                "`ray start --object-store-memory=BYTES` gives it more memory"
            ) from error
        return cls(number=number, version=version, chunks=chunks)


def _chunks(weights: Iterable[tuple[str, Tensor]]) -> Iterator[Chunk]:
    chunk: Chunk = []
    size = 0
    for name, tensor in weights:
        chunk.append(StoredTensor.of(name, tensor))
        size += chunk[-1].bytes.nbytes
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    yield chunk


def tensors_of(chunks: Iterable[Chunk]) -> dict[str, Tensor]:
    """The weights of an update, by name."""
    return {stored.name: stored.tensor() for chunk in chunks for stored in chunk}


def with_parameters(model: nn.Module, make: Callable[[nn.Parameter], nn.Parameter]) -> Any:
    """A copy of the model in which another parameter, that `make` makes of it, stands for each; tied ones stay tied."""
    return copy.deepcopy(model, {id(weight): make(weight) for weight in model.parameters()})


def without_values(weight: nn.Parameter) -> nn.Parameter:
    """A parameter like this one that takes no memory."""
    return nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=False)


def with_values(model: nn.Module, weights: Mapping[str, Tensor], device: torch.device) -> Any:
    """A copy on that device of a model without values, which has these weights."""
    names = {id(weight): name for name, weight in model.named_parameters()}

    def filled(weight: nn.Parameter) -> nn.Parameter:
        value = weights[names[id(weight)]].to(device, copy=True)
        return nn.Parameter(value, requires_grad=False)

    return with_parameters(model, filled).to(device)
