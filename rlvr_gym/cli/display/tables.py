"""Tables that several commands show."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rlvr_gym import registry
from rlvr_gym.audit.badge import badge
from rlvr_gym.cli.display.settings_table import option_rows
from rlvr_gym.config import Settings, parse_overrides
from rlvr_gym.environments.suites import list_suites

AUDITED = "✓"
"""Marks an environment whose verifier, as it is now, has stood an audit."""


def listing(rows: Sequence[tuple[str, str]], headings: tuple[str, str]) -> Table:
    """Names with a line each, cut to the width of the terminal."""
    table = Table(box=None, pad_edge=False)
    table.add_column(headings[0], no_wrap=True)
    table.add_column(headings[1], no_wrap=True)
    room = Console().width - max(len(name) for name, _ in rows) - 2
    for name, said in rows:
        text = Text(said)
        text.truncate(max(20, room), overflow="ellipsis")
        table.add_row(name, text)
    return table


def environments_table() -> Table:
    """The environments of each family, and of each suite; those whose verifier has stood an audit are marked."""
    families: dict[str, list[str]] = {}
    for id in registry.list_environments():
        families.setdefault(registry.family(id), []).append(marked(id))
    table = Table("family", "environments", box=None, pad_edge=False)
    for family, names in sorted(families.items()):
        table.add_row(family, ", ".join(sorted(names)))
    for suite in list_suites().values():
        table.add_row(f"suite={suite.name}", ", ".join(suite.members))
    table.caption, table.caption_justify = f"{AUDITED} audited, no false positive", "left"
    return table


def marked(id: str) -> str:
    """An environment's short name, with a mark where its audit stands."""
    return f"{registry.short_name(id)} {AUDITED}" if badge(id) else registry.short_name(id)


def options_table(id: str, overrides: Sequence[str] = ()) -> Table:
    """The options of an environment: default or given value, type and meaning."""
    given: Settings = parse_overrides([one for one in overrides if one.startswith("env.")]).get("env", {})
    table = Table("option", "value", "type", "meaning", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in option_rows(registry.options(id), registry.about(id), given):
        value = Text(row.value, style="bold" if row.changed else "")
        table.add_row(
            Text(row.key.removeprefix("env.")), value, Text(row.kind, style="dim"), Text(row.meaning)
        )
    return table
