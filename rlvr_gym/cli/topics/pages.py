"""The topics of `rlvr help`: short texts on what several commands share."""

from __future__ import annotations

from importlib import resources

from rich.console import Console, RenderableType
from rich.text import Text

from rlvr_gym.cli.exits import MEANINGS
from rlvr_gym.cli.known import commands
from rlvr_gym.errors import ConfigError

_OF_COMMANDS = {"recipes": "train", "environments": "eval"}
"""Topics that list what a command can be given: they are what it shows when it is called without a word."""


def topic(name: str) -> RenderableType:
    """The text on a topic."""
    if name == "exit-codes":
        return Text("\n".join(f"{int(code):<4} {meaning}" for code, meaning in MEANINGS.items()))
    if name in _OF_COMMANDS:
        return _listing(_OF_COMMANDS[name])
    return Text((resources.files("rlvr_gym.cli.topics") / f"{name}.txt").read_text("utf-8").rstrip())


def _listing(command: str) -> RenderableType:
    from rlvr_gym.cli.manual import manual_of

    point = commands().get(command)
    manual = manual_of(point.load()) if point else None
    if manual is None or manual.bare is None:
        raise ConfigError(f"nothing here brings the command '{command}'")
    return manual.bare()


def show(name: str) -> None:
    """Print a topic."""
    Console(highlight=False).print(topic(name))
