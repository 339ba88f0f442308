"""`rlvr sandbox`: build the image in which programs run, and check what runs them on this machine."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rlvr_sandbox import (
    AssertTests,
    BlockingSandbox,
    CallTest,
    CallTests,
    Program,
    ProgramOutcome,
    Sandbox,
    SandboxError,
    StdioTest,
    StdioTests,
    conformance,
)
from rlvr_sandbox.backends.choice import BACKENDS
from rlvr_sandbox.installing import pip_install

from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.errors import ConfigError, RlvrError
from rlvr_gym.files import JsonObject

Host = Annotated[
    str | None,
    typer.Option(help="The Docker engine, as DOCKER_HOST gives it; without: that, or this machine's."),
]

SAMPLE = 2
"""Programs of each family of attacks, and of honest ones, that a check without --full runs."""

PROGRAMS = {
    "stdio": Program(
        source="print(sum(map(int, input().split())))",
        tests=StdioTests(tests=(StdioTest(input="1 2 3\n", expected="6\n"),)),
    ),
    "call": Program(
        source="def add(a, b):\n    return a + b",
        tests=CallTests(function="add", tests=(CallTest(arguments=(40, 2), expected=42),)),
    ),
    "assert": Program(
        source="def sort(a):\n    return sorted(a)",
        tests=AssertTests(tests=("assert sort([3, 1, 2]) == [1, 2, 3]",), names=("sort",)),
    ),
}
"""The programs that measure throughput: one with a single test for each kind."""

Case = TypeVar("Case")

app = typer.Typer(
    no_args_is_help=True, help="Build the image in which programs run; check what runs them here."
)


def _named(function: Callable[..., object]) -> Callable[..., object]:
    """The command, whose sandbox errors are told as errors of ours."""

    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        try:
            return function(*args, **kwargs)
        except SandboxError as error:
            raise RlvrError(str(error)) from error

    return run


@app.command()
@documented(
    Manual(
        examples=(
            ("rlvr sandbox build", "From the registry's Python image"),
            ("rlvr sandbox build --base-from debian", "Where no registry can be reached"),
        ),
        page="sandbox",
    )
)
@_named
def build(
    host: Host = None,
    base_from: Annotated[
        str | None,
        typer.Option(
            help="An image with Python 3.11, pulled if need be; `debian`: made here from Debian packages, where "
            "no registry can be reached; or a root file system as a .tar.  [default: python:3.11-slim]",
            show_default=False,
        ),
    ] = None,
    packages: Annotated[
        str, typer.Option(help="What programs may import, as pip names it, separated by commas.")
    ] = "numpy",
    mirror: Annotated[
        str | None, typer.Option(help="The Debian mirror for `--base-from debian`.", show_default=False)
    ] = None,
    certificates: Annotated[
        Path | None, typer.Option(help="The folder with ca.pem, cert.pem and key.pem, for tcp://.")
    ] = None,
) -> None:
    """Build the Docker image of the sandbox. Not needed where bubblewrap is used."""
    with _docker_package():
        from rlvr_sandbox.engines import build as recipe
        from rlvr_sandbox.engines.engine import Engine
    with contextlib.closing(Engine(host, certificates=certificates)) as engine:
        tag = recipe.build(
            engine,
            base_from=base_from or recipe.PULLED_BASE,
            packages=[name.strip() for name in packages.split(",") if name.strip()],
            mirror=mirror,
            say=typer.echo,
        )
    typer.echo(f"{tag} is built. Next: rlvr sandbox check{f' --host {host}' if host else ''}")


@app.command()
@documented(
    Manual(
        examples=(
            ("rlvr sandbox check", "What works here, in a minute"),
            ("rlvr sandbox check --full --json", "The whole suite of attacks, for a program"),
        ),
        page="sandbox",
        exits={1: "no backend works, or one was fooled or refused an honest program"},
    )
)
@_named
def check(
    host: Host = None,
    full: Annotated[bool, typer.Option("--full", help="Run the whole suite of attacks: minutes.")] = False,
    seconds: Annotated[
        float, typer.Option(min=0.0, max=3600.0, help="For how long to measure each kind of test.")
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Say which backends work here and why others do not, attack them, and measure them.

    Exits with 1 where no backend works, or one of them was fooled or refused an honest program.
    """
    console = Console(soft_wrap=True, highlight=False, quiet=as_json)
    told: dict[str, JsonObject] = {}
    slots = len(os.sched_getaffinity(0))
    opened: dict[str, BlockingSandbox] = {}
    try:
        for name in BACKENDS:
            backend = host if name == "docker" and host else name
            try:
                opened[name] = Sandbox.open_sync(backend, slots=slots)
                trust = opened[name].backends[0].trust.value
                told[name] = {"works": True, "trust": trust}
                console.print(f"{name}: works, trust '{trust}'", style="green")
            except SandboxError as error:
                told[name] = {"works": False, "why": str(error)}
                console.print(f"{name}: {escape(str(error))}", style="yellow")
        wrong = {name: _attacked(console, name, box, full=full) for name, box in opened.items()}
        for name, found in wrong.items():
            told[name] |= {"complaints": found}
        if opened:
            rates = _throughput(opened, slots, seconds)
            console.print(_rates_table(rates, slots))
            for name, measured in rates.items():
                told[name] |= {"programs_per_second": measured}
    finally:
        for box in opened.values():
            box.close()
    if as_json:
        typer.echo(json.dumps(told, indent=1))
    if not opened:
        raise RlvrError("no sandbox works on this machine")
    if any(wrong.values()):
        raise RlvrError("not to be trusted: " + ", ".join(name for name, found in wrong.items() if found))


