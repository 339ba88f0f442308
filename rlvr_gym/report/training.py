"""The training runs of a report, as JSON values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from rlvr_gym.config import read_yaml
from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.files import JsonObject, read_lines
from rlvr_gym.report.settings import settings
from rlvr_gym.tasks import Message
from rlvr_gym.tools import CallRecord
from rlvr_gym.verdicts import FinishReason, Verdict


class Panel(NamedTuple):
    """A picture: its title, its metrics by name, and the metrics of a band around the first of them.

    `least` is the height of the axis at the least: what differs by a small part of it is noise, and looks like it.
    """

    title: str
    metrics: dict[str, str]
    band: tuple[str, str] | None = None
    least: float = 0.0


_ALARM = re.compile("detectors/(.+)/alarm")

PANELS = (
    Panel(
        "held-out pass@1, 95 % interval",
        {"eval/pass@1": "pass@1"},
        ("eval/pass@1/low", "eval/pass@1/high"),
        least=0.1,
    ),
    Panel(
        "reward and pass rate in training", {"reward/mean": "reward", "pass_rate/all": "pass rate"}, least=0.1
    ),
    Panel("entropy, nats per token", {"entropy": "entropy"}, least=0.1),
    Panel(
        "completion length, tokens",
        {
            "length/mean": "all",
            "length/correct": "correct",
            "length/incorrect": "incorrect",
            "length/max": "longest",
        },
        least=5,
    ),
    Panel(
        "degenerate groups, truncated and unscored completions",
        {
            "groups/degenerate_share": "degenerate groups",
            "truncation/share": "truncated",
            "unscored/share": "unscored",
        },
        least=0.1,
    ),
    Panel("mean -log p of what is imitated, nats per token", {"nll": "-log p"}, least=0.1),
    Panel("clipped tokens", {"clip/low_fraction": "below", "clip/high_fraction": "above"}, least=0.01),
    Panel(
        "sampler against trainer",
        {"sampler/mismatch": "mean difference of log-probabilities", "sampler/kl": "KL"},
        least=0.01,
    ),
    Panel("KL to the reference, gradient norm", {"kl": "KL", "grad_norm": "gradient norm"}, least=0.01),
    Panel(
        "share of the groups drawn that are kept",
        {"groups/keep_share": "kept", "groups/keep_share_expected": "expected"},
        least=0.1,
    ),
    Panel(
        "signs of reward hacking, shares",
        {
            "detectors/canaries/rate": "paid for two answers",
            "detectors/repetition/share": "repetitive",
            "detectors/several_answers/share": "several answers",
            "detectors/languages/share": "mixed scripts",
        },
        least=0.1,
    ),
    Panel(
        "signs of reward hacking, gaps and correlations",
        {
            "detectors/held_out/gap": "held-out gap",
            "detectors/hidden_tests/gap": "hidden-test gap",
            "detectors/format/correlation": "format and score",
            "detectors/length/correlation": "length and score",
        },
        least=0.2,
    ),
    Panel(
        "calls of tools an episode",
        {"tools/calls": "calls"},
        least=0.1,
    ),
    Panel(
        "calls of tools, shares",
        {
            "tools/calling": "episodes that call",
            "tools/malformed": "malformed calls",
            "tools/failed": "failed calls",
            "tools/refused": "refused calls",
        },
        least=0.1,
    ),
    Panel(
        "seconds of a step",
        {
            "seconds/generate": "generate",
            "seconds/verify": "verify",
            "seconds/score": "score",
            "seconds/update": "update",
        },
        least=0.1,
    ),
)


class TrainingSample(BaseModel):
    """A line of a training run's `samples.jsonl`; reward is None where it was unscored.

    `flags` names the detectors of reward hacking that this very sample counts for.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: int
    task: str
    sample: int
    prompt: str
    messages: tuple[Message, ...]
    finish_reason: FinishReason
    length: int
    verdict: Verdict
    expected: str | None = None
    reward: float | None
    advantage: float
    flags: tuple[str, ...] = ()
    calls: tuple[CallRecord, ...] | None = None


