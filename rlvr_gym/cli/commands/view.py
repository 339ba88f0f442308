"""`rlvr view`: the report of runs, live in a browser while they go on."""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rlvr_sandbox.installing import pip_install

from rlvr_gym.cli.completion import complete_run
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.errors import ConfigError
from rlvr_gym.report.page import refuse_no_runs

HOST = "127.0.0.1"

MANUAL = Manual(
    examples=(
        ("rlvr view runs/quickstart-reverse", "A run that goes on, or is over"),
        ("rlvr view runs/base runs/trained --port 0", "Several, at any free port"),
    ),
    page="evaluation",
    topics=("files",),
)


@documented(MANUAL)
def view_runs(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Folders of evaluations and training runs.", autocompletion=complete_run
        ),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to serve; 0 takes any free port.")
    ] = 8017,
    samples: Annotated[int, typer.Option(min=1, help="How many samples the page holds at most.")] = 5_000,
) -> None:
    """Serve the report of runs to this machine's browser, and keep it up to date while they go on.

    The page is that of `rlvr report`. Nothing outside this machine is answered. The run is another process, and
    its files are only read. Ctrl-C ends.
    """
    refuse_no_runs(runs)
    uvicorn, live = _installed()
    with _listening(port) as listener:
        chosen = listener.getsockname()[1]
        if sys.platform != "win32":
            os.nice(19)  # a run that goes on has the machine first
        typer.echo(f"http://{HOST}:{chosen}/ shows {', '.join(map(str, runs))}; Ctrl-C ends")
        latest = live.Latest(runs, samples)
        latest.look()
        app = live.live_app(latest, chosen, lambda: server.should_exit)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", server_header=False))
        server.run(sockets=[listener])


def _installed() -> tuple[ModuleType, ModuleType]:
    """The server and its app."""
    try:
        return import_module("uvicorn"), import_module("rlvr_gym.report.live")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise ConfigError(
            f"`rlvr view` needs {missing}, which is not installed: {pip_install('view')}"
        ) from error


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot serve at port {port}: {error.strerror}; --port 0 takes any free one"
        ) from error
    return listener
