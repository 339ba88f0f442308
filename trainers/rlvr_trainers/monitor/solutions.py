"""Right completions of a step's tasks, which some detectors compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import DataError, VerifierFault
from rlvr_gym.rollouts import Group

Solutions = Mapping[str, str | None]
"""By task id; None where none is known."""


def solutions_of(env: Environment, groups: Sequence[Group]) -> Solutions:
    """A right completion of each group's task. A broken reference has none: its samples are unscored already."""
    known: dict[str, str | None] = {}
    for group in groups:
        task = group[0].task
        try:
            known[task.id] = env.solution(task)
        except (VerifierFault, DataError):
            known[task.id] = None
    return known
