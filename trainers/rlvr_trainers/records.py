"""What a run leaves behind: its settings, its metrics, and samples to read."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy as np
import yaml

from rlvr_gym.config import Settings
from rlvr_gym.errors import ConfigError
from rlvr_gym.files import append_lines, keep_lines, write_atomically
from rlvr_gym.verdicts import Outcome
from rlvr_trainers.config import RewardConfig, TrainConfig
from rlvr_trainers.groups import Drawn, outcome_scores
from rlvr_trainers.learner import Lesson
from rlvr_trainers.ranks import Ranks
from rlvr_trainers.tracking import Hosted, Metrics, MetricsFile, TensorBoard, Tracker

_PACKAGES = ("rlvr-gym", "torch", "transformers", "numpy", "gymnasium", "math-verify", "sympy")

_FREE_TO_CHANGE = {"run.dir", "run.checkpoint_every", "run.keep", "run.samples_per_step", "run.trackers"}
"""Settings that a resumed run may have changed: they do not alter what the finished steps did. So may
`run.steps`, where the learning rate does not depend on it."""


@final
class RunRecords:
    """`config.yaml`, `metrics.jsonl`, `samples.jsonl` and `tensorboard/` of a run directory.

    Only the first rank writes. Raises ConfigError for a directory that holds another run.
    """

    def __init__(self, folder: Path, config: TrainConfig, *, name: str, ranks: Ranks) -> None:
        self.folder = folder
        self._settings: Settings = {"recipe": name, **config.model_dump(mode="json")}
        self._config, self._writes = config, ranks.first
        self._trackers: list[Tracker] = []
        if (folder / "config.yaml").exists():
            self._refuse_another_run(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")))

    def open(self, *, resumed_from: int | None) -> None:
        """Begin writing; a resumed run forgets what it recorded after the step it resumes from."""
        if not self._writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        versions = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
        resolved = {**self._settings, "versions": versions}
        write_atomically(self.folder / "config.yaml", yaml.safe_dump(resolved, sort_keys=False))
        last = -1 if resumed_from is None else resumed_from
        for file in ("metrics.jsonl", "samples.jsonl"):
            keep_lines(self.folder / file, lambda row: row["step"] <= last)
        self._trackers = [
            MetricsFile(self.folder / "metrics.jsonl"),
            TensorBoard(self.folder / "tensorboard", first_step=last + 1),
            *(Hosted(name, self.folder.name, self._settings) for name in self._config.run.trackers),
        ]

    def log(self, step: int, metrics: Metrics, samples: Sequence[dict[str, Any]]) -> None:
        """Record one step."""
        for tracker in self._trackers:
            tracker.log(step, metrics)
        if self._writes and samples:
            append_lines(self.folder / "samples.jsonl", [{"step": step, **row} for row in samples])

    def close(self) -> None:
        """Finish writing."""
        for tracker in self._trackers:
            tracker.close()
        self._trackers = []

    def _refuse_another_run(self, stored: Settings) -> None:
        now, then = _flat(self._settings), _flat({k: v for k, v in stored.items() if k != "versions"})
        free = _FREE_TO_CHANGE | ({"run.steps"} if self._config.optimizer.schedule == "constant" else set())
        differing = [
            f"  {key}: {then.get(key)!r} there, {now.get(key)!r} now"
            for key in sorted({*now, *then})
            if now.get(key) != then.get(key) and key not in free
        ]
        if differing:
            listed = "\n".join(differing)
            raise ConfigError(
                f"{self.folder} holds a run with other settings:\n{listed}\n"
                "Give run.dir=ANOTHER_FOLDER for a new run, or the old settings to resume that one"
            )


def _flat(settings: Settings, prefix: str = "") -> Settings:
    flat: Settings = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def group_metrics(drawn: Drawn, rewards: np.ndarray, reward: RewardConfig) -> Metrics:
    """What to log of a step's rollouts: rewards, outcomes, lengths and truncation.

    `reward/mean` and the shares are over everything drawn, kept or not; `reward/shaped` (of `rewards`, the
    shaped ones) is over what is trained on.
    """
    rollouts = [rollout for group in drawn.everything or drawn.groups for rollout in group]
    outcomes = [reward.of(outcome_scores(group)) for group in drawn.everything or drawn.groups]
    metrics: Metrics = {
        **drawn.metrics(),
        "reward/mean": _mean(np.concatenate(outcomes)),
        "reward/shaped": _mean(rewards),
        "truncation/share": _mean([r.truncated for r in rollouts]),
        "length/mean": _mean([r.length for r in rollouts]),
        "length/max": float(max(r.length for r in rollouts)),
    }
    for outcome in Outcome:
        lengths = [r.length for r in rollouts if r.verdict.outcome is outcome]
        metrics[f"outcome/{outcome}"] = len(lengths) / len(rollouts)
        if lengths:
            metrics[f"length/{outcome}"] = _mean(lengths)
    return metrics


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of what is known; 0 where nothing is."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else 0.0


def sample_rows(lesson: Lesson, count: int) -> list[dict[str, Any]]:
    """The first `count` of a step's rollouts, by group, as JSON lines to read: what was said and what it earned."""
    rows = zip(lesson.rollouts, lesson.rewards, lesson.advantages, strict=True)
    return [
        {
            "task": rollout.task.id,
            "sample": rollout.sample,
            "prompt": rollout.task.text,
            "messages": [message.model_dump() for message in rollout.messages],
            "finish_reason": str(rollout.finish_reason),
            "length": rollout.length,
            "verdict": rollout.verdict.model_dump(mode="json"),
            "reward": None if np.isnan(reward) else float(reward),
            "advantage": float(advantage),
        }
        for rollout, reward, advantage in islice(rows, count)
    ]
