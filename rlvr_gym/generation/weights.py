"""New weights for a sampler: what is compared before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rlvr_gym.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_MEAN_DIFFERENCE = 0.02
"""Largest mean difference between samplers' log-probabilities of the same tokens: rounding in 16 bits."""
_NAMED = 5
"""Number of parameters of each kind that an error names."""


def whole_update(
    weights: Iterable[tuple[str, Tensor]], shapes: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """The weights by name, just those of `shapes`, each once and of its shape.

    Raises TrainingError that names what is missing, unknown, given twice or of another shape.
    """
    given: dict[str, Tensor] = {}
    twice: list[str] = []
    for name, tensor in weights:
        if name in given:
            twice.append(name)
        given[name] = tensor
    reshaped = [
        f"{name} {tuple(given[name].shape)} for {tuple(shape)}"
        for name, shape in shapes.items()
        if name in given and tuple(given[name].shape) != tuple(shape)
    ]
    problems = {
        "missing": [name for name in shapes if name not in given],
        "unknown": [name for name in given if name not in shapes],
        "given twice": twice,
        "of another shape": reshaped,
    }
    said = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in problems.items() if names]
    if said:
        raise TrainingError(
            f"these are not the sampler's {len(shapes)} parameters: {'; '.join(said)}. Nothing was changed; "
            "an update is the whole of a model's named_parameters"
        )
    return given


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself; one that is spread over processes is gathered, for which all of them call this together."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def mean_difference(values: Sequence[float], others: Sequence[float]) -> float:
    """Mean absolute difference of the log-probabilities that two samplers give to the same tokens."""
    return sum(abs(a - b) for a, b in zip(values, others, strict=True)) / max(1, len(values))


def refuse_unknown_weights(version: int | None) -> int:
    """The version that is sampled from; raises TrainingError where an update failed or was refused."""
    if version is None:
        raise TrainingError(
            "the sampler's latest update of weights did not succeed, so it has not the weights it should have: "
            "nothing is sampled until a whole update has succeeded"
        )
    return version


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
