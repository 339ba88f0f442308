"""Destinations of metrics: `metrics.jsonl` and TensorBoard always, W&B and trackio when asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, final

from rlvr_gym.errors import ConfigError
from rlvr_gym.files import append_lines
from rlvr_trainers.metrics import Metrics


class Tracker(Protocol):
    """Takes one step's metrics."""

    def log(self, step: int, metrics: Metrics) -> None:
        """Record them."""
        ...

    def close(self) -> None:
        """Finish writing."""
        ...


@final
class MetricsFile:
    """`metrics.jsonl`: one line per step."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def log(self, step: int, metrics: Metrics) -> None:
        """Append a line."""
        append_lines(self._path, [{"step": step, **metrics}])

    def close(self) -> None:
        """Nothing to do: every line is on disk already."""


@final
class TensorBoard:
    """Event files under `tensorboard/`; what earlier files hold from `first_step` on is void."""

    def __init__(self, folder: Path, *, first_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(folder, purge_step=first_step)

    def log(self, step: int, metrics: Metrics) -> None:
        """Write scalars."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


def refuse_missing(modules: Sequence[str]) -> None:
    """Raise ConfigError for a tracker that is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ConfigError(f"run.trackers asks for {module}, which is missing: pip install {module}")


@final
class Hosted:
    """W&B, or trackio, which has the same interface."""

    def __init__(self, module: str, run_name: str, config: dict[str, object]) -> None:
        self._library = importlib.import_module(module)
        self._library.init(project="rlvr-gym", name=run_name, config=config)
        self._log: Callable[..., object] = self._library.log

    def log(self, step: int, metrics: Metrics) -> None:
        """Send them."""
        self._log(metrics, step=step)

    def close(self) -> None:
        """Finish the hosted run."""
        self._library.finish()
