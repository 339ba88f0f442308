"""The records of a run: its settings, its metrics, and samples to read."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import yaml

from rlvr_gym.config import Settings
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.stored import Held, refuse_foreign
from rlvr_gym.files import append_lines, keep_lines, read_lines, write_atomically
from rlvr_gym.generation.loading import weights_hash
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.disk import writing
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.run.tracking import Hosted, MetricsFile, TensorBoard, Tracker, refuse_missing
from rlvr_trainers.settings import MonitorConfig

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"

_NAMES = {"tasks": "the training tasks (by fingerprint)", "teacher": "the teacher (by its weights)"}

_PACKAGES = ("rlvr-gym", "torch", "transformers", "numpy", "gymnasium", "math-verify", "sympy")

_FREE_TO_CHANGE = {
    "recipe", "batch.microbatch_tokens", "batch.save_compute", "dynamic_sampling.max_rounds", "mesh.shard", "run.dir",
    "run.checkpoint_every", "run.keep", "run.samples_per_step", "run.max_unscored", "run.max_mismatch", "run.trackers",
    *(f"monitor.{name}" for name in MonitorConfig.model_fields),
}  # fmt: skip
"""Settings that a resumed run may have changed: the finished steps would have been the same under others. So
may `run.steps`, and `data.epochs` which stands for it, where the learning rate does not depend on it."""


@final
class RunRecords:
    """`config.yaml`, `metrics.jsonl`, `samples.jsonl` and `tensorboard/` of a run directory.

    Only the first rank writes. `tasks` is the fingerprint of what the run trains on. A `teacher` is no part of any
    checkpoint: the hash of its weights tells whether a resumed run has the same.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        *,
        name: str,
        tasks: str,
        mesh: Mesh,
        teacher: Policy | None = None,
    ) -> None:
        refuse_missing(config.run.trackers)
        self.folder = folder
        self._settings: Settings = {"recipe": name, **config.model_dump(mode="json"), "tasks": tasks}
        if teacher is not None:
            self._settings["teacher"] = weights_hash(teacher.model)
        self._config, self._writes = config, mesh.first
        self._trackers: list[Tracker] = []
        self._stored = _read_settings(folder / "config.yaml")

    def resumable(self, checkpoints: Sequence[int]) -> int | None:
        """The step to go on from, None to begin anew.

        Raises ConfigError where beginning anew, or going on, would be at the expense of another run's work.
        """
        refuse_foreign(self.folder, Held.TRAINING, remedy="give run.dir=ANOTHER_FOLDER")
        differing = self._differing()
        if not differing and checkpoints:
            return max(checkpoints)
        warmed_up = bool(self._stored.get("warmup")) and bool(checkpoints)
        if differing and (warmed_up or max(checkpoints, default=0) > 0):
            raise ConfigError(self._another_run(differing, max(checkpoints)))
        if not checkpoints and (self.folder / "model").exists():
            raise ConfigError(
                f"{self.folder} holds a finished model, but no checkpoint to go on from: give "
                "run.dir=ANOTHER_FOLDER for a new run"
            )
        return None

    def open(self, *, resumed_from: int | None) -> None:
        """Begin writing; a resumed run forgets what it recorded after the step it resumes from."""
        if not self._writes:
            return
        versions = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
        resolved = {**self._settings, "versions": versions}
        last = -1 if resumed_from is None else resumed_from
        with writing("the run's records", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                write_atomically(self.folder / "config.yaml", yaml.safe_dump(resolved, sort_keys=False))
            except OSError:
                with suppress(OSError):  # only a folder with nothing in it goes
                    self.folder.rmdir()
                raise
            for file in (METRICS, SAMPLES):
                keep_lines(self.folder / file, lambda row: row["step"] <= last)
            self._trackers = [
                MetricsFile(self.folder / METRICS),
                TensorBoard(self.folder / "tensorboard", first_step=last + 1),
                *(Hosted(name, self.folder.name, self._settings) for name in self._config.run.trackers),
            ]

    def log(self, step: int, metrics: Metrics, samples: Sequence[dict[str, Any]]) -> None:
        """Record one step."""
        with writing("metrics", self.folder):
            for tracker in self._trackers:
                tracker.log(step, metrics)
            if self._writes and samples:
                append_lines(self.folder / SAMPLES, [{"step": step, **row} for row in samples])

    def complete(self, step: int, metrics: Metrics) -> None:
        """Add metrics to what is recorded of the latest step, `step`, if anything is."""
        if not self._writes:
            return
        rows = [row for row in read_lines(self.folder / METRICS) if row["step"] == step]
        earlier = {name: value for row in rows for name, value in row.items() if name != "step"}
        file, *others = self._trackers
        with writing("metrics", self.folder):
            keep_lines(self.folder / METRICS, lambda row: row["step"] < step)
            file.log(step, earlier | metrics)
            for tracker in others:
                tracker.log(step, metrics)

    def close(self) -> None:
        """Finish writing."""
        for tracker in self._trackers:
            # A disk that is full has been reported by `log`; everything it took is on it already.
            with suppress(OSError):
                tracker.close()
        self._trackers = []

    def _differing(self) -> list[str]:
        """Settings that are not those of the run in the folder, a line each."""
        if not self._stored:
            return []
        now, then = _flat(self._settings), _flat({k: v for k, v in self._stored.items() if k != "versions"})
        constant = self._config.optimizer.schedule == "constant"
        free = _FREE_TO_CHANGE | ({"run.steps", "data.epochs"} if constant else set())
        return [
            f"  {_NAMES.get(key, key)}: {then.get(key)!r} there, {now.get(key)!r} now"
            for key in sorted({*now, *then})
            if now.get(key) != then.get(key) and key not in free
        ]

    def _another_run(self, differing: Sequence[str], step: int) -> str:
        listed = "\n".join(differing)
        weights = self.folder / "checkpoints" / f"step-{step}"
        origin = (
            "" if self._config.model.lora else f" (model.path={weights} lets it start from these weights)"
        )
        return (
            f"{self.folder} holds a run with other settings:\n{listed}\n"
            f"Give run.dir=ANOTHER_FOLDER for a new run{origin}, or the old settings to resume that one"
        )


def _read_settings(path: Path) -> Settings:
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read the settings of the run there, {path}: {error}") from error
    if not isinstance(stored, dict):
        raise ConfigError(f"{path} does not hold the settings of a run: give run.dir=ANOTHER_FOLDER")
    return stored


def _flat(settings: Settings, prefix: str = "") -> Settings:
    flat: Settings = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
