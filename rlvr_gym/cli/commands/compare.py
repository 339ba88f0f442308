"""`rlvr compare`: two evaluations, paired by problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rlvr_gym.cli.completion import complete_run
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.cli.outputs import refuse_without_folder
from rlvr_gym.cli.settings import parse_ks
from rlvr_gym.evaluation import StoredRun, read_run
from rlvr_gym.evaluation.compare import Comparison, Crossing, Difference, compare, told

EXAMPLES = 5


MANUAL = Manual(
    examples=(
        ("rlvr compare runs/base runs/trained", "What training changed, problem by problem"),
        (
            "rlvr compare runs/base runs/trained --k 1,64 --picture curves.png",
            "At pass@1 and pass@64, with a picture",
        ),
        ("rlvr compare runs/base runs/trained --json", "For a program"),
    ),
    page="evaluation",
    topics=("files",),
)


@documented(MANUAL)
def compare_runs(
    first: Annotated[
        Path,
        typer.Argument(metavar="RUN_A", help="The folder of an evaluation.", autocompletion=complete_run),
    ],
    second: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_B", help="Another; differences are B's value minus A's.", autocompletion=complete_run
        ),
    ],
    k: Annotated[
        str | None,
        typer.Option("--k", help="Every k to compare at, such as 1,8,64; defaults to those of the runs."),
    ] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Compare runs of different task sets on the tasks in common.")
    ] = False,
    seed: Annotated[int, typer.Option(help="That of the bootstrap.")] = 0,
    picture: Annotated[Path | None, typer.Option(help="Draw both pass@k curves into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two evaluations, paired by problem: differences with intervals, problems gained and lost, crossings."""
    if picture is not None:
        refuse_without_folder(picture, "the picture cannot go to", remedy="give --picture a file")
    runs = read_run(first), read_run(second)
    ks = parse_ks(k) or _ks_of(runs)
    comparison = compare(runs[0].samples, runs[1].samples, k=ks, common=common, seed=seed)
    if picture is not None:
        from rlvr_gym.evaluation.pictures import draw_comparison

        both = runs[0].samples, runs[1].samples
        most = max(comparison.differences)
        draw_comparison(both, most, (first.name, second.name), picture, seed=seed)
    if as_json:
        typer.echo(json.dumps(comparison.to_json(), indent=1))
        return
    _print(comparison, first, second)
    if picture is not None:
        typer.echo(f"drawn in {picture}")


def _ks_of(runs: tuple[StoredRun, StoredRun]) -> list[int] | None:
    """Every k that either run reports and both have samples for."""
    most = min(run.n for run in runs)
    return sorted({k for run in runs for k in run.ks if k <= most}) or None


def _print(comparison: Comparison, first: Path, second: Path) -> None:
    console = Console(highlight=False)
    sides = zip(
        "AB", (first, second), (comparison.first, comparison.second), comparison.truncation_rates, strict=True
    )
    for letter, folder, said, truncated in sides:
        named = f"{letter}  {folder}: {said.environment}, {said.model}; truncated {truncated:.1%}"
        console.print(named, soft_wrap=True, markup=False)
    for name, one, other in comparison.notes:
        console.print(
            f"not the same: {name}, {told(one)} in A, {told(other)} in B", style="yellow", markup=False
        )
    console.print(_tasks(comparison))
    console.print(_table(comparison))
    for line in (*_changes(comparison), *_crossings(comparison)):
        console.print(line, markup=False)


def _tasks(comparison: Comparison) -> str:
    in_a, in_b = comparison.left_out
    left_out = f"; left out: {in_a} of A, {in_b} of B" if in_a or in_b else ""
    return f"{comparison.problems} tasks in common{left_out}"


def _table(comparison: Comparison) -> Table:
    unscored = any(d.at_least != d.value for d in comparison.differences.values())
    table = Table()
    for name in ("k", "pass@k of A", "of B", "B - A", "95 % interval", "tasks up", "down"):
        table.add_column(name, justify="right")
    if unscored:
        for name in ("unscored against B", "for B", "tasks"):
            table.add_column(name, justify="right")
    for difference in comparison.differences.values():
        table.add_row(*_cells(difference), *(_bounds(difference) if unscored else ()))
    return table


def _cells(difference: Difference) -> list[str]:
    style = {1: "[green]", -1: "[red]", 0: "[default]"}[difference.sign]
    return [
        str(difference.k),
        f"{difference.first:.4f}",
        f"{difference.second:.4f}",
        f"{style}{difference.value:+.4f}[/]",
        f"{difference.low:+.4f} to {difference.high:+.4f}",
        str(difference.gains),
        str(difference.losses),
    ]


def _bounds(difference: Difference) -> list[str]:
    return [f"{difference.at_least:+.4f}", f"{difference.at_most:+.4f}", str(difference.problems)]


def _changes(comparison: Comparison) -> list[str]:
    """The problems gained and lost, some of them by name."""
    return [
        f"{label:7} {len(tasks)} tasks that {only} solved in {comparison.samples} samples{_named(tasks)}"
        for label, only, tasks in (
            ("gained", "B alone", comparison.gained),
            ("lost", "A alone", comparison.lost),
        )
    ]


def _named(tasks: tuple[str, ...]) -> str:
    if not tasks:
        return ""
    more = ", ..." if len(tasks) > EXAMPLES else ""
    return f": {', '.join(tasks[:EXAMPLES])}{more}"


def _crossings(comparison: Comparison) -> list[str]:
    if not comparison.crossings:
        return ["the pass@k curves do not cross"]
    lines = [_crossing(crossing) for crossing in comparison.crossings]
    if comparison.crosses_for_certain:
        return [*lines, "the intervals are off zero on both sides: the crossing is no chance"]
    return [*lines, "no two intervals are off zero on different sides: the crossing may be chance"]


def _crossing(crossing: Crossing) -> str:
    before, after = ("B", "A") if crossing.ahead > 0 else ("A", "B")
    return f"the pass@k curves cross: {before} is ahead up to k = {crossing.before}, {after} from k = {crossing.after}"
