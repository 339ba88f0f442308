"""`rlvr help`: a topic, a command, or what there is."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

from rlvr_gym.cli import overview
from rlvr_gym.cli.completion import complete_help
from rlvr_gym.cli.known import commands
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.topics.names import TOPICS
from rlvr_gym.cli.topics.pages import show
from rlvr_gym.errors import ConfigError


@documented(
    Manual(
        examples=(
            ("rlvr help", "Every command and topic"),
            ("rlvr help settings", "How settings are written"),
            ("rlvr help eval", "The same as `rlvr eval --help`"),
        ),
        page="training",
    )
)
def show_help(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC|COMMAND]", help="What to explain.", autocompletion=complete_help),
    ] = None,
) -> None:
    """Explain a topic or a command."""
    from rlvr_gym.cli.main import main

    if name is None:
        overview.show()
    elif name in TOPICS:
        show(name)
    elif name in commands():
        main([name, "--help"])
    else:
        known = [*TOPICS, *sorted(commands())]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ConfigError(f"no topic '{name}'; {hint}topics: {', '.join(TOPICS)}; or name a command")
