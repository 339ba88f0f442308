"""Records of experiments: the figures of every side and seed, for as long as the code that made them is the same."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, final

from experiments.experiment import Experiment, Figures, Runs, Settings
from rlvr_gym.files import write_atomically

RESULTS = Path(__file__).parent / "results"
_HARNESS = {"experiments.experiment", "experiments.records", "experiments.page", "experiments.picture"}
"""Modules that judge and show figures; what they say does not change any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run that is to be made."""

    experiment: str
    side: str
    seed: int


@final
class Records:
    """The records of one experiment, a JSON file.

    A figure is kept under a fingerprint of its side's settings and of the code that measures it. Other settings or
    other code leave it behind: it is not read again, and the next `keep` writes the file without it.
    """

    def __init__(self, experiment: Experiment, code: str, folder: Path = RESULTS) -> None:
        self.experiment = experiment
        self.path = folder / f"{experiment.name}.json"
        self._prints = {side: fingerprint(settings, code) for side, settings in experiment.sides.items()}
        self._sides = self._read()

    @property
    def runs(self) -> Runs:
        """The figures that are there."""
        return {
            side: {seed: run["figures"] for seed, run in runs.items()} for side, runs in self._sides.items()
        }

    @property
    def missing(self) -> list[Run]:
        """Runs without a record, seed after seed, so that what is there is in pairs."""
        return [
            Run(experiment=self.experiment.name, side=side, seed=seed)
            for seed in self.experiment.seeds
            for side in self.experiment.sides
            if seed not in self._sides[side]
        ]

    @property
    def cpu_seconds(self) -> float:
        """The processor time of all runs that are there."""
        return math.fsum(run["cpu_seconds"] for runs in self._sides.values() for run in runs.values())

    def keep(self, run: Run, figures: Figures, cpu_seconds: float) -> None:
        """Add a run's figures and write the file. Raises ValueError for a figure that is not a finite number."""
        if bad := sorted(name for name, value in figures.items() if not math.isfinite(value)):
            raise ValueError(f"{run.experiment}, {run.side}, seed {run.seed}: {bad[0]} is {figures[bad[0]]}")
        rounded = {name: float(f"{value:.10g}") for name, value in sorted(figures.items())}
        self._sides[run.side][run.seed] = {"figures": rounded, "cpu_seconds": round(cpu_seconds, 2)}
        self._write()

    def _read(self) -> dict[str, dict[int, Any]]:
        stored = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        found: dict[str, dict[int, Any]] = {}
        for side, print_ in self._prints.items():
            own = stored.get(side, {})
            valid = own.get("seeds", {}) if own.get("fingerprint") == print_ else {}
            found[side] = {
                int(seed): run for seed, run in valid.items() if int(seed) in self.experiment.seeds
            }
        return found

    def _write(self) -> None:
        stored = {
            side: {
                "fingerprint": self._prints[side],
                "settings": dict(self.experiment.sides[side]),
                "seeds": {str(seed): runs[seed] for seed in sorted(runs)},
            }
            for side, runs in self._sides.items()
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, json.dumps(stored, indent=1) + "\n")


def fingerprint(settings: Settings, code: str) -> str:
    """16 hexadecimal digits that change with a side's settings and with the code that measures it."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(f"{text}\x1f{code}".encode()).hexdigest()[:16]


def code_of(module: ModuleType) -> str:
    """The hash of what an experiment's module does, with the modules of this package that it imports.

    Comments, docstrings and layout do not count, nor does the module's `EXPERIMENT` itself: its texts and expectations
    change no figure, and its settings have a fingerprint of their own.
    """
    trees = [ast.unparse(tree) for _, tree in sorted(_trees(module.__name__, {}).items())]
    return hashlib.sha256("\x1f".join(trees).encode()).hexdigest()[:16]


def _trees(name: str, found: dict[str, ast.Module]) -> dict[str, ast.Module]:
    """The code of a module and of those that it imports from here, by their names."""
    if name in found or name in _HARNESS:
        return found
    source = importlib.import_module(name).__file__
    assert source is not None
    tree = ast.parse(Path(source).read_text(encoding="utf-8"))
    imported = list(_imported(tree))
    found[name] = _bare(tree)
    for other in imported:
        _trees(other, found)
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("experiments."):
            yield str(node.module)


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings and without the assignment of EXPERIMENT."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [one for one in node.body if not _says_only(one)]
    return tree


def _says_only(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == ["EXPERIMENT"]
