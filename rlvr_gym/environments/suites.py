"""Suites: environments that are evaluated together, by name, each with options of its own.

Packages register theirs where they register their environments; a suite of one's own is a YAML file of the same shape.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr_gym import registry
from rlvr_gym.errors import ConfigError

if TYPE_CHECKING:
    from rlvr_gym.config import Settings

_FILES = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A named list of environments. `members` has the options of each, which may be none."""

    name: str
    about: str = ""
    members: Mapping[str, Settings]


_suites: dict[str, Suite] = {}


def register_suite(name: str, members: Sequence[str] | Mapping[str, Settings], *, about: str = "") -> None:
    """Give a list of environments a name, with options where it is a mapping; they are looked up when it is used."""
    listed = members if isinstance(members, Mapping) else {member: {} for member in members}
    _suites[name] = Suite(name=name, about=about, members=dict(listed))


def list_suites() -> dict[str, Suite]:
    """Every registered suite by its name."""
    registry.discover_once()
    return dict(sorted(_suites.items()))


def find_suite(name: str) -> Suite:
    """The suite of that name, or the one in that YAML file.

    Raises ConfigError where there is none, and where it has members that are no environments: it names all of them.
    """
    suite = _of_file(Path(name).expanduser()) if name.endswith(_FILES) else _registered(name)
    unknown = [f"{member}: {why}" for member in suite.members if (why := _unknown(member))]
    if unknown:
        raise ConfigError(f"suite '{name}' has members that are no environments here: {'; '.join(unknown)}")
    if not suite.members:
        raise ConfigError(f"suite '{name}' has no members")
    return suite


def _registered(name: str) -> Suite:
    suites = list_suites()
    if name in suites:
        return suites[name]
    close = difflib.get_close_matches(name, suites, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ";"
    raise ConfigError(f"no suite '{name}'{hint} possible: {', '.join(suites)}, or a .yaml file of one's own")


def _of_file(path: Path) -> Suite:
    """The suite in a YAML file: the name of each environment, and its options below it."""
    from rlvr_gym.config import read_yaml  # brings YAML, which registering a suite does not need

    members: dict[str, Settings] = {}
    for name, options in read_yaml(path).items():
        if not isinstance(options, dict | None):
            raise ConfigError(
                f"{path}: expected the options of '{name}', such as {{data: FILE}}, not {options!r}"
            )
        members[str(name)] = options or {}
    return Suite(name=path.stem, members=members)


def _unknown(member: str) -> str | None:
    """Say why a member is no environment; None where it is one."""
    try:
        registry.find(member)
    except ConfigError as error:
        return str(error).partition("; registered")[0].partition(" registered:")[0]
    return None
