"""`rlvr overlap`: which prompts two environments share."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from rlvr_gym import overlap as contamination
from rlvr_gym import registry
from rlvr_gym.cli.completion import complete_environment
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.config import parse_overrides, validate
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.settings import EnvConfig
from rlvr_gym.errors import ConfigError

SHARED = 1


MANUAL = Manual(
    examples=(
        ("rlvr overlap gsm8k gsm8k a.data=train.jsonl b.data=test.jsonl", "Two files"),
        ("rlvr overlap arithmetic arithmetic", "The two splits of one environment"),
    ),
    page="audit",
    topics=("environments",),
    exits={0: "they share nothing", SHARED: "they share prompts, or passages of them"},
)


@documented(MANUAL)
def overlap(
    first: Annotated[
        str,
        typer.Argument(
            metavar="ENV_A", help="The environment that is trained on.", autocompletion=complete_environment
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="ENV_B", help="The environment that is held out.", autocompletion=complete_environment
        ),
    ],
    options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="a.KEY=VALUE b.KEY=VALUE",
            help="Options of either: a.data=train.jsonl b.data=test.jsonl. Unless told otherwise the first has the "
            "split train, the second test.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count prompts of ENV_B that stand in ENV_A, whole or with a passage of 13 words; exits with 1 if any do."""
    given = parse_overrides(options or [])
    if unknown := sorted(set(given) - {"a", "b"}):
        raise ConfigError(
            f"cannot read '{unknown[0]}...': options of the first environment look like a.KEY=VALUE, those of the "
            "second like b.KEY=VALUE"
        )
    one, other = _made(first, given.get("a", {}), "train"), _made(second, given.get("b", {}), "test")
    known = contamination.known_overlap(one.card, other.card)
    if known and not as_json:
        typer.echo(f"known: {known}; rows that say the same in other words are not found")
    found = contamination.overlap(one.tasks, other.tasks)
    if as_json:
        typer.echo(json.dumps({"known": known, **found.model_dump(mode="json")}, indent=1))
    else:
        typer.echo(str(found))
        for shared in found.examples:
            typer.echo(f"  {shared.second} and {shared.first}: {shared.passage[:200]}")
    raise typer.Exit(0 if found.clean else SHARED)


def _made(name: str, options: object, split: str) -> Environment:
    if not isinstance(options, dict):
        raise ConfigError("options look like a.KEY=VALUE and b.KEY=VALUE")
    chosen = {"split": split} if "split" in registry.options(name) else {}
    return validate(EnvConfig, {**chosen, **options, "id": name}).make()