class TrainingRun(NamedTuple):
    """A training run as its folder holds it."""

    folder: Path
    config: JsonObject
    metrics: list[JsonObject]
    samples: list[TrainingSample]


def read_training(folder: Path) -> TrainingRun:
    """Open the folder of a training run, finished or not."""
    config = read_yaml(folder / "config.yaml") if (folder / "config.yaml").exists() else {}
    metrics = list(read_lines(folder / "metrics.jsonl"))
    if not metrics:
        raise ConfigError(f"{folder / 'metrics.jsonl'} is empty: no step of this run is finished yet")
    file = folder / "samples.jsonl"
    samples = [_sample(row, f"{file}, line {number}") for number, row in enumerate(read_lines(file), start=1)]
    return TrainingRun(folder, config, metrics, samples)


def _sample(row: JsonObject, place: str) -> TrainingSample:
    try:
        return TrainingSample.model_validate(row)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        raise DataError(f"{place} is not a sample of a training run: {field}: {problem['msg']}") from error


def training(run: TrainingRun, name: str) -> JsonObject:
    """Everything about one training run but its samples."""
    config, last = run.config, run.metrics[-1]
    return {
        "kind": "training",
        "name": name,
        "recipe": config.get("recipe"),
        "environment": _at(config, "env", "id"),
        "model": _at(config, "model", "path"),
        "tasks": config.get("tasks"),
        "settings": settings(config),
        "planned": _at(config, "run", "steps"),
        "steps": last.get("step"),
        "group_size": _at(config, "batch", "group_size"),
        "prompts": _at(config, "batch", "prompts"),
        "panels": [panel for panel in (_panel(one, run.metrics) for one in PANELS) if panel["lines"]],
        "held_out": [_held_out(row) for row in run.metrics if "eval/pass@1" in row],
        "detectors": [_detector(name, run.metrics) for name in _detectors(run.metrics)],
    }


def _at(config: JsonObject, group: str, key: str) -> Any:
    settings = config.get(group)
    return settings.get(key) if isinstance(settings, dict) else None


def _held_out(row: JsonObject) -> JsonObject:
    names = {"value": "eval/pass@1", "low": "eval/pass@1/low", "high": "eval/pass@1/high"}
    return {"step": row["step"], **{name: row.get(metric) for name, metric in names.items()}}


def _detectors(rows: Sequence[JsonObject]) -> list[str]:
    """The detectors that said at some step whether there was an alarm."""
    alarms = (_ALARM.fullmatch(metric) for row in rows for metric in row)
    return sorted({alarm[1] for alarm in alarms if alarm})


def _detector(name: str, rows: Sequence[JsonObject]) -> JsonObject:
    """Count a detector's looks and alarms, and list the unbroken runs of steps with an alarm."""
    metric = f"detectors/{name}/alarm"
    looks = [(row["step"], row[metric] > 0) for row in rows if metric in row]
    stretches = [
        [step for step, _ in looks] for alarm, looks in groupby(looks, lambda look: look[1]) if alarm
    ]
    return {
        "name": name,
        "looks": len(looks),
        "alarms": sum(map(len, stretches)),
        "stretches": [[steps[0], steps[-1]] for steps in stretches],
    }


def _panel(panel: Panel, rows: Sequence[JsonObject]) -> JsonObject:
    lines = []
    for metric, label in panel.metrics.items():
        points = [[row["step"], row[metric]] for row in rows if _is_number(row.get(metric))]
        if points:
            lines.append({"label": label, "points": points})
    low, high = panel.band or ("", "")
    band = [[row["step"], row[low], row[high]] for row in rows if low in row and high in row]
    return {"title": panel.title, "lines": lines, "band": band, "least": panel.least}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
