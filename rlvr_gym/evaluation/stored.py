"""Runs that stand on disk, opened again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.samples import Conditions, Sample, read_samples


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """An evaluation as its folder holds it: what was asked for (`config.yaml`), and the latest of every sample."""

    folder: Path
    config: dict[str, Any]
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
    samples = read_samples(folder / "samples.jsonl")
    if not samples:
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else None
        there = "no such folder" if found is None else f"found: {', '.join(found[:8]) or 'nothing'}"
        raise ConfigError(f"{folder} holds no evaluation: no samples in samples.jsonl ({there})")
    config = read_yaml(folder / "config.yaml") if (folder / "config.yaml").exists() else {}
    return StoredRun(folder=folder, config=config, conditions=samples[0].conditions, samples=tuple(samples))
