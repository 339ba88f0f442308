"""Rows made into tasks, and their gold answers checked: one of no use is an error, one not to be judged is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from rlvr_gym.errors import DataError, VerifierFault
from rlvr_gym.rows import Row
from rlvr_gym.task import Task

if TYPE_CHECKING:
    from rlvr_gym.verifiers.base import Verifier

_NAMED = 5
"""Number of left-out tasks that are named; their total is always given."""


def task_of(row: Row, to_task: Callable[[Row], Task | None], *, place: str, name: str) -> Task | None:
    """The task that `to_task` makes of a row; whatever the row lacks is a DataError with its place."""
    try:
        return to_task(row)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    except KeyError as error:
        raise DataError(f"{place}: no field {error}; the row has {', '.join(sorted(row))}") from error
    except (ValidationError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{place}: not a task of '{name}': {error}") from error


def left_out(refused: Mapping[str, str], total: int, places: Mapping[str, str]) -> str:
    """The tasks that are left out, in one sentence."""
    named = [f"{places[id]}: task '{id}': {reason}" for id, reason in list(refused.items())[:_NAMED]]
    if len(refused) > _NAMED:
        named.append(f"and {len(refused) - _NAMED:,} more")
    return f"{len(refused):,} of {total:,} tasks are left out, as they cannot be judged: {'; '.join(named)}"


def check_gold(verifier: Verifier, task: Task, place: str) -> None:
    """Raise DataError, with the row's place, for a task whose gold answer the verifier cannot use."""
    try:
        verifier.check(task)
    except (VerifierFault, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        known = isinstance(error, VerifierFault | DataError)
        why = str(error) if known else f"{type(verifier).__name__} cannot use it: {error!r}"
        named = f"task '{task.id}'" in why
        raise DataError(f"{place}: {why}" if named else f"{place}: task '{task.id}': {why}") from error
