"""The settings and versions that a run was made with, as a report shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping


def settings(config: Mapping[str, object]) -> list[tuple[str, str]]:
    """Every setting of a run's `config.yaml` by its dotted name, in the order of the file; its versions last."""
    versions = config.get("versions")
    named = _flat({key: value for key, value in config.items() if key != "versions"})
    return [*named, *(_flat(versions, "versions.") if isinstance(versions, Mapping) else [])]


def _flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value if isinstance(value, str) else _written(value)))
    return found


def _written(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=str)
