"""Compute what a training step takes on N samplers and M learners, from measured rates.

    python benchmarks/cluster_model.py step RATES.json --samplers 8 --learners 2 [--staleness 1]
    python benchmarks/cluster_model.py check [--rates RATES.json] [--rounds 3]
    python benchmarks/cluster_model.py tables

`step` prints one step's seconds and where they go; RATES.json is an object with the fields of `Rates` and `Work`, in
`benchmarks/cluster/quantities.py`. `check` measures rates in short training runs on this machine, writes them to such a
file, predicts other runs (more rows, two processes, samples of earlier weights) and prints both. `tables` prints the
tables of docs/scaling.md, from rates that are assumed, not measured: see `benchmarks/cluster/assumed.py`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from cluster.assumed import tables
from cluster.measured import check
from cluster.quantities import Cluster, Rates, Work
from cluster.simulation import simulate


def read(path: Path) -> tuple[Rates, Work]:
    """The rates and the work that a file of one JSON object names."""
    stored: dict[str, Any] = json.loads(path.read_text())
    known = {kind: {field.name for field in fields(kind)} for kind in (Rates, Work)}
    if unknown := set(stored) - set.union(*known.values()):
        raise SystemExit(f"{path}: unknown fields {', '.join(sorted(unknown))}")
    return Rates(**{k: stored[k] for k in stored if k in known[Rates]}), Work(
        **{k: stored[k] for k in stored if k in known[Work]}
    )


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    step = commands.add_parser("step", help="one cluster, from a file of rates")
    step.add_argument("rates", type=Path)
    step.add_argument("--samplers", type=int, default=1)
    step.add_argument("--learners", type=int, default=1)
    step.add_argument("--staleness", type=int, default=0)
    real = commands.add_parser("check", help="against real runs on this machine")
    real.add_argument("--rates", type=Path, help="where the measured rates are written")
    real.add_argument("--rounds", type=int, default=3, help="times that everything is measured")
    many = commands.add_parser("tables", help="the tables of docs/scaling.md")
    many.add_argument("--cards", type=int, nargs="+", default=[8, 16, 64, 256, 1000])
    asked = parser.parse_args()
    if asked.command == "tables":
        tables(asked.cards)
        return
    if asked.command == "check":
        check(asked.rates, asked.rounds)
        return
    cluster = Cluster(samplers=asked.samplers, learners=asked.learners, staleness=asked.staleness)
    figures = simulate(*read(asked.rates), cluster)
    for one in fields(figures):
        print(f"{one.name:18} {getattr(figures, one.name):,.3f}")


if __name__ == "__main__":
    main()
