"""Tensors in a folder, each process writing and reading the parts that it holds (torch.distributed.checkpoint)."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from rlvr_trainers.mesh import others_needed

METADATA = ".metadata"
"""Names, shapes and places of the tensors. Written last: a folder without it is not complete."""


def save_shards(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Write the tensors, whole ones by the first process; all processes call it together.

    Raises OSError or RuntimeError on all of them where one could not write.
    """
    try:
        with others_needed(), _alone_where_alone():
            save(dict(tensors), storage_writer=FileSystemWriter(folder))
    except CheckpointException as failed:
        raise _first_failure(failed) from failed


def load_shards(folder: Path, like: Callable[[str, torch.Size], Tensor]) -> dict[str, Tensor]:
    """Read all tensors into memory that `like` gives for a name and a shape: whole, or spread over processes anew.

    Each process reads what it needs, however many there were when the folder was written, and waits for no other.
    Raises OSError, RuntimeError, ValueError or UnpicklingError where the folder is damaged.
    """
    reader = _Reader(folder)
    stored = reader.read_metadata().state_dict_metadata
    tensors = {
        name: like(name, about.size)
        for name, about in stored.items()
        if isinstance(about, TensorStorageMetadata)
    }
    try:
        with _alone_where_alone():
            load(tensors, storage_reader=reader, no_dist=True)
    except CheckpointException as failed:
        raise _first_failure(failed) from failed
    return tensors


@contextmanager
def _alone_where_alone() -> Iterator[None]:
    """Around what takes no process group for a single process: which is meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled", category=UserWarning)
        yield


def _first_failure(failed: CheckpointException) -> Exception:
    """The error behind a failure, as code that reads or writes files knows it."""
    error = next((error for error, _ in failed.failures.values()), None)
    return error if isinstance(error, Exception) else RuntimeError(str(failed).partition("\n")[0])


@final
class _Reader(FileSystemReader):
    """Reads a folder without running code that stands in it."""

    def read_metadata(self, *_: Any, **__: Any) -> Metadata:
        with (Path(self.path) / METADATA).open("rb") as file:
            metadata = _MetadataUnpickler(file).load()
        if not isinstance(metadata, Metadata):
            raise ValueError(f"{self.path} describes no tensors")
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


@final
class _MetadataUnpickler(pickle.Unpickler):
    """Makes only the plain objects that describe tensors."""

    _KNOWN = frozenset({("torch", "Size"), ("torch.serialization", "_get_layout"), ("pathlib", "PosixPath")})
    _FILES = ("torch.distributed.checkpoint.filesystem", "_StorageInfo")

    def find_class(self, module: str, name: str) -> Any:
        """Refuse everything else."""
        known = (module, name) in self._KNOWN or (module, name) == self._FILES
        describes = module == "torch.distributed.checkpoint.metadata" and "." not in name
        dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if not (known or describes or dtype):
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a checkpoint")
        return super().find_class(module, name)
