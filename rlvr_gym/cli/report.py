"""`rlvr report`: runs as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlvr_gym.errors import ConfigError
from rlvr_gym.report import write_report

TITLE, LOOKED_AT = b"<title>rlvr report</title>", 4096
"""What an earlier report has among its first bytes."""


def report_runs(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of evaluations and training runs.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file; defaults to RUN/report.html, of several runs to report.html here."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many samples it holds at most.")] = 5_000,
) -> None:
    """Write one self-contained HTML file: curves, tables, and a browser of tasks and completions."""
    chosen = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    if chosen.is_dir():
        raise ConfigError(f"the report cannot go to {chosen}: it is a folder; give --out a file")
    if chosen.exists() and TITLE not in chosen.read_bytes()[:LOOKED_AT]:
        raise ConfigError(f"the report cannot go to {chosen}: that is another file; give --out ANOTHER_FILE")
    write_report(runs, chosen, samples=samples)
    typer.echo(f"wrote {chosen} ({chosen.stat().st_size / 1e6:.1f} MB)")
