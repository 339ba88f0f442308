"""An answer that data holds to a task, judged or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import FinishReason, Verdict

SHOWN = Verdict.unscored("a demonstration, which nobody judged")
"""The verdict on a demonstration."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """The conversation after a task's prompt, which ends with a turn of the assistant."""

    messages: tuple[Message, ...]
    verdict: Verdict = SHOWN
    finish_reason: FinishReason = FinishReason.STOP


Tell = Callable[[Task], Sequence[Said]]
"""All that data holds about a task."""


class Shows(Protocol):
    """Makes rollouts of what data holds, as a model reads them."""

    def rollout(self, task: Task, said: Said, *, sample: int = 0) -> Rollout:
        """The episode in which `said` followed the task's prompt."""
        ...

    def group(self, task: Task, said: Sequence[Said]) -> Group:
        """All that was said to a task."""
        ...
