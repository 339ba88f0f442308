"""Tests that the policy can see against tests that it cannot: a program written for the ones fails the others."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr_gym.rollouts import Group
from rlvr_trainers.metrics import Metrics

VISIBLE, HIDDEN = "visible", "hidden"
"""The parts of a verdict that tell."""


def hidden_test_metrics(groups: Sequence[Group]) -> Metrics:
    """Pass rates of verdicts with a part `visible`, and their gap; hidden tests that were not reached did not pass."""
    verdicts = [rollout.verdict for group in groups for rollout in group]
    parts = [verdict.parts for verdict in verdicts if verdict.scored and VISIBLE in verdict.parts]
    if not parts:
        return {}
    visible = sum(part[VISIBLE].correct for part in parts) / len(parts)
    hidden = sum(HIDDEN in part and part[HIDDEN].correct for part in parts) / len(parts)
    return {
        "detectors/hidden_tests/visible": visible,
        "detectors/hidden_tests/hidden": hidden,
        "detectors/hidden_tests/gap": visible - hidden,
    }
