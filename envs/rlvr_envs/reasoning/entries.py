"""reasoning-gym's problems, drawn in a worker process: the only file that imports the package.

Run by itself in the worker. There, with one seed of hashes, sets are walked in the same order in every run, which some
generators' questions depend on; and no generator touches this process's random numbers.
"""

from __future__ import annotations

from typing import Any

SEEDED_WHEN_MADE = frozenset(("acre", "gsm_symbolic", "list_functions"))
"""Generators that use up their seed when they are made; the others read it for every problem."""

_made: dict[str, Any] = {}


def draw(asked: dict[str, Any]) -> dict[str, Any]:
    """Draw the problem of a `dataset` for a `seed`, with the settings of `config`."""
    from reasoning_gym import create_dataset

    name, seed, config = asked["dataset"], asked["seed"], asked["config"]
    key = f"{name} {sorted(config.items())}"
    if name in SEEDED_WHEN_MADE or key not in _made:
        _made[key] = create_dataset(name, **{"size": 1, **config, "seed": seed})
    dataset = _made[key]
    dataset.seed = dataset.config.seed = seed
    entry = dataset[0]
    return {key: _plain(entry[key]) for key in ("question", "answer", "metadata")}


def names(asked: None) -> list[str]:
    """Name all generators of the installed package."""
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    assert reasoning_gym
    return sorted(DATASETS)


def _plain(value: Any) -> Any:
    """JSON of a problem's facts: numbers of numpy as numbers, whatever else as its text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | str):
        return value if value is None or isinstance(value, bool) else str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    unpacked = value.item() if hasattr(value, "item") else str(value)
    return unpacked if isinstance(unpacked, bool | int | float | str) else str(value)
