"""What samples say: pass@k with intervals, and all that must stand beside it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.estimators import pass_at_k, pass_hat_k
from rlvr_gym.evaluation.intervals import mean_interval, standard_error, within_set_error
from rlvr_gym.evaluation.samples import Conditions, Sample
from rlvr_gym.seeding import derive_seed
from rlvr_gym.verdicts import Outcome

Estimator = Callable[[int, int, int], float]
"""A function of n, c and k."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over problems, with its 95 % interval, and what unscored samples could make of it.

    `value`, `low` and `high` rest on scored samples alone, of the `problems` that have k of them (NaN where
    none has). `at_least` and `at_most` are the value if every unscored sample were wrong, and if every one were
    right; they rest on all problems that have k samples, scored or not, and are equal when all are scored.
    """

    value: float
    low: float
    high: float
    problems: int
    at_least: float
    at_most: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """The two noises of avg@n, as standard errors.

    `within_set` comes from sampling completions of these problems, and more samples reduce it. `between_set`
    comes from having drawn these problems and no others: no number of samples reduces it. Both are None where
    the samples do not show them: with fewer than two scored samples per problem, or where every problem was
    always right or always wrong (within), or all were right equally often (between).
    """

    within_set: float | None
    between_set: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationResult:
    """What an evaluation found; `summarize` computes all of it from the samples.

    `n` is the largest number of samples of a problem. `avg_at_n` is mean accuracy over problems, which is
    pass@1. `truncation_rate` is the share of samples that ran out of tokens. `fault` is the commonest reason
    why a sample could not be judged.
    """

    conditions: Conditions
    problems: int
    n: int
    pass_at_k: dict[int, Estimate]
    pass_hat_k: dict[int, Estimate]
    avg_at_n: Estimate
    noise: Noise
    outcomes: dict[Outcome, int]
    fault: str | None
    truncation_rate: float
    mean_completion_tokens: float
    completion_tokens: int
    seconds: float
    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def unscored(self) -> int:
        """How many samples could not be judged."""
        return self.outcomes[Outcome.UNSCORED]

    def to_json(self) -> dict[str, Any]:
        """All numbers, without the samples; a number that does not exist is None."""
        numbers = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("conditions", "samples")
        }
        for name in ("pass_at_k", "pass_hat_k"):
            numbers[name] = {str(k): _numbers(estimate) for k, estimate in numbers[name].items()}
        numbers |= {"avg_at_n": _numbers(self.avg_at_n), "noise": asdict(self.noise)}
        return {**self.conditions.model_dump(mode="json"), **numbers}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counts:
    """Of every problem, (P,): samples that were scored, correct, and unscored; and its cluster."""

    scored: np.ndarray
    correct: np.ndarray
    unscored: np.ndarray
    clusters: list[object] | None


def summarize(samples: Sequence[Sample], *, k: Sequence[int] = (1,), seed: int = 0) -> EvaluationResult:
    """What `samples` say. `seed` is that of the bootstrap.

    Tasks whose metadata has a `cluster` are drawn together in it. Raises ConfigError when there are no samples,
    or fewer than k per problem.
    """
    if not samples:
        raise ConfigError("there are no samples to summarize")
    counts = _count(samples)
    n = int((counts.scored + counts.unscored).max())
    if impossible := [wanted for wanted in k if not 1 <= wanted <= n]:
        raise ConfigError(f"k must lie between 1 and the {n} samples per problem, not {impossible[0]}")
    tokens = sum(sample.completion_tokens for sample in samples)
    outcomes = Counter(sample.verdict.outcome for sample in samples)
    return EvaluationResult(
        conditions=Conditions(**{name: getattr(samples[0], name) for name in Conditions.model_fields}),
        problems=len(counts.scored),
        n=n,
        pass_at_k={wanted: _estimate(pass_at_k, counts, wanted, seed) for wanted in sorted(set(k))},
        pass_hat_k={wanted: _estimate(pass_hat_k, counts, wanted, seed) for wanted in sorted(set(k))},
        avg_at_n=_estimate(pass_at_k, counts, 1, seed),
        noise=_noise(counts),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        fault=commonest_fault(samples),
        truncation_rate=sum(sample.truncated for sample in samples) / len(samples),
        mean_completion_tokens=tokens / len(samples),
        completion_tokens=tokens,
        seconds=math.fsum(sample.seconds for sample in samples),
        samples=tuple(samples),
    )


def commonest_fault(samples: Sequence[Sample]) -> str | None:
    """The commonest reason why a sample could not be judged, None when all were."""
    faults = Counter(sample.verdict.detail for sample in samples if not sample.verdict.scored)
    return faults.most_common(1)[0][0] if faults else None


def _count(samples: Sequence[Sample]) -> _Counts:
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task].append(sample)
    scored = [sum(sample.verdict.scored for sample in group) for group in by_task.values()]
    groups = by_task.values()
    clusters = [group[0].metadata.get("cluster") for group in groups]
    named = any(cluster is not None for cluster in clusters)
    return _Counts(
        scored=np.array(scored),
        correct=np.array([sum(sample.verdict.correct for sample in group) for group in groups]),
        unscored=np.array([len(group) for group in groups]) - scored,
        clusters=[
            ("alone", task) if cluster is None else ("cluster", str(cluster))
            for task, cluster in zip(by_task, clusters, strict=True)
        ]
        if named
        else None,
    )


def _estimate(estimator: Estimator, counts: _Counts, k: int, seed: int) -> Estimate:
    total = counts.scored + counts.unscored
    at_least = _per_problem(estimator, total, counts.correct, k)
    at_most = _per_problem(estimator, total, counts.correct + counts.unscored, k)
    enough = counts.scored >= k
    values = _per_problem(estimator, counts.scored, counts.correct, k)
    value = low = high = math.nan
    if len(values):
        clusters = counts.clusters and [c for c, ok in zip(counts.clusters, enough, strict=True) if ok]
        interval = mean_interval(values, seed=derive_seed("bootstrap", seed), clusters=clusters)
        value, low, high = float(values.mean()), interval.low, interval.high
    return Estimate(
        value=value,
        low=low,
        high=high,
        problems=len(values),
        at_least=float(at_least.mean()),
        at_most=float(at_most.mean()),
    )


def _per_problem(estimator: Estimator, n: np.ndarray, c: np.ndarray, k: int) -> np.ndarray:
    """The estimates of the problems that have k samples, in order."""
    pairs = zip(n.tolist(), c.tolist(), strict=True)
    return np.array([estimator(total, correct, k) for total, correct in pairs if total >= k])


def _noise(counts: _Counts) -> Noise:
    several = counts.scored >= 2
    if not several.any():
        return Noise(within_set=None, between_set=None)
    n = counts.scored[several]
    accuracies = counts.correct[several] / n
    # p (1 - p) / n is estimated without bias by the observed shares over n - 1.
    within = within_set_error(accuracies, n - 1)
    clusters = counts.clusters and [c for c, ok in zip(counts.clusters, several, strict=True) if ok]
    total = standard_error(accuracies, clusters)
    between = math.sqrt(max(0.0, total**2 - within**2)) if total else None
    return Noise(within_set=within or None, between_set=between)


def _numbers(estimate: Estimate) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in asdict(estimate).items()}
