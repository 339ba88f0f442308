"""The page itself: data, style and scripts in one file, in which nothing that a model wrote can run."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation import StoredRun, read_run
from rlvr_gym.evaluation.stored import Held, held_by
from rlvr_gym.files import write_atomically
from rlvr_gym.report.browsing import of_evaluation, of_training
from rlvr_gym.report.evaluations import comparisons, evaluation
from rlvr_gym.report.training import TrainingRun, read_training, training

SCRIPTS = ("elements.js", "charts.js", "summary.js", "samples.js", "page.js")
RUNS = (Held.EVALUATION, Held.TRAINING)
Run = StoredRun | TrainingRun


def write_report(folders: Sequence[Path], out: Path, *, samples: int = 5_000) -> None:
    """Write the report of the runs in `folders`, evaluations or training runs, to the file `out`.

    It shows at most about `samples` samples of all runs together, whole groups of them. Raises ConfigError for a
    folder that holds no run.
    """
    if not folders:
        raise ConfigError("a report is of one run or several: name their folders")
    if samples < 1:
        raise ConfigError(f"a report shows at least 1 sample, not {samples}")
    runs = [_read(folder) for folder in folders]
    write_atomically(out, page(report_data(runs, samples)))


def report_data(runs: Sequence[Run], samples: int) -> dict[str, Any]:
    """All that a report shows, as JSON values."""
    names = _names([run.folder for run in runs])
    described, groups = [], []
    for place, (run, name) in enumerate(zip(runs, names, strict=True)):
        share = samples // len(runs)
        if isinstance(run, TrainingRun):
            described.append(training(run, name))
            groups += of_training(run.samples, place, share)
        else:
            described.append(evaluation(run, name))
            groups += of_evaluation(run.samples, place, share)
        described[-1]["samples"] = len(run.samples)
    evaluated = [(run, name) for run, name in zip(runs, names, strict=True) if isinstance(run, StoredRun)]
    return {
        "version": version("rlvr-gym"),
        "runs": described,
        "groups": groups,
        "comparisons": comparisons([run for run, _ in evaluated], [name for _, name in evaluated]),
    }


def page(data: dict[str, Any]) -> str:
    """The HTML of a report.

    The data stand in a block that is no script, with every `<` escaped, and reach the page as text alone. A
    content-security policy lets nothing run but the scripts of this package, by their hash, and nothing load.
    """
    style = _asset("page.css")
    script = "\n".join(_asset(name) for name in SCRIPTS)
    return Template(_asset("page.html")).substitute(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=_json(data),
    )


def _read(folder: Path) -> Run:
    held = held_by(folder)
    if held is Held.TRAINING:
        return read_training(folder)
    if held is Held.EVALUATION:
        return read_run(folder)
    raise ConfigError(_no_run(folder))


def _no_run(folder: Path) -> str:
    """Say that there is no run to report, and where there are some."""
    if not folder.is_dir():
        return f"{folder} is no folder: a report is of a folder that `rlvr eval` or `rlvr train` wrote"
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and held_by(path) in RUNS]
    there = (
        f"in it are {', '.join(map(str, inside[:4]))}"
        if inside
        else "`rlvr eval` and `rlvr train` write such"
    )
    return f"{folder} holds no evaluation and no training run: {there}"


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with so many of the folders above them that no two are the same."""
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.resolve().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise ConfigError(f"a run is named twice: {', '.join(map(str, folders))}")


def _asset(name: str) -> str:
    return files("rlvr_gym.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content-security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: Any) -> str:
    text = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half a surrogate pair, which some samplers produce, is no UTF-8; its escape is JSON all the same.
    text = text.encode(errors="backslashreplace").decode()
    return text.replace("<", "\\u003c")


def _finite(data: Any) -> Any:
    """JSON knows no infinity, and nothing that is not a number: None stands for both."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
