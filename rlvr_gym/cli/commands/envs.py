"""`rlvr envs`: what is registered, and what each environment asks."""

from __future__ import annotations

import inspect
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rlvr_gym import registry
from rlvr_gym.audit.badge import badge
from rlvr_gym.cli.completion import complete_environment
from rlvr_gym.cli.display.settings_table import option_rows
from rlvr_gym.cli.display.tables import AUDITED, marked, options_table
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.cli.settings import EnvOptions, make_environment
from rlvr_gym.environments.base import EnvironmentCard
from rlvr_gym.environments.suites import list_suites
from rlvr_gym.errors import ConfigError, DataError

MANUAL = Manual(
    examples=(
        ("rlvr envs", "What there is"),
        ("rlvr envs gsm8k env.data=test.jsonl", "Card, options and a task of one"),
        ("rlvr envs --json", "For a program"),
    ),
    page="environments",
    topics=("environments", "settings"),
)


@documented(MANUAL)
def envs(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENV]",
            help="An environment's name or id, to see its card.",
            autocompletion=complete_environment,
        ),
    ] = None,
    options: EnvOptions = None,
    as_json: AsJson = False,
) -> None:
    """List the environments, or show the card, the options and an example of one."""
    if as_json:
        told = [_described(id) for id in ([registry.find(name)] if name else registry.list_environments())]
        typer.echo(json.dumps(told[0] if name else told, indent=1))
        return
    console = Console()
    if name is None:
        console.print(_all(console))
        for suite in list_suites().values():
            said = f"suite={suite.name}: {', '.join(suite.members)}"
            console.print(said, highlight=False, markup=False)
        return
    id = registry.find(name)
    console.print(_card(id, registry.list_environments()[id]))
    if kept := badge(id):
        console.print(Text(f"{AUDITED} audited: {kept}"))
    console.print("options, given as env.OPTION=VALUE:")
    console.print(options_table(id, options or []))
    console.print(_example(id, options or []))


def _all(console: Console) -> Table:
    """Every environment, those of a family together."""
    caption = f"{AUDITED} audited, no false positive; more of one: rlvr envs NAME"
    table = Table(caption=caption, caption_justify="left", show_edge=False, pad_edge=False)
    table.add_column("family", no_wrap=True)
    table.add_column("name", no_wrap=True)
    table.add_column("what it asks")
    table.add_column("turns", justify="right")
    cards = registry.list_environments()
    names = {id: marked(id) for id in cards}
    families = {id: registry.family(id) for id in cards}
    taken = [max(map(len, column.values())) for column in (names, families)]
    room = console.width - sum(taken) - len("turns") - 3 * len(" │ ")
    before = None
    for id in sorted(cards, key=lambda id: (families[id], names[id])):
        card, family = cards[id], families[id]
        summary = Text(card.summary if card else "(no card)")
        summary.truncate(room, overflow="ellipsis")
        table.add_row("" if family == before else family, names[id], summary, str(card.turns) if card else "")
        before = family
    return table


def _described(id: str) -> dict[str, object]:
    """An environment for a program: its names, its card, its options."""
    card, kept = registry.list_environments()[id], badge(id)
    return {
        "name": registry.short_name(id),
        "id": id,
        "family": registry.family(id),
        "card": card.model_dump(mode="json") if card else None,
        "audited": str(kept) if kept else None,
        "options": [
            {
                "name": row.key.removeprefix("env."),
                "default": row.value,
                "type": row.kind,
                "meaning": row.meaning,
            }
            for row in option_rows(registry.options(id), registry.about(id), {})
        ],
    }


def _card(id: str, card: EnvironmentCard | None) -> Panel:
    if card is None:
        return Panel("(no card)", title=id, title_align="left")
    sampling = ", ".join(f"{name} {value:g}" for name, value in card.sampling)
    facts = {
        "asks": f"{card.summary} {card.detail}".strip(),
        "turns": str(card.turns),
        "source": card.source,
        "licence": card.licence,
        "answer": card.answer,
        **({"holds": f"problems of {', '.join(card.overlap_groups)}"} if card.overlap_groups else {}),
        "sampling": f"{sampling}; {card.samples_per_task} sample{'s' * (card.samples_per_task > 1)} per task",
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title=id, title_align="left")


def _example(id: str, overrides: list[str]) -> Panel:
    """A task with its solution. Nothing is fetched from the hub unless it is named in `overrides`."""
    given = {setting.partition("=")[0] for setting in overrides}
    options = {f"env.{name}": parameter.default for name, parameter in registry.options(id).items()}
    required = [name for name, default in options.items() if default is inspect.Parameter.empty]
    env = make_environment(id, overrides) if given.issuperset(required) else None
    wanted = [name for name in options if name not in given and (name in required or name == "env.data")]
    if env is None or wanted:
        return Panel(
            f"give {' '.join(f'{name}=...' for name in wanted)} to see one",
            title="example",
            title_align="left",
        )
    try:
        task = env.tasks.unchecked()[0]
    except (ConfigError, DataError) as error:
        return Panel(Text(str(error)), title="no example", title_align="left")
    solution = env.solution(task)
    shown = [Text(task.text)] + ([] if solution is None else [Text(f"\nright: {solution}", style="dim")])
    return Panel(Text("\n").join(shown), title=f"example, task {task.id}", title_align="left")
