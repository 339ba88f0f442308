"""`rlvr`: finds the sub-command, imports that and nothing else, and says what went wrong in one line."""

from __future__ import annotations

import difflib
import errno
import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer
from rich.console import Console

from rlvr_gym.errors import ConfigError, DataError, RlvrError

GROUP = "rlvr_gym.commands"
"""Packages bring commands of their own through this entry-point group: Typer apps, or functions for one."""

OWN = {
    "eval": "rlvr_gym.cli.eval:evaluate_model",
    "compare": "rlvr_gym.cli.compare:compare_runs",
    "rescore": "rlvr_gym.cli.rescore:rescore_run",
    "report": "rlvr_gym.cli.report:report_runs",
    "verify": "rlvr_gym.cli.verify:verify",
    "audit": "rlvr_gym.cli.audit:audit_environment",
    "envs": "rlvr_gym.cli.envs:envs",
    "overlap": "rlvr_gym.cli.overlap:overlap",
    "play": "rlvr_gym.cli.play:play",
    "new": "rlvr_gym.cli.new:new",
    "sandbox": "rlvr_gym.cli.sandbox:app",
    "serve": "rlvr_gym.cli.serve:serve",
}

TRAIN_EXTRA = {"accelerate", "peft", "safetensors", "tensorboard", "tokenizers", "torch", "transformers"}
"""Packages that `pip install 'rlvr-gym[train]'` brings."""

INTERRUPTED = 130
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EPIPE}
"""How writing to standard output fails where nothing is wrong with the program."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 it failed, 2 it was asked for what cannot work, 130 Ctrl-C.

    With RLVR_DEBUG=1 errors keep their traceback.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            _app(arguments)(args=arguments, prog_name="rlvr")
        finally:
            sys.stdout.flush()
    except (RlvrError, ModuleNotFoundError, OSError) as error:
        message = _message(error)
        if message is None or os.environ.get("RLVR_DEBUG") == "1":
            raise
        if isinstance(error, OSError):
            _forget_output()
        _say(f"error: {message}", style="red")
        sys.exit(2 if isinstance(error, ConfigError | DataError | ModuleNotFoundError) else 1)


def commands() -> dict[str, EntryPoint]:
    """Every sub-command by name: our own, then those of other packages."""
    own = {name: EntryPoint(name, target, GROUP) for name, target in OWN.items()}
    return {**{point.name: point for point in sorted(entry_points(group=GROUP))}, **own}


def _app(arguments: Sequence[str]) -> typer.Typer:
    """An app of the one sub-command that is asked for, or of all of them where none is."""
    asked = next((word for word in arguments if not word.startswith("-")), None)
    known = commands()
    if asked is not None and asked not in known:
        raise ConfigError(_unknown(asked, known))
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
    app.callback()(_callback)
    for name in sorted(known) if asked is None else [asked]:
        command = known[name].load() if asked else _loaded_or_explained(known[name])
        if isinstance(command, typer.Typer):
            for inner in command.registered_commands:
                inner.callback = inner.callback and _interruptible(inner.callback)
            app.add_typer(command, name=name)
        else:
            app.command(name)(_interruptible(command))
    return app


def _callback(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=lambda on: _version(on))
    ] = False,
) -> None:
    """rlvr-gym: rewards you can trust, gradients you can check, error bars you can believe."""


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"rlvr-gym {version('rlvr-gym')}")
        raise typer.Exit


def _unknown(asked: str, known: dict[str, EntryPoint]) -> str:
    close = difflib.get_close_matches(asked, known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"no command '{asked}'; {hint}possible: {', '.join(sorted(known))}"


def _loaded_or_explained(point: EntryPoint) -> Callable[..., Any]:
    """The command's function; for a package that cannot be imported, a stand-in whose help says so."""
    try:
        return point.load()
    except Exception as error:  # noqa: BLE001 - another package's fault must not take the help down
        problem = f"(cannot be loaded: {type(error).__name__}: {error})"

    def missing() -> None:
        raise ConfigError(f"command '{point.name}' of {point.value} {problem}")

    missing.__doc__ = problem
    return missing


def _interruptible(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            _say("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    run.__doc__ = inspect.getdoc(function)
    return run


def _message(error: Exception) -> str | None:
    """What to tell the user; None for an error that is a defect of ours."""
    if isinstance(error, OSError):
        if error.filename:
            return f"{error.filename}: {error.strerror}"
        return f"cannot write what there is to say: {error.strerror}" if error.errno in UNWRITABLE else None
    if not isinstance(error, ModuleNotFoundError):
        return str(error)
    package = (error.name or "").partition(".")[0]
    if package not in TRAIN_EXTRA:
        return None
    return f"this command needs {package}, which is not installed: pip install 'rlvr-gym[train]'"


def _forget_output() -> None:
    """Drop what standard output could not take: the interpreter would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str, *, style: str | None = None) -> None:
    Console(stderr=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)
