"""The evaluations of a report, as JSON values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation import (
    Estimate,
    EvaluationResult,
    Sample,
    StoredRun,
    Tally,
    estimate,
    summarize,
    tally,
)
from rlvr_gym.evaluation.compare import Comparison, compare
from rlvr_gym.evaluation.statistics.tallies import pass_measure
from rlvr_gym.files import JsonObject
from rlvr_gym.report.settings import settings
from rlvr_gym.verdicts import Outcome

BINS = 40
MOST_PARTS = 20
"""A property of tasks with more values than these is cut into ranges if it is a number, and left out if not."""
MOST_BREAKDOWNS = 6
_FIRST = ("difficulty", "level", "subject", "type", "category")


def evaluation(run: StoredRun, name: str) -> JsonObject:
    """Everything about one evaluation but its samples."""
    tallies = tally(run.samples)
    # Powers of 2, for a curve, and every k that the run itself reports.
    ks = sorted({*run.ks, *(2**power for power in range(16) if 2**power <= run.n), run.n})
    said = run.conditions
    result = summarize(run.samples, k=ks, seed=said.seed)
    return {
        "kind": "evaluation",
        "name": name,
        "environment": said.environment,
        "options": said.options,
        "model": said.model,
        "sampling": said.sampling.model_dump(),
        "seed": said.seed,
        "fingerprint": said.fingerprint,
        "problems": result.problems,
        "n": result.n,
        "reported": run.ks or [1],
        "curve": [{"k": k, **_point(result.pass_at_k[k])} for k in ks],
        "outcomes": {str(outcome): count for outcome, count in result.outcomes.items()},
        "fault": result.fault,
        "truncation": result.truncation_rate,
        "tokens": result.mean_completion_tokens,
        **({"tools": asdict(result.tools)} if result.tools else {}),
        "seconds": result.seconds,
        "noise": {"within": result.noise.within_set, "between": result.noise.between_set},
        "breakdowns": breakdowns(run.samples, tallies),
        "lengths": lengths(run.samples, said.sampling.max_tokens),
        "solved": _solved(result, tallies),
        "settings": settings(run.config),
    }


def _point(one: Estimate) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def _solved(result: EvaluationResult, tallies: Sequence[Tally]) -> list[int]:
    """Count problems by the share of their samples that was right: never, in ten ranges, always."""
    shares = [one.correct / one.scored for one in tallies if one.scored]
    between = [share for share in shares if 0 < share < 1]
    counts = np.histogram(between, bins=10, range=(0, 1))[0]
    return [sum(share == 0 for share in shares), *map(int, counts), sum(share == 1 for share in shares)]


def breakdowns(samples: Sequence[Sample], tallies: Sequence[Tally]) -> list[JsonObject]:
    """pass@1 with its interval by every property in the tasks' metadata that divides them into a few parts."""
    metadata = {sample.task: sample.metadata for sample in samples}
    found = []
    for key in sorted({key for one in metadata.values() for key in one}, key=_prominence):
        parts = _parts({task: one[key] for task, one in metadata.items() if key in one})
        if parts:
            rows = [_part(label, [one for one in tallies if one.task in tasks]) for label, tasks in parts]
            found.append({"key": key, "rows": [row for row in rows if row]})
    return found[:MOST_BREAKDOWNS]


def _prominence(key: str) -> tuple[int, str]:
    return _FIRST.index(key) if key in _FIRST else len(_FIRST), key


def _parts(values: Mapping[str, Any]) -> list[tuple[str, set[str]]]:
    """Tasks by value, as (label, ids); none where the values do not divide them into two to twenty parts."""
    if len(values) < 2 or not all(isinstance(value, str | int | float) for value in values.values()):
        return []
    tasks_of: dict[Any, set[str]] = defaultdict(set)
    for task, value in values.items():
        tasks_of[value].add(task)
    if 2 <= len(tasks_of) <= min(MOST_PARTS, len(values) / 2):
        order = sorted(tasks_of, key=lambda value: (isinstance(value, str), value))
        return [(str(value), tasks_of[value]) for value in order]
    if any(isinstance(value, str | bool) for value in tasks_of) or len(values) < 10 or len(tasks_of) < 5:
        return []
    return _ranges(values)


def _ranges(values: Mapping[str, float]) -> list[tuple[str, set[str]]]:
    """Five ranges of numbers that hold about as many tasks each."""
    edges = np.unique(np.quantile(list(values.values()), np.linspace(0, 1, 6)))
    parts = []
    for place, (low, high) in enumerate(pairwise(edges)):
        last = place == len(edges) - 2
        tasks = {task for task, value in values.items() if low <= value < high or (last and value == high)}
        if tasks:
            parts.append((f"{low:g} to {high:g}", tasks))
    return parts


def _part(label: str, tallies: Sequence[Tally]) -> JsonObject | None:
    if not any(one.scored for one in tallies):
        return None
    return {"label": label, "problems": len(tallies), **_point(estimate(tallies, pass_measure, 1))}


def lengths(samples: Sequence[Sample], max_tokens: int) -> JsonObject | None:
    """Count completions by outcome and number of tokens; None if tokens were not counted."""
    known = {
        outcome: [
            s.completion_tokens
            for s in samples
            if s.verdict.outcome is outcome and s.completion_tokens is not None
        ]
        for outcome in Outcome
    }
    counted = [tokens for some in known.values() for tokens in some]
    if not counted:
        return None
    width = max(1, -(-(max(counted) + 1) // BINS))
    edges = [width * place for place in range(max(counted) // width + 2)]
    return {
        "width": width,
        "max_tokens": max_tokens,
        "counts": {str(o): np.histogram(some, bins=edges)[0].tolist() for o, some in known.items() if some},
        "medians": {str(o): float(np.median(some)) for o, some in known.items() if some},
    }


def comparisons(runs: Sequence[StoredRun], names: Sequence[str]) -> tuple[list[int], list[JsonObject]]:
    """Number the groups of evaluations that ask the same tasks, and compare each with the first of its group."""
    firsts: list[tuple[StoredRun, str]] = []
    sets, found = [], []
    for run, name in zip(runs, names, strict=True):
        for number, (first, its_name) in enumerate(firsts):
            try:
                compared = compare(first.samples, run.samples)
            except ConfigError:  # not the same tasks
                continue
            found.append({"first": its_name, "second": name, **_compared(compared)})
            sets.append(number)
            break
        else:
            sets.append(len(firsts))
            firsts.append((run, name))
    return sets, found


def _compared(comparison: Comparison) -> JsonObject:
    numbers = comparison.to_json()
    return {
        "problems": comparison.problems,
        "samples": comparison.samples,
        "differences": list(numbers["differences"].values()),
        "gained": len(comparison.gained),
        "lost": len(comparison.lost),
        "crossings": numbers["crossings"],
        "certain": comparison.crosses_for_certain,
    }
