"""An answer that data holds to a task, judged or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

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
