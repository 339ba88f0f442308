"""Run what has no record yet, and write docs/handbook.md: `python -m experiments [NAME ...] [--jobs 2]`.

A run that is recorded is not made again, so a command that was stopped goes on where it was. Experiments that lack
runs are left out of the page, which says nothing of them; they are named here.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from experiments.experiment import Figures
from experiments.known import NAMES, load, records
from experiments.page import write_page
from experiments.records import Records, Run

Done = tuple[Run, Figures, float]


def measure(run: Run) -> Done:
    """Make one run; returns its figures and the processor time that it took."""
    import torch

    torch.set_num_threads(1)
    experiment = load(run.experiment)
    began = time.process_time()
    figures = experiment.measure(experiment.sides[run.side], run.seed)
    return run, figures, time.process_time() - began


def measured(runs: Sequence[Run], jobs: int) -> Iterator[Done]:
    """Make all runs, as many at a time as there are `jobs`."""
    if jobs == 1:
        yield from map(measure, runs)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(measure, run) for run in runs]):
            yield future.result()


def make_missing(found: dict[str, Records], jobs: int) -> None:
    """Make the runs that have no record, and keep each as it comes."""
    missing = [run for one in found.values() for run in one.missing]
    if missing:
        print(f"{len(missing)} runs to make", flush=True)
    for count, (run, figures, cpu_seconds) in enumerate(measured(missing, jobs), 1):
        found[run.experiment].keep(run, figures, cpu_seconds)
        print(
            f"{count} of {len(missing)}: {run.experiment}, {run.side}, seed {run.seed}, {cpu_seconds:.1f} s",
            flush=True,
        )


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all, if none is given"
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="runs at a time")
    parser.add_argument("--page", action="store_true", help="make no run, and write the page alone")
    asked = parser.parse_args()
    if strange := sorted(set(asked.names) - set(NAMES)):
        parser.error(f"no experiment {strange[0]!r}; possible: {', '.join(NAMES)}")
    if not asked.page:
        make_missing({name: records(name) for name in asked.names or NAMES}, asked.jobs)
    found = {name: records(name) for name in NAMES}
    write_page([one for one in found.values() if not one.missing])
    for name, one in found.items():
        if one.missing:
            print(f"not on the page: {name}, which lacks {len(one.missing)} runs")


if __name__ == "__main__":
    main()
