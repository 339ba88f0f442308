"""Length by outcome: whether saying more earns more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlvr_gym.rollouts import Group
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.correlation import within_groups


def length_metrics(groups: Sequence[Group]) -> Metrics:
    """Among completions of the same task: how many tokens longer the right ones are, and length against score.

    Tasks differ in length and in difficulty; within a task's own group neither counts.
    """
    known = [[(float(r.length), r.reward or 0.0) for r in group if r.verdict.scored] for group in groups]
    metrics: Metrics = {}
    differences = [
        np.mean([length for length, score in pairs if score == 1.0])
        - np.mean([length for length, score in pairs if score < 1.0])
        for pairs in known
        if {score == 1.0 for _, score in pairs} == {True, False}
    ]
    if differences:
        metrics["detectors/length/right_minus_wrong"] = float(np.mean(differences))
    r = within_groups(known)
    return metrics if r is None else metrics | {"detectors/length/correlation": r}
