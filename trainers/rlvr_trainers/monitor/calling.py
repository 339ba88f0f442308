"""Calls of tools: a policy that makes fewer and fewer of them."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr_gym.rollouts import Group
from rlvr_gym.tools.use import tool_use
from rlvr_trainers.metrics import Metrics


def calling_metrics(groups: Sequence[Group], highest: float) -> Metrics:
    """The share of episodes that call a tool, the highest of any earlier step, and how far it has fallen since."""
    use = tool_use(rollout.calls for group in groups for rollout in group)
    if use is None:
        return {}
    return {
        "detectors/tools/share": use.calling,
        "detectors/tools/highest": max(highest, use.calling),
        "detectors/tools/lost": max(0.0, highest - use.calling),
    }
