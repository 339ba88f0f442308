"""Where metrics go: `metrics.jsonl` and TensorBoard always, W&B and trackio when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, final

from rlvr_gym.errors import ConfigError
from rlvr_gym.files import append_lines, read_lines, write_lines

Metrics = dict[str, float]


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
    """`metrics.jsonl`: one line per step. Steps past `resumed_from` are cut off: they are done again."""

    def __init__(self, path: Path, *, resumed_from: int) -> None:
        self._path = path
        if path.exists():
            write_lines(path, [row for row in read_lines(path) if row["step"] <= resumed_from])

    def log(self, step: int, metrics: Metrics) -> None:
        """Append a line."""
        append_lines(self._path, [{"step": step, **metrics}])

    def close(self) -> None:
        """Nothing to do: every line is on disk already."""


@final
class TensorBoard:
    """Event files under `tensorboard/`."""

    def __init__(self, folder: Path, *, resumed_from: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(folder, purge_step=resumed_from + 1)

    def log(self, step: int, metrics: Metrics) -> None:
        """Write scalars."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


@final
class Hosted:
    """W&B, or trackio, which has the same interface."""

    def __init__(self, module: str, run_name: str, config: dict[str, object]) -> None:
        try:
            self._library = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ConfigError(f"run.trackers asks for {module}, which is missing: pip install {module}") from error
        self._library.init(project="rlvr-gym", name=run_name, config=config)
        self._log: Callable[..., object] = self._library.log

    def log(self, step: int, metrics: Metrics) -> None:
        """Send them."""
        self._log(metrics, step=step)

    def close(self) -> None:
        """Finish the hosted run."""
        self._library.finish()
