"""Inspect: a task with its dataset, solver and scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

from rlvr_gym.export.targets.base import Export


@final
class InspectExport(Export):
    """An environment as a task of Inspect.

    A completion that could not be judged is `Score.unscored(reason="scoring_failed")`, which Inspect leaves out of its
    metrics: its NOANSWER counts as 0 there.
    """

    target, evaluates = "inspect", True
    files = {"task.py": "inspect_task.template"}  # noqa: RUF012 - as declared

    def task(self) -> Any:
        """The `inspect_ai.Task`."""
        from rlvr_gym.export.targets.inspect_task import task_of

        return task_of(self)

    def next_step(self, folder: Path) -> str:
        """A line on how to evaluate."""
        return f"inspect eval {folder}/task.py --model MODEL"


EXPORT = InspectExport
