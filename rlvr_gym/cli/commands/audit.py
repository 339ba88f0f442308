"""`rlvr audit`: attack the verifier of an environment, and say whether to train on it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from rlvr_gym import registry
from rlvr_gym.audit.badge import record
from rlvr_gym.audit.report import BLIND, AuditReport, FamilyResult, Rate
from rlvr_gym.audit.runner import audit
from rlvr_gym.cli.completion import complete_environment
from rlvr_gym.cli.loudness import note, progress_console
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.cli.settings import EnvOptions, make_environment
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError, DataError, VerifierFault

UNSOUND = 1
NOT_AUDITED = 2

EnvAttacked = Annotated[
    str | None,
    typer.Argument(
        metavar="ENV",
        help="An environment's name or id, of any package; not with --all.",
        autocompletion=complete_environment,
    ),
]
Every = Annotated[
    bool,
    typer.Option(
        "--all", help="Audit every registered environment; options then begin with a name: gsm8k.data=PATH."
    ),
]
TasksAttacked = Annotated[int, typer.Option(min=1, help="How many tasks to attack.")]
PerFamily = Annotated[
    int | None, typer.Option(min=1, help="At most so many attacks of each family; all unless given.")
]
Deadline = Annotated[
    float, typer.Option(min=0.001, max=86400, help="Seconds that a verdict, or a turn, may take.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on any false positive.")]
Record = Annotated[
    bool, typer.Option("--record", help="Keep the result as a badge beside the environment's code.")
]

MANUAL = Manual(
    examples=(
        ("rlvr audit countdown", "20 tasks"),
        ("rlvr audit my_tasks.py:double --tasks 50 --strict", "A task of your own; any false positive fails"),
        ("rlvr audit --all gsm8k.data=test.jsonl", "Every environment whose data is given"),
    ),
    page="audit",
    topics=("environments",),
    exits={
        0: "the verifier is sound",
        UNSOUND: "it is not: code ran, it crashed or hung, too many verdicts were wrong; or no solution is known",
        NOT_AUDITED: "asked for what cannot work, or nothing could be judged",
    },
)


@documented(MANUAL)
def audit_environment(
    env: EnvAttacked = None,
    options: EnvOptions = None,
    every: Every = False,
    tasks: TasksAttacked = 20,
    per_family: PerFamily = None,
    deadline: Deadline = 30.0,
    strict: Strict = False,
    as_json: AsJson = False,
    keep: Record = False,
) -> None:
    """Attack a verifier: false positives, false negatives, crashes, hangs, and code that ran.

    Exits with 0 where the verifier is sound, 1 where it is not: code ran, it crashed, hung or was inconsistent, or
    there were more than 1 % false positives (any, with --strict) or 3 % false negatives. 2: nothing could be judged.
    """
    given = list(options or [])
    if every and env is not None:
        given.insert(0, env)
    chosen = _all(given) if every else [_one(env, given)]
    reports: list[AuditReport] = []
    for one in chosen:
        try:
            reports.append(_audited(one, tasks, per_family, deadline))
        except (ConfigError, DataError) as error:
            if not every:
                raise
            note(f"{one.spec.id if one.spec else one} is not audited: {error}")
    if as_json:
        rows = [
            {"sound": r.sound(strict=strict), "held_against": r.held_against(strict=strict)}
            | r.model_dump(mode="json")
            for r in reports
        ]
        typer.echo(json.dumps(rows if every else rows[0], indent=1))
    else:
        for report in reports:
            show(report, strict=strict)
    if keep:
        _record(reports)
    if not all(report.sound(strict=strict) for report in reports):
        raise typer.Exit(UNSOUND)
    raise typer.Exit(0 if len(reports) == len(chosen) else NOT_AUDITED)


def _record(reports: Sequence[AuditReport]) -> None:
    """Keep the badges that are earned; then raise ConfigError where one is not."""
    for report in sorted(reports, key=lambda report: not report.sound(strict=True)):
        note(f"badge kept in {record(report)}")


def _one(name: str | None, options: Sequence[str]) -> Environment:
    if name is None:
        raise ConfigError("which environment? give its name, or --all for every registered one")
    return make_environment(name, options)


def _all(options: Sequence[str]) -> list[Environment]:
    """Every registered environment whose data is given; those left out are named on stderr."""
    chosen: list[Environment] = []
    names = {registry.short_name(id): id for id in registry.list_environments()}
    if unknown := [one for one in options if one.partition(".")[0] not in names]:
        raise ConfigError(f"cannot read {unknown[0]!r}: with --all, options look like gsm8k.data=PATH")
    for name, id in names.items():
        mine = [f"env.{one.partition('.')[2]}" for one in options if one.partition(".")[0] == name]
        accepted = registry.options(id)
        needed = {key for key, p in accepted.items() if p.default is inspect.Parameter.empty or key == "data"}
        if missing := needed - {one.removeprefix("env.").partition("=")[0] for one in mine}:
            wanted = " ".join(f"{name}.{key}=..." for key in sorted(missing))
            note(f"{name} is not audited: give {wanted}")
            continue
        chosen.append(make_environment(id, mine))
    return chosen


def _audited(env: Environment, tasks: int, per_family: int | None, deadline: float) -> AuditReport:
    """An audit with a live line on stderr."""
    assert env.spec is not None
    with Bar(
        TextColumn(f"attacking {env.spec.id}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=progress_console(),
        transient=True,
    ) as bar:
        line = bar.add_task("", total=None)

        def show_progress(done: int, total: int) -> None:
            bar.update(line, completed=done, total=total)

        try:
            return audit(
                env, tasks=tasks, per_family=per_family, deadline_seconds=deadline, on_progress=show_progress
            )
        except VerifierFault as error:
            raise ConfigError(f"'{env.spec.id}' cannot be audited: {error}") from error


def show(report: AuditReport, *, strict: bool = False) -> None:
    """Print a report: rates by family, the shortest example of each success, and the verdict on the verifier."""
    console = Console(highlight=False)
    console.print(f"{report.environment}: {report.attacks:,} attacks on {report.tasks} tasks", markup=False)
    console.print(_families(report))
    for family in report.families:
        for example in family.examples:
            cut = (
                "" if len(example.text) == example.characters else f"... ({example.characters:,} characters)"
            )
            console.print(Text(f"{example.failure}: {family.name}, {example.tries}", style="bold red"))
            console.print(Text(f"  task {_printable(example.task)}: {example.text!r}{cut}"))
            console.print(Text(f"  {_printable(example.said)}"))
    console.print(f"false positives: {report.false_positives or 'none tried'}", markup=False)
    console.print(f"false negatives: {report.false_negatives or 'none tried'}", markup=False)
    if report.untried:
        console.print(f"nothing to try of: {', '.join(report.untried)}", markup=False)
    _conclude(console, report.held_against(strict=strict))


def _conclude(console: Console, faults: Sequence[str]) -> None:
    """The verdict on the verifier and, where it is not sound, what to do."""
    if not faults:
        console.print(Text("sound", style="bold green"))
        return
    if list(faults) == [BLIND]:
        console.print(Text(f"NOT SHOWN TO BE SOUND: {BLIND}", style="bold yellow"))
        console.print(
            "Give the verifier a `solution(task)`, a completion that earns full marks: FunctionVerifier(check, "
            "solution=...) takes a function.",
            markup=False,
        )
        return
    console.print(Text(f"NOT SOUND: {'; '.join(faults)}", style="bold red"))
    console.print(
        "Do not train on this verifier yet: mend what the examples above show, the shortest of each kind. Where an "
        "attack is wrong about the task, say so with `open_ended` or `audit_decides` (docs/audit.md).",
        markup=False,
    )


def _printable(text: str) -> str:
    """Text of a third party's, in which nothing can steer the terminal or fail to be written."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _families(report: AuditReport) -> Table:
    table = Table("family", box=SIMPLE, show_edge=False, pad_edge=False)
    for heading in ("attacks", "false positives", "false negatives"):
        table.add_column(heading, justify="right")
    table.add_column("other failures")
    for family in report.families:
        table.add_row(
            Text(family.name),
            f"{family.attacks:,}",
            _cell(family.false_positives),
            _cell(family.false_negatives),
            _others(family),
        )
    return table


def _cell(rate: Rate | None) -> str:
    return "" if rate is None else f"{rate.count}  {rate.low:.1%}-{rate.high:.1%}"


def _others(family: FamilyResult) -> str:
    said = [f"{count} {failure}" for failure, count in family.failures.items() if "false" not in failure]
    said += [f"{family.left_out} left out"] if family.left_out else []
    return ", ".join(said)
