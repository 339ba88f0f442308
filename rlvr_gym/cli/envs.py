"""`rlvr envs`: what is registered, and what each environment asks."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rlvr_gym import registry
from rlvr_gym.cli.settings import EnvOptions, make_environment
from rlvr_gym.environment import Card
from rlvr_gym.errors import ConfigError, DataError


def envs(
    name: Annotated[str | None, typer.Argument(help="An environment's name or id, to see its card.")] = None,
    options: EnvOptions = None,
) -> None:
    """List the environments, or show the card, the options and an example of one."""
    console = Console()
    if name is None:
        console.print(_all())
        return
    id = registry.find(name)
    console.print(_card(id, registry.registered()[id]))
    console.print("options, given as env.OPTION=VALUE:")
    console.print(_options(id))
    console.print(_example(id, options or []))


def _all() -> Table:
    table = Table(show_lines=True)
    for column in ("name", "what it asks", "where the tasks come from", "licence"):
        table.add_column(column, no_wrap=column == "name")
    for id, card in registry.registered().items():
        facts = (card.summary, card.source, card.licence) if card else ("(no card)", "", "")
        table.add_row(registry.short_name(id), *map(Text, facts))
    return table


def _card(id: str, card: Card | None) -> Panel:
    if card is None:
        return Panel("(no card)", title=id, title_align="left")
    sampling = ", ".join(f"{name} {value:g}" for name, value in card.sampling)
    facts = {
        "asks": card.summary,
        "source": card.source,
        "licence": card.licence,
        "answer": card.answer,
        "sampling": f"{sampling}; {card.samples_per_task} samples per task",
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title=id, title_align="left")


def _options(id: str) -> Table:
    table = Table("option", "default")
    for name, parameter in registry.options(id).items():
        required = parameter.default is parameter.empty
        table.add_row(name, "(required)" if required else Text(repr(parameter.default)))
    return table


def _example(id: str, overrides: list[str]) -> Panel:
    needs_data = "data" in registry.options(id)
    if needs_data and not any(setting.startswith("env.data=") for setting in overrides):
        return Panel("give env.data=PATH to see one", title="example", title_align="left")
    try:
        env = make_environment(id, overrides)
        task = env.tasks[0]
    except (ConfigError, DataError) as error:
        return Panel(Text(str(error)), title="no example", title_align="left")
    solution = env.solution(task)
    shown = [Text(task.text)] + ([] if solution is None else [Text(f"\nright: {solution}", style="dim")])
    return Panel(Text("\n").join(shown), title=f"example, task {task.id}", title_align="left")
