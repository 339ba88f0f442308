"""The page itself: data, style and scripts in one file, in which nothing that a model wrote can run."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation import StoredRun, read_run
from rlvr_gym.evaluation.stored import Held, held_by
from rlvr_gym.files import JsonObject, write_atomically
from rlvr_gym.report.browsing import describe, of_evaluation, of_training
from rlvr_gym.report.evaluations import comparisons, evaluation
from rlvr_gym.report.training import TrainingRun, read_training, training

VENDORED = ("vendor/katex.min.js",)
"""Scripts of others; the licence of each stands beside it."""
SCRIPTS = (
    "elements.js",
    "data.js",
    "labels.js",
    "text.js",
    "formulas.js",
    "markdown.js",
    "expression.js",
    "axes.js",
    "curves.js",
    "bars.js",
    "summary.js",
    "evaluations.js",
    "trainings.js",
    "settings.js",
    "list.js",
    "filters.js",
    "address.js",
    "reader.js",
    "together.js",
    "live.js",
    "page.js",
)
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
    write_atomically(out, page(report_data(read_runs(folders), samples)))


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Open the runs in folders, finished or not."""
    return [_read(folder) for folder in folders]


def refuse_no_runs(folders: Sequence[Path]) -> None:
    """Raise ConfigError where a folder holds no run, or one is named twice."""
    for folder in folders:
        if held_by(folder) not in RUNS:
            raise ConfigError(_no_run(folder))
    _names(folders)


def report_data(runs: Sequence[Run], samples: int) -> JsonObject:
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
    describe(groups)
    return {
        "version": version("rlvr-gym"),
        "runs": described,
        "groups": groups,
        "comparisons": _compare(runs, described),
    }


def _compare(runs: Sequence[Run], described: Sequence[JsonObject]) -> list[JsonObject]:
    """Number the runs of each kind by what may stand in one picture, and compare evaluations of the same tasks."""
    evaluated = [(run, one) for run, one in zip(runs, described, strict=True) if isinstance(run, StoredRun)]
    sets, compared = comparisons([run for run, _ in evaluated], [one["name"] for _, one in evaluated])
    for (_, one), number in zip(evaluated, sets, strict=True):
        one["set"] = number
    known: dict[tuple[object, object], int] = {}
    for one in described:
        if one["kind"] == "training":
            one["set"] = known.setdefault((one["environment"], one["tasks"]), len(known))
    return compared


def page(data: JsonObject, *, live: str = "") -> str:
    """The HTML of a report, or of a page that asks the server it came from for what is newer than the version `live`.

    The data stand in a block that is no script, with every `<` escaped, and reach the page as text alone. A
    content-security policy lets nothing run but the scripts of this package, by their hash, and nothing load.
    """
    return Template(_asset("page.html")).substitute(
        style=_style(),
        script=_script(),
        policy=policy(live=bool(live)),
        live=live,
        data=as_json(data),
    )


def policy(*, live: bool) -> str:
    """The content-security policy of a page: it runs and shows its own, and a live one asks its own server."""
    rules = [
        "default-src 'none'",
        f"script-src '{_hash(_script())}'",
        f"style-src '{_hash(_style())}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join([*rules, "connect-src 'self'"] if live else rules)


@cache
def _style() -> str:
    return _asset("page.css")


@cache
def _script() -> str:
    return "\n".join(_asset(name) for name in (*VENDORED, *SCRIPTS))


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


def as_json(data: object) -> str:
    """JSON that may stand in a page: it holds no `<`, and no number that JSON does not know."""
    text = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half a surrogate pair, which some samplers produce, is no UTF-8; its escape is JSON all the same.
    text = text.encode(errors="backslashreplace").decode()
    return text.replace("<", "\\u003c")


def _finite(data: object) -> object:
    """JSON knows no infinity, and nothing that is not a number: None stands for both."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
