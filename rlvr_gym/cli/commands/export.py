"""`rlvr export`: an environment as another system runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.outputs import refuse_unwritable
from rlvr_gym.cli.settings import EnvName, EnvOptions, make_environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.export import TARGETS, export_class

MANUAL = Manual(
    examples=(
        ("rlvr export trl gsm8k --out gsm8k-trl", "A reward function, a dataset and a training script"),
        ("rlvr export verl countdown --rows 1000 --out countdown-verl", "Parquet and compute_score"),
        ("rlvr export openenv guess --rows 100 --out guess-openenv", "A server with its Dockerfile"),
        ("rlvr export verifiers math500 --out math500-verifiers", "A taskset that pip installs"),
        ("rlvr export inspect ifeval --out ifeval-inspect", "A task for `inspect eval`"),
    ),
    page="export",
    topics=("environments", "settings"),
)


@documented(MANUAL)
def export(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help=f"The other system: {', '.join(TARGETS)}.",
            autocompletion=lambda: list(TARGETS),
        ),
    ],
    env: EnvName,
    options: EnvOptions = None,
    out: Annotated[
        Path | None, typer.Option(help="The new folder that the files go to.", show_default=False)
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            help="The number of tasks; all of them, if they are not endless.", min=1, show_default=False
        ),
    ] = None,
) -> None:
    """Write an environment as another system runs it: TRL, verl, verifiers, OpenEnv or Inspect.

    The files name the environment, and need rlvr-gym where they run. Completions are judged there by the same verifier;
    one that could not be judged is said in the other system's way, and is never a zero. The tasks are those that the
    environment trains on, for Inspect those that are held out; env.split=SPLIT chooses.
    """
    kind = export_class(target)
    if out is None:
        raise ConfigError("say where the files go: --out FOLDER")
    if out.exists():
        raise ConfigError(f"{out} is there already: give --out another folder")
    refuse_unwritable(out, "the export cannot go to", remedy="give --out a folder")
    made = kind.of(make_environment(env, options, held_out=kind.evaluates), rows=rows)
    folder = made.write(out)
    typer.echo(
        f"{folder} is written: {len(made.tasks)} tasks of {made.env.tasks.label}. Next: {made.next_step(folder)}"
    )
