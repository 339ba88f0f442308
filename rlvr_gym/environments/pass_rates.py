"""Tasks chosen by how often a model was right at them, by the word of a stored evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.files import read_lines
from rlvr_gym.rows import Row
from rlvr_gym.tasks import Task, TaskSet


class PassRate(BaseModel):
    """One line of the export: a prompt, and how often which model was right.

    Environment and fingerprint stand in every line, so that no prompt is chosen by what was measured on others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    pass_rate: float
    correct: int
    scored: int
    environment: str
    fingerprint: str
    model: str


def by_pass_rate(tasks: TaskSet, path: Path, bounds: tuple[float, float]) -> TaskSet:
    """The tasks that were answered right at a rate within `bounds`, both included, by the word of `path`.

    `path` is the export of an evaluation of these very tasks: another fingerprint raises DataError, as does a file
    without a task between the bounds. Nothing is read before the first access.
    """
    low, high = bounds
    if not 0 <= low <= high <= 1:
        raise ConfigError(f"pass rates lie between 0 and 1, the lower one first, not {[low, high]}")
    return TaskSet.from_rows(
        lambda: _chosen(tasks, path, low, high),
        _task,
        name=f"{tasks.name}, pass rate {low:g} to {high:g}",
        split=tasks.split,
    )


def _chosen(tasks: TaskSet, path: Path, low: float, high: float) -> Iterator[tuple[str, Row]]:
    if not path.exists():
        raise DataError(f"there is no {path}: `rlvr eval ENV env.split=... --curriculum` writes such files")
    rates = []
    for number, row in enumerate(read_lines(path), start=1):
        place = f"{path}, line {number}"
        try:
            measured = PassRate.model_validate(row)
        except ValidationError as error:
            raise DataError(f"{place} is no pass rate: {error.errors()[0]['msg']}") from error
        if measured.fingerprint != tasks.fingerprint:
            raise DataError(
                f"{place}: measured on the tasks {measured.fingerprint} of {measured.environment}, and '{tasks.name}' "
                f"({tasks.split}) has {tasks.fingerprint}: measure the tasks that are trained on, with the same options"
            )
        rates.append(measured.pass_rate)
        if low <= measured.pass_rate <= high:
            yield place, {"task": tasks.find(measured.task)}
    if not any(low <= rate <= high for rate in rates):
        raise DataError(
            f"{path}: none of {len(rates)} prompts has a pass rate from {low:g} to {high:g}; "
            f"{sum(rate < low for rate in rates)} lie below, {sum(rate > high for rate in rates)} above"
        )


def _task(row: Row) -> Task:
    return row["task"]
