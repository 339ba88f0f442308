"""The arguments, options and manual of `rlvr eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from rlvr_gym import registry
from rlvr_gym.cli.completion import complete_evaluated
from rlvr_gym.cli.display.tables import environments_table, options_table
from rlvr_gym.cli.manual import Manual
from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.process_reward import Aggregate

HOW_MANY, WHAT, WHERE, SERVER = "How many", "What is reported", "Where and how", "A served model"
"""The groups of options in the help."""

Arguments = Annotated[
    list[str],
    typer.Argument(
        metavar="ENV|RUN... [KEY.SUB=VALUE...]",
        help="One environment or several, suite=NAME for a list of them, or the folder of a training run, and "
        "settings: model.path, model.dtype, generator.engine, generator.urls, generator.draft, "
        "sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens, and the "
        "environments' own options as env.NAME, or as ENV.NAME for one of several. Sampling defaults to what a "
        "trained model or the environment's card says, split to test.",
        autocompletion=complete_evaluated,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="The same as model.path=...; with --endpoint, the model's name there.", show_default=False
    ),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        "--n",
        help="Samples per task.  [default: what the card recommends]",
        show_default=False,
        rich_help_panel=HOW_MANY,
    ),
]
KsOption = Annotated[
    str | None,
    typer.Option(
        "--k",
        help="Every k to report, such as 1,4,16.  [default: powers of 4]",
        show_default=False,
        rich_help_panel=WHAT,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(help="How many tasks.  [default: all]", show_default=False, rich_help_panel=HOW_MANY),
]
SeedOption = Annotated[
    int, typer.Option(help="Names the random streams of the samples.", rich_help_panel=HOW_MANY)
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        help="The run folder, a folder each in it for several environments.  [default: runs/eval-ENV-MODEL]",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
HalfWidthOption = Annotated[
    float | None,
    typer.Option(
        help="Stop once every interval is this tight, such as 0.02.  [default: do all tasks]",
        show_default=False,
        rich_help_panel=HOW_MANY,
    ),
]
MajorityOption = Annotated[
    bool,
    typer.Option("--majority", help="Report maj@k too.", show_default=False, rich_help_panel=WHAT),
]
RankOption = Annotated[
    Path | None,
    typer.Option(
        "--rank-by",
        metavar="FOLDER",
        help="Report bon@k too: of k samples, the one that this reward model or process reward model scores highest.",
        show_default=False,
        rich_help_panel=WHAT,
    ),
]
AggregateOption = Annotated[
    Aggregate | None,
    typer.Option(
        "--aggregate",
        help="With --rank-by, the score of an answer by its steps': product, minimum or last.  [default: product]",
        show_default=False,
        rich_help_panel=WHAT,
    ),
]
CurriculumOption = Annotated[
    bool,
    typer.Option(
        "--curriculum",
        help="Forecast the training signal, and write prompts by pass rate.",
        show_default=False,
        rich_help_panel=WHAT,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check everything and load the model; print the plan, sample and write nothing.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
InFlightOption = Annotated[
    int,
    typer.Option(
        help="Samples drawn, or requests made, at once; a kill loses these at most.", rich_help_panel=WHERE
    ),
]
MaxUnscoredOption = Annotated[
    float,
    typer.Option(help="The share of samples that may stay without a verdict.", rich_help_panel=WHERE),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An OpenAI-compatible server to ask, such as http://localhost:8000/v1.",
        show_default=False,
        rich_help_panel=SERVER,
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="VARIABLE",
        help="The environment variable that holds its key.",
        show_default=False,
        rich_help_panel=SERVER,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        help="Seconds that one request to it may take; a late sample is unscored.", rich_help_panel=SERVER
    ),
]


def _environments() -> RenderableType:
    return Group(
        Text("rlvr eval ENV model.path=MODEL [KEY.SUB=VALUE...]\n"),
        environments_table(),
        Text(
            "\nWhat they ask: rlvr envs, rlvr envs ENV. Options: rlvr eval --help. Models: rlvr help models."
        ),
    )


def _of_environment(words: Sequence[str]) -> RenderableType | None:
    """The options of the environments that are named beside --help; None where none is."""
    names = [word for word in words if "=" not in word]
    try:
        found = {name: registry.find(name) for name in names}
    except ConfigError:
        return None
    if not found:
        return None
    given = [word for word in words if "=" in word]
    parts: list[RenderableType] = [Text("Settings: rlvr eval --help. Options of the environment:\n")]
    for name, id in found.items():
        parts += [Text(f"{name}, given as env.OPTION=VALUE", style="bold"), options_table(id, given), Text()]
    return Group(*parts)


MANUAL = Manual(
    examples=(
        (
            "rlvr eval reverse --model tiny sampling.max_tokens=8 --limit 20",
            "A tiny model, to see how it goes",
        ),
        ("rlvr eval runs/quickstart-reverse", "A trained model, prompted and sampled as it was trained"),
        (
            "rlvr eval gsm8k env.data=test.jsonl --model FOLDER --n 16 --k 1,4,16",
            "pass@k from 16 samples a task",
        ),
        ("rlvr eval suite=math --model FOLDER --dry-run", "What it would do with a list of benchmarks"),
        ("rlvr eval gsm8k --endpoint http://localhost:8000/v1 --model NAME", "A model that a server holds"),
    ),
    page="evaluation",
    topics=("environments", "models", "settings", "files"),
    about=_of_environment,
    bare=_environments,
)
