"""`rlvr report`: runs as one HTML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rlvr_gym.cli.completion import complete_run
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.cli.outputs import refuse_without_folder
from rlvr_gym.errors import ConfigError
from rlvr_gym.report import write_report

TITLE, LOOKED_AT = b"<title>rlvr report</title>", 4096
"""A title by which an earlier report is recognised, and how many of its first bytes are searched for it."""


MANUAL = Manual(
    examples=(
        ("rlvr report runs/quickstart-reverse", "One run, into its own folder"),
        ("rlvr report runs/base runs/trained --out both.html", "Several, side by side"),
    ),
    page="evaluation",
    topics=("files",),
)


@documented(MANUAL)
def report_runs(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Folders of evaluations and training runs.", autocompletion=complete_run
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file; defaults to RUN/report.html, of several runs to report.html here."),
    ] = None,
    as_json: AsJson = False,
    samples: Annotated[int, typer.Option(min=1, help="How many samples it holds at most.")] = 5_000,
) -> None:
    """Write one self-contained HTML file: curves, tables, and a browser of tasks and completions."""
    chosen = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    if chosen.parent != runs[0]:  # a run that is none is refused for what it is
        refuse_without_folder(chosen, "the report cannot go to")
    elif chosen.is_dir():
        raise ConfigError(f"the report cannot go to {chosen}: it is a folder; give --out a file")
    if chosen.exists() and TITLE not in chosen.read_bytes()[:LOOKED_AT]:
        raise ConfigError(f"the report cannot go to {chosen}: that is another file; give --out ANOTHER_FILE")
    write_report(runs, chosen, samples=samples)
    size = chosen.stat().st_size
    if as_json:
        typer.echo(
            json.dumps({"report": str(chosen), "bytes": size, "runs": [str(run) for run in runs]}, indent=1)
        )
    else:
        typer.echo(f"wrote {chosen} ({size / 1e6:.1f} MB)")
