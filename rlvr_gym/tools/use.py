"""Figures of tool use over many episodes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlvr_gym.tools.calls import CallOutcome, CallRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolUse:
    """Frequency and success of calls.

    `calls` and `seconds` are means over the `episodes` that had tools, `calling` is the share of these with at least
    one call. `malformed`, `failed` (by an error or its time) and `refused` are shares of all calls, 0 without any.
    """

    episodes: int
    calling: float
    calls: float
    malformed: float
    failed: float
    refused: float
    seconds: float


def tool_use(episodes: Iterable[Sequence[CallRecord] | None]) -> ToolUse | None:
    """The figures of these episodes' calls; None is an episode without tools, and there are none of such alone."""
    known = [calls for calls in episodes if calls is not None]
    if not known:
        return None
    outcomes = Counter(call.outcome for calls in known for call in calls)
    total = max(1, outcomes.total())
    return ToolUse(
        episodes=len(known),
        calling=sum(bool(calls) for calls in known) / len(known),
        calls=outcomes.total() / len(known),
        malformed=outcomes[CallOutcome.MALFORMED] / total,
        failed=(outcomes[CallOutcome.FAILED] + outcomes[CallOutcome.TIMEOUT]) / total,
        refused=outcomes[CallOutcome.REFUSED] / total,
        seconds=math.fsum(call.seconds for calls in known for call in calls) / len(known),
    )
