"""Summaries of samples: pass@k with intervals, and all that must stand beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.samples import Conditions, Key, Sample
from rlvr_gym.evaluation.statistics import tables
from rlvr_gym.evaluation.statistics.intervals import standard_error, within_set_error
from rlvr_gym.evaluation.statistics.tallies import (
    Estimate,
    Measure,
    Tally,
    best_measure,
    bon_measure,
    clusters_of,
    estimate,
    maj_measure,
    pass_hat_measure,
    pass_measure,
    tally,
)
from rlvr_gym.files import JsonObject
from rlvr_gym.tools.use import ToolUse, tool_use
from rlvr_gym.verdicts import Outcome

if TYPE_CHECKING:
    import pyarrow

METRICS = ("pass_at_k", "pass_hat_k", "best_at_k", "maj_at_k", "bon_at_k")
"""The fields of an `EvaluationResult` that have an estimate for every k."""


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
    """The result of an evaluation; `summarize` computes all of it from the samples.

    `n` is the largest number of samples of a problem. `avg_at_n` is mean accuracy over problems, which is
    pass@1. `best_at_k` goes by score, and is pass@k where every score is 0 or 1; `maj_at_k` is empty unless it
    was asked for, and `bon_at_k` unless something has ranked the samples. `truncation_rate` is the share of
    completions that ran out of tokens, and tokens are counted where they are known (`mean_completion_tokens` is None
    where they never are). `fault` is the commonest reason why a sample could not be judged. `seconds` adds up the time
    spent. `tools` is None where there were none to call.
    """

    conditions: Conditions
    problems: int
    n: int
    pass_at_k: dict[int, Estimate]
    pass_hat_k: dict[int, Estimate]
    best_at_k: dict[int, Estimate]
    maj_at_k: dict[int, Estimate]
    bon_at_k: dict[int, Estimate]
    avg_at_n: Estimate
    noise: Noise
    outcomes: dict[Outcome, int]
    fault: str | None
    truncation_rate: float
    mean_completion_tokens: float | None
    completion_tokens: int
    seconds: float
    tools: ToolUse | None = None
    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def unscored(self) -> int:
        """Number of samples that could not be judged."""
        return self.outcomes[Outcome.UNSCORED]

    def to_json(self) -> JsonObject:
        """All numbers, without the samples; a number that does not exist is None."""
        numbers = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("conditions", "samples")
        }
        for name in METRICS:
            numbers[name] = {str(k): _numbers(estimate) for k, estimate in numbers[name].items()}
        numbers |= {"avg_at_n": _numbers(self.avg_at_n), "noise": asdict(self.noise)}
        numbers.pop("tools")
        if self.tools is not None:
            numbers["tools"] = asdict(self.tools)
        return {**self.conditions.model_dump(mode="json"), **numbers}

    def estimates_table(self) -> pyarrow.Table:
        """One row per estimate: metric, k, value, low, high, problems, at_least, at_most. Needs pyarrow."""
        rows = [(name, k, value) for name in METRICS for k, value in getattr(self, name).items()]
        return tables.of_estimates([("avg_at_n", self.n, self.avg_at_n), *rows])

    def samples_table(self) -> pyarrow.Table:
        """One row per sample, without its conditions. Needs pyarrow; `.to_pandas()` makes it a data frame."""
        return tables.of_samples(self.samples)


def summarize(
    samples: Sequence[Sample],
    *,
    k: Sequence[int] = (1,),
    seed: int = 0,
    wrong_answers: Mapping[str, tuple[int, ...]] | None = None,
    ranks: Mapping[Key, float] | None = None,
) -> EvaluationResult:
    """Summarize `samples`. `seed` is the bootstrap's; `wrong_answers` (see `answers`) adds maj@k, and
    `ranks` (see `ranking`) bon@k.

    Tasks whose metadata has a `cluster` are drawn together in it. Raises ConfigError when there are no samples,
    or fewer than k per problem.
    """
    if not samples:
        raise ConfigError("there are no samples to summarize")
    tallies = tally(samples, wrong_answers, ranks)
    n = max(tally.n for tally in tallies)
    if impossible := [wanted for wanted in k if not 1 <= wanted <= n]:
        raise ConfigError(f"k must lie between 1 and the {n} samples per problem, not {impossible[0]}")

    def at_every_k(measure: Measure) -> dict[int, Estimate]:
        return {wanted: estimate(tallies, measure, wanted, seed=seed) for wanted in sorted(set(k))}

    known = [sample.completion_tokens for sample in samples if sample.completion_tokens is not None]
    outcomes = Counter(sample.verdict.outcome for sample in samples)
    return EvaluationResult(
        conditions=samples[0].conditions,
        problems=len(tallies),
        n=n,
        pass_at_k=at_every_k(pass_measure),
        pass_hat_k=at_every_k(pass_hat_measure),
        best_at_k=at_every_k(best_measure),
        maj_at_k=at_every_k(maj_measure) if wrong_answers is not None else {},
        bon_at_k=at_every_k(bon_measure) if ranks is not None else {},
        avg_at_n=estimate(tallies, pass_measure, 1, seed=seed),
        noise=_noise(tallies),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        fault=commonest_fault(samples),
        truncation_rate=truncation_rate(samples),
        mean_completion_tokens=sum(known) / len(known) if known else None,
        completion_tokens=sum(known),
        seconds=math.fsum(sample.seconds for sample in samples),
        tools=tool_use(sample.calls for sample in samples),
        samples=tuple(samples),
    )


def truncation_rate(samples: Sequence[Sample]) -> float:
    """The share of completions that ran out of tokens, of those that the sampler gave."""
    said = [sample for sample in samples if not sample.failed]
    return sum(sample.truncated for sample in said) / max(1, len(said))


def commonest_fault(samples: Sequence[Sample]) -> str | None:
    """The commonest reason why a sample could not be judged, None when all were."""
    faults = Counter(sample.verdict.detail for sample in samples if not sample.verdict.scored)
    return faults.most_common(1)[0][0] if faults else None


def _noise(tallies: Sequence[Tally]) -> Noise:
    several = [tally for tally in tallies if tally.scored >= 2]
    if not several:
        return Noise(within_set=None, between_set=None)
    n = np.array([tally.scored for tally in several])
    accuracies = np.array([tally.correct for tally in several]) / n
    # p (1 - p) / n is estimated without bias by the observed shares over n - 1.
    within = within_set_error(accuracies, n - 1)
    total = standard_error(accuracies, clusters_of(several))
    between = math.sqrt(max(0.0, total**2 - within**2)) if total else None
    return Noise(within_set=within or None, between_set=between)


def _numbers(estimate: Estimate) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in asdict(estimate).items()}
