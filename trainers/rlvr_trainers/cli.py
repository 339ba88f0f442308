"""The commands that this package brings to `rlvr`."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from rlvr_gym.errors import ConfigError

if TYPE_CHECKING:
    from rlvr_trainers.trainer import TrainResult


def train(
    recipe: Annotated[str, typer.Argument(help="A bundled recipe (grpo, dapo, ...) or a YAML file.")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="Settings laid over the recipe: key.sub=value ...")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes of this machine that share each step.")
    ] = 1,
) -> None:
    """Train a model on an environment; the same command resumes."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from rich.console import Console

    from rlvr_gym.config import parse_overrides
    from rlvr_trainers.recipe import load_recipe
    from rlvr_trainers.run.display import Display
    from rlvr_trainers.trainer import Trainer

    config = load_recipe(recipe, parse_overrides(settings or []))
    if processes > 1:
        raise typer.Exit(_run_processes(processes, ["train", recipe, *(settings or [])]))
    console = Console()
    trainer = Trainer(config, name=Path(recipe).stem, display=Display(console))
    if trainer.mesh.first:
        header = f"{recipe}: {config.model.path} on {config.env.id}, into {trainer.records.folder}"
        console.print(header, highlight=False, markup=False, soft_wrap=True)
    result = trainer.run()
    if trainer.mesh.first:
        console.print(_summary(result), highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(0 if result.finished else 130)


STOP_SECONDS = 3600
"""How long processes that were asked to stop may take to finish their update and write a checkpoint."""


def _run_processes(count: int, arguments: list[str]) -> int:
    """Run `rlvr ARGUMENTS` in `count` processes as torchrun would; the exit status.

    A stop is passed on to them, and the last word is theirs: torchrun itself ends with a traceback.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from rlvr_gym.cli.main import INTERRUPTED

    if "WORLD_SIZE" in os.environ:
        raise ConfigError(
            "--processes starts the processes of a run, and torchrun has done so: leave one of them out"
        )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        shutdown_timeout=STOP_SECONDS,
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    command = ("-c", "from rlvr_gym.cli.main import main; main()", *arguments)
    try:
        elastic_launch(launch, sys.executable)(*command)
    except SignalException:
        return INTERRUPTED
    except ChildFailedError as failure:
        status = failure.get_first_failure()[1].exitcode
        return status if status > 0 else 1
    return 0


def _summary(result: TrainResult) -> str:
    """What came of a run, where it is, and what to do next."""
    run = result.run_dir
    if not result.finished:
        return f"stopped after step {result.step}; the same command resumes {run}"
    scores = {"before": result.before, "after": result.after, "best": result.best}
    lines = [
        f"held-out pass@1 {name:6}  {score}  (step {score.step})" for name, score in scores.items() if score
    ]
    return "\n".join(
        [
            *lines,
            f"run folder  {run}",
            f"model       {run / 'model'}",
            f"report      {typed('rlvr')} report {run}",
            f"evaluate    {typed('rlvr')} eval {run}",
            f"curves      {typed('rlvr')} plot {run}",
            f"       or   {typed('tensorboard')} --logdir {run / 'tensorboard'}",
        ]
    )


def typed(command: str) -> str:
    """What to type for `command` of this installation: its name where the shell finds it, else its path."""
    ours = Path(sys.executable).with_name(command)
    found = shutil.which(command)
    if not ours.exists():
        return command if found else f"{sys.executable} -m {command}.main"
    if found is not None and Path(found).resolve() == ours.resolve():
        return command
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)
