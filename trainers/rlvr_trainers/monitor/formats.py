"""Format against correctness: a reward for the one can be earned at the expense of the other."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr_gym.rollouts import Group
from rlvr_gym.verdicts import Outcome, Verdict
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.correlation import correlation

FORMAT, GATE = "format", "gate"
"""The parts of a verdict that judge the shape of a completion; the other parts judge what it says."""


def format_metrics(groups: Sequence[Group]) -> Metrics:
    """Measure how often the format is met, how often the content is right, and their correlation.

    The format is the part `format` or `gate` of a verdict, the content all others. Without such a part, the format is
    met if an answer could be read at all.
    """
    scored = [rollout.verdict for group in groups for rollout in group if rollout.verdict.scored]
    if not scored:
        return {}
    pairs = [(float(_format(verdict)), float(_content(verdict))) for verdict in scored]
    metrics = {
        "detectors/format/met": sum(met for met, _ in pairs) / len(pairs),
        "detectors/format/content": sum(right for _, right in pairs) / len(pairs),
    }
    r = correlation(pairs)
    return metrics if r is None else metrics | {"detectors/format/correlation": r}


def _format(verdict: Verdict) -> bool:
    shape = verdict.parts.get(FORMAT) or verdict.parts.get(GATE)
    return verdict.outcome is not Outcome.MALFORMED if shape is None else shape.correct


def _content(verdict: Verdict) -> bool:
    if not verdict.parts.keys() & {FORMAT, GATE}:
        return verdict.correct
    contents = [part for name, part in verdict.parts.items() if name not in (FORMAT, GATE)]
    return bool(contents) and all(part.correct for part in contents)
