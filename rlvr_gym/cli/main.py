"""`rlvr`: finds the sub-command, imports that and nothing else, and says what went wrong in one line."""

from __future__ import annotations

import contextlib
import copy
import difflib
import errno
import functools
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr_gym.cli.known import commands
from rlvr_gym.errors import ConfigError, DataError, RlvrError

if TYPE_CHECKING:
    import typer

TRAIN_EXTRA = {"accelerate", "peft", "safetensors", "tensorboard", "tokenizers", "torch", "transformers"}
"""Packages that the extra `train` brings."""

HELP = ("-h", "--help")
COMPLETION = ("--install-completion", "--show-completion")
COMPLETE_VARIABLE = "_RLVR_COMPLETE"
"""A shell that completes a command line sets it."""
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EPIPE}
"""Errors of writing to standard output that are no fault of the program."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 it failed, 2 it was asked for what cannot work, 130 Ctrl-C.

    With RLVR_DEBUG=1, or --verbose, errors keep their traceback.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            _run(arguments)
        finally:
            sys.stdout.flush()
    except (RlvrError, ModuleNotFoundError, OSError) as error:
        message = _message(error)
        if message is None or os.environ.get("RLVR_DEBUG") == "1" or _is_verbose():
            raise
        if isinstance(error, OSError):
            _forget_output()
        _say(f"error: {message}", style="red")
        _report_to_torchrun(f"error: {message}")
        sys.exit(2 if isinstance(error, ConfigError | DataError | ModuleNotFoundError) else 1)


def _run(arguments: Sequence[str]) -> None:
    completing = COMPLETE_VARIABLE in os.environ
    if not completing and (not arguments or arguments[0] in (*HELP, "--version")):
        _introduce(arguments)
    flag, _, shell = arguments[0].partition("=") if arguments else ("", "", "")
    if flag in COMPLETION:
        from rlvr_gym.cli.completion import set_up

        set_up(shell or next(iter(arguments[1:]), None), install=flag == COMPLETION[0])
        return
    _app(_completed_words() if completing else arguments, completing)(args=list(arguments), prog_name="rlvr")


def _introduce(arguments: Sequence[str]) -> None:
    """Say what there is without a library for command lines, so that it takes no time; then exit."""
    from rlvr_gym.cli import overview

    if arguments and arguments[0] == "--version":
        print(f"rlvr-gym {version('rlvr-gym')}")
    else:
        overview.show()
    sys.exit(0 if arguments else 2)


def _completed_words() -> list[str]:
    """The words after `rlvr` of a command line that a shell completes, but for the one it stands in."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return line.split()[1:-1] if not line.endswith(" ") else line.split()[1:]


def _app(arguments: Sequence[str], completing: bool) -> typer.Typer:
    """An app of the one sub-command that is asked for; the others are in it by name where a shell completes."""
    import typer

    from rlvr_gym.cli.manual import Commands

    asked = next((word for word in arguments if not word.startswith("-")), None)
    known = commands()
    if asked is not None and asked not in known and not completing:
        raise ConfigError(_unknown(asked, known))
    app = typer.Typer(
        cls=Commands,
        add_completion=completing,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": list(HELP)},
    )
    app.callback()(_callback)
    for name in sorted(known) if completing or asked is None else [asked]:
        if name == asked:
            _add(app, name, known[name].load())
        else:
            app.command(name)(_stand_in(known[name]))
    return app


def _add(app: typer.Typer, name: str, command: typer.Typer | Callable[..., object]) -> None:
    """Add a command, or an app of several, with its manual in its help."""
    import typer

    from rlvr_gym.cli.manual import Commands, command_class

    if not isinstance(command, typer.Typer):
        app.command(name, cls=command_class(command))(_prepared(command))
        return
    prepared = copy.copy(command)
    prepared.registered_commands = [copy.copy(inner) for inner in command.registered_commands]
    for inner in prepared.registered_commands:
        if inner.callback is not None:
            inner.cls, inner.callback = command_class(inner.callback), _prepared(inner.callback)
    app.add_typer(prepared, name=name, cls=Commands)


def _callback() -> None:
    """rlvr-gym: rewards you can trust, gradients you can check, error bars you can believe."""


def _unknown(asked: str, known: dict[str, EntryPoint]) -> str:
    close = difflib.get_close_matches(asked, known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"no command '{asked}'; {hint}possible: {', '.join(sorted(known))}"


def _stand_in(point: EntryPoint) -> Callable[[], None]:
    """A command by its name and summary alone."""
    from rlvr_gym.cli.overview import summary

    def missing() -> None: ...

    missing.__doc__ = summary(point)
    return missing


def _prepared(function: Callable[..., object]) -> Callable[..., object]:
    """The command with --quiet and --verbose, which a Ctrl-C ends in one line."""
    import typer

    from rlvr_gym.cli.exits import Exit
    from rlvr_gym.cli.loudness import Quiet, Verbose, choose

    @functools.wraps(function)
    def run(*args: object, quiet: bool = False, verbose: bool = False, **kwargs: object) -> object:
        choose(quiet=quiet, verbose=verbose)
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            _say("interrupted")
            raise typer.Exit(Exit.INTERRUPTED) from None

    signature = inspect.signature(function, eval_str=True)
    more = {"quiet": Quiet, "verbose": Verbose}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in more.items()
        if name not in signature.parameters
    ]
    if len(added) == len(more):
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # pyright: ignore[reportAttributeAccessIssue]
        run.__annotations__ = {**function.__annotations__, **more}
    run.__doc__ = inspect.getdoc(function)
    return run


def _is_verbose() -> bool:
    from rlvr_gym.cli.loudness import Loudness, loudness

    return loudness() is Loudness.VERBOSE


def _message(error: Exception) -> str | None:
    """Return the message for the user; None if the error is a defect of ours."""
    if isinstance(error, OSError):
        if error.filename:
            return f"{error.filename}: {error.strerror}"
        return f"cannot write what there is to say: {error.strerror}" if error.errno in UNWRITABLE else None
    if not isinstance(error, ModuleNotFoundError):
        return str(error)
    package = (error.name or "").partition(".")[0]
    if package not in TRAIN_EXTRA:
        return None
    from rlvr_sandbox.installing import pip_install

    return f"this command needs {package}, which is not installed: {pip_install('train')}"


def _report_to_torchrun(text: str) -> None:
    """Put an error where torchrun looks for it, so that the page it ends with says it too."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        told = {"py_callstack": text, "timestamp": str(int(time.time()))}
        with contextlib.suppress(OSError):
            Path(path).write_text(
                json.dumps({"message": {"message": text, "extraInfo": told}}), encoding="utf-8"
            )


def _forget_output() -> None:
    """Drop what standard output could not take: the interpreter would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str, *, style: str | None = None) -> None:
    from rich.console import Console

    Console(stderr=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)
