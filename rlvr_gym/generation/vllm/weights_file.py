"""A whole update of weights on its way to servers: a file that they read."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.weights import whole


@dataclass(frozen=True)
class WeightsFile:
    """The place of the weights, and the name that servers give to them: unlike any other run's."""

    path: Path
    tag: str

    @classmethod
    def written(cls, weights: Mapping[str, Tensor], folder: Path) -> WeightsFile:
        """Write the weights to a file of that folder. Raises TrainingError where they cannot be."""
        tag = uuid.uuid4().hex
        own = f"rlvr-weights-{socket.gethostname()}-"
        path = folder.absolute() / f"{own}{os.getpid()}-{tag}.safetensors"
        try:
            _remove_those_of_the_dead(folder, own)
            save_file({name: _by_itself(weight) for name, weight in weights.items()}, path)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            path.unlink(missing_ok=True)
            raise TrainingError(
                f"cannot write the weights for the servers to {folder}: {error}; name another weights_folder, one "
                "that this process and the servers both see"
            ) from error
        return cls(path, tag)


def _by_itself(weight: Tensor) -> Tensor:
    """The tensor on the CPU, in memory that it shares with no other."""
    own = whole(weight).detach().cpu().contiguous()
    shared = own.untyped_storage().nbytes() != own.numel() * own.element_size()
    return own.clone() if shared else own


def _remove_those_of_the_dead(folder: Path, own: str) -> None:
    """Remove what processes of this machine left that were killed: it fills the memory."""
    for path in folder.glob(f"{own}*.safetensors"):
        process = path.name.removeprefix(own).partition("-")[0]
        with suppress(ValueError):
            try:
                os.kill(int(process), 0)
            except ProcessLookupError:
                path.unlink(missing_ok=True)
            except PermissionError:
                continue
