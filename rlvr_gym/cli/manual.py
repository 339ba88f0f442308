"""The help of a command beyond its options: examples, exit codes, topics, a page of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from rlvr_gym.cli.exits import MEANINGS, Exit
from rlvr_gym.errors import ConfigError

Function = TypeVar("Function", bound=Callable[..., object])

_WORDS = "rlvr.words"
_UsageError: Any = typer.BadParameter.__bases__[0]
"""The error for arguments that cannot be parsed. Typer gives it no public name."""


@dataclass(frozen=True, kw_only=True)
class Manual:
    """The manual of a command.

    `examples` are command lines and what each does. `exits` overrides the usual meanings of exit codes.
    `about` returns the help for the words typed beside `--help`, or None for the usual help; `bare` is shown when the
    command is called without arguments.
    """

    examples: Sequence[tuple[str, str]]
    page: str
    topics: Sequence[str] = ()
    exits: Mapping[int, str] = field(default_factory=dict)
    about: Callable[[Sequence[str]], RenderableType | None] | None = None
    bare: Callable[[], RenderableType] | None = None


_manuals: dict[Callable[..., object], Manual] = {}


def documented(manual: Manual) -> Callable[[Function], Function]:
    """Give a command its manual."""

    def keep(function: Function) -> Function:
        _manuals[function] = manual
        return function

    return keep


def manual_of(function: Callable[..., object]) -> Manual | None:
    """The manual of a command's function, None where it has none."""
    return _manuals.get(function)


class Command(TyperCommand):
    """A command whose help ends with its manual."""

    manual: ClassVar[Manual | None] = None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; show what there is to choose from where there are none."""
        ctx.meta[_WORDS] = [word for word in args if not word.startswith("-")]
        if not args and self.manual and self.manual.bare and not ctx.resilient_parsing:
            Console().print(self.manual.bare())
            ctx.exit(Exit.REFUSED)
        with _told_in_a_line(ctx):
            return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, or the one for what is named on the command line."""
        words = ctx.meta.get(_WORDS, [])
        shown = self.manual.about(words) if self.manual and self.manual.about and words else None
        console = Console(highlight=False)
        if shown is not None:
            console.print(shown)
            return
        super().format_help(ctx, formatter)
        console.print(_ending(self.manual), soft_wrap=True)


class Commands(TyperGroup):
    """A group of commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments before the command."""
        with _told_in_a_line(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        with _told_in_a_line(ctx):
            return super().resolve_command(ctx, args)


@contextmanager
def _told_in_a_line(ctx: Any) -> Iterator[None]:
    """Raise ConfigError for arguments that cannot be read."""
    try:
        yield
    except _UsageError as error:
        said = error.format_message().rstrip(".")
        if not said:  # a group without a command, whose help was shown
            raise
        raise ConfigError(f"{said}; `{ctx.command_path} --help` says what it takes") from None


def command_class(function: Callable[..., object]) -> type[Command]:
    """The class of a command for Typer, with the manual of `function`."""
    return type("Command", (Command,), {"manual": manual_of(function)})


def _ending(manual: Manual | None) -> RenderableType:
    parts = [_heading("Exit codes")]
    own = manual.exits if manual else {}
    parts += [Text(f"  {int(code):<4} {meaning}") for code, meaning in sorted({**MEANINGS, **own}.items())]
    if manual is None:
        return Group(*parts)
    parts.append(_heading("Examples"))
    for line, meaning in manual.examples:
        parts += [Text(f"  # {meaning}", style="dim"), Text(f"  {line}")]
    parts.append(_heading("More"))
    parts += [Text(f"  rlvr help {topic}") for topic in manual.topics]
    parts.append(Text(f"  {documentation(manual.page)}"))
    return Group(*parts, Text())


def _heading(title: str) -> Text:
    return Text(f"\n{title}" if title != "Exit codes" else title, style="bold")


def documentation(page: str) -> str:
    """Locate a page of the documentation: on its site if the package names one, else in the source."""
    for line in metadata("rlvr-gym").get_all("Project-URL") or ():
        label, _, url = line.partition(", ")
        if label.lower() == "documentation":
            return f"{url.rstrip('/')}/{page}/"
    here = Path(__file__).parents[2] / "docs" / f"{page}.md"
    return str(here) if here.exists() else f"docs/{page}.md of the source"