@contextlib.contextmanager
def _docker_package() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the image needs docker-py, which is not installed: {pip_install('docker')} ({error})"
        ) from None


def _attacked(console: Console, name: str, box: BlockingSandbox, *, full: bool) -> list[str]:
    """Attack a sandbox, and list what went wrong."""
    attacks = _some(conformance.FAMILIES.values(), full=full)
    honest = _some(conformance.HONEST_FAMILIES.values(), full=full)
    found = conformance.complaints(box, attacks, honest)
    verdict = f"{len(found)} complaints" if found else "none fooled it, none was refused"
    console.print(
        f"{name}: {len(attacks)} attacks, {len(honest)} honest programs: {verdict}",
        style="red" if found else "green",
    )
    for complaint in found:
        console.print(f"  {escape(complaint)}")
    return found


def _some(families: Iterable[tuple[Case, ...]], *, full: bool) -> list[Case]:
    return [case for family in families for case in (family if full else family[:SAMPLE])]


def _throughput(
    opened: dict[str, BlockingSandbox], slots: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Programs per second of every backend, by kind of test."""
    return {
        name: {kind: _rate(box, program, 4 * slots, seconds) for kind, program in PROGRAMS.items()}
        for name, box in opened.items()
    }


def _rates_table(rates: dict[str, dict[str, float]], slots: int) -> Table:
    table = Table(title=f"programs per second, {slots} at a time, one test each", title_justify="left")
    table.add_column("backend")
    for kind in PROGRAMS:
        table.add_column(kind, justify="right")
    for name, measured in rates.items():
        table.add_row(name, *(f"{measured[kind]:.0f}" for kind in PROGRAMS))
    return table


def _rate(box: BlockingSandbox, program: Program, ahead: int, seconds: float) -> float:
    """Programs per second while `ahead` of them are always queued or running."""
    box.run(program)
    started = time.perf_counter()
    futures = [box.submit(program) for _ in range(ahead)]
    done = 0
    while futures:
        result = futures.pop(0).result()
        if result.outcome is not ProgramOutcome.PASSED:
            raise RlvrError(f"a right program ended as {result.outcome.value}: {result.reason}")
        done += 1
        if time.perf_counter() - started < seconds:
            futures.append(box.submit(program))
    return done / (time.perf_counter() - started)
