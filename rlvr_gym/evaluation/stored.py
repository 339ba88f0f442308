"""Runs that stand on disk, opened again."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path

from rlvr_gym.errors import ConfigError, RlvrError
from rlvr_gym.evaluation.samples import Conditions, Sample, read_samples
from rlvr_gym.files import JsonObject, read_lines

_LOGS = (".log", ".txt", ".out", ".err")


class Held(StrEnum):
    """The kinds of content of a folder that a command must tell apart before it writes there."""

    NOTHING = "nothing"
    EVALUATION = "an evaluation"
    TRAINING = "a training run"
    MODEL = "a model"
    OTHER = "other files"


def held_by(folder: Path) -> Held:
    """Tell what `folder` holds, by the settings and records in it.

    Hidden files, records torn in their first line, and logs that a shell writes there do not count.
    """
    if not folder.is_dir():
        return Held.OTHER if folder.exists() else Held.NOTHING
    if all(_counts_for_nothing(path) for path in folder.iterdir()):
        return Held.NOTHING
    settings = _keys(folder / "config.yaml")
    if "recipe" in settings or "step" in _first_row(folder / "metrics.jsonl"):
        return Held.TRAINING
    if "fingerprint" in settings or "fingerprint" in _first_row(folder / "samples.jsonl"):
        return Held.EVALUATION
    return Held.MODEL if (folder / "config.json").exists() else Held.OTHER


def refuse_foreign(folder: Path, own: Held, *, remedy: str) -> None:
    """Raise ConfigError unless `folder` is new, empty, or holds what its writer writes."""
    _refuse_unwritable(folder, remedy)
    held = held_by(folder)
    if held in (Held.NOTHING, own):
        return
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, and {own} needs a folder: {remedy}")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    found = f" ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})" if held is Held.OTHER else ""
    raise ConfigError(f"{folder} holds {held}{found}, and nothing is written over that: {remedy}")


def _refuse_unwritable(folder: Path, remedy: str) -> None:
    """Refuse a folder that cannot be made, or written to, where it is."""
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), Path())
    if nearest != folder and not nearest.is_dir():
        raise ConfigError(f"{nearest} is a file, and {folder} cannot be a folder in it: {remedy}")
    if nearest.is_dir() and not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"there is no permission to write into {nearest}: {remedy}")


def _counts_for_nothing(path: Path) -> bool:
    if path.name.startswith(".") or (path.suffix in _LOGS and path.is_file()):
        return True
    if path.name not in ("samples.jsonl", "metrics.jsonl"):
        return False
    with path.open("rb") as lines:
        return not lines.readline().endswith(b"\n")


def _keys(path: Path) -> set[str]:
    # Here, because YAML is a good part of what `import rlvr_gym` would cost.
    from rlvr_gym.config import read_yaml

    try:
        return set(read_yaml(path)) if path.is_file() else set()
    except (RlvrError, UnicodeDecodeError):
        return set()


def _first_row(path: Path) -> set[str]:
    try:
        row = next(islice(read_lines(path), 1), {}) if path.is_file() else {}
    except RlvrError:
        return set()
    return set(row) if isinstance(row, dict) else set()


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """An evaluation as its folder holds it: what was asked for (`config.yaml`), and the latest of every sample."""

    folder: Path
    config: JsonObject
    conditions: Conditions
    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def n(self) -> int:
        """The largest number of samples of a task."""
        return max(Counter(sample.task for sample in self.samples).values())

    @property
    def ks(self) -> list[int]:
        """Every k that the run was asked to report and has the samples for; none where the folder does not say."""
        n = self.n
        return sorted(k for k in self.config.get("k", ()) if isinstance(k, int) and 1 <= k <= n)


def read_run(folder: str | Path) -> StoredRun:
    """Open the folder of an evaluation, finished or not. A hundred thousand samples take seconds.

    Raises ConfigError where there is none, DataError naming the line that is no sample.
    """
    # Here, because YAML is a good part of what `import rlvr_gym` would cost.
    from rlvr_gym.config import read_yaml

    folder = Path(folder)
    if held_by(folder) is Held.TRAINING:
        raise ConfigError(
            f"{folder} holds a training run, not an evaluation: `rlvr eval {folder}` makes one of it"
        )
    samples = read_samples(folder / "samples.jsonl")
    if not samples:
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else None
        there = "no such folder" if found is None else f"found: {', '.join(found[:8]) or 'nothing'}"
        raise ConfigError(f"{folder} holds no evaluation: no samples in samples.jsonl ({there})")
    config = read_yaml(folder / "config.yaml") if (folder / "config.yaml").exists() else {}
    return StoredRun(folder=folder, config=config, conditions=samples[0].conditions, samples=tuple(samples))
