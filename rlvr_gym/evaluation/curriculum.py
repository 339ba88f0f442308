"""Forecasts of training on an evaluation's prompts: which of them teach, and what that costs."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from rlvr_gym.environments.pass_rates import PassRate
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.samples import Sample
from rlvr_gym.evaluation.statistics.intervals import mean_interval
from rlvr_gym.evaluation.statistics.summary import truncation_rate
from rlvr_gym.evaluation.statistics.tallies import Tally, clusters_of, tally
from rlvr_gym.files import JsonObject, write_atomically
from rlvr_gym.seeding import derive_seed

GROUP_SIZES = (4, 8, 16, 32)
PASS_RATES, FORECAST = "pass_rates.jsonl", "curriculum.json"

WORTH_DOUBLING = 1.1
"""A larger group is worth its samples where it makes so many times more groups informative."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupForecast:
    """Groups of `group_size` samples of one prompt.

    `degenerate` is the share of them whose scores will all be equal, and teach nothing; `low` and `high` its 95 %
    interval over prompts. Unbiased: the probability is that of `group_size` of a prompt's samples, drawn without
    replacement. `prompts` have as many samples.
    """

    group_size: int
    degenerate: float
    low: float
    high: float
    prompts: int

    @property
    def resampling(self) -> float:
        """Number of groups that dynamic sampling draws for each that it keeps; infinite if it can keep none."""
        return math.inf if self.degenerate >= 1 else 1 / (1 - self.degenerate)


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """The number of tokens that a completion needs.

    `suggested` is 1.25 times the 99th percentile of the tokens of right completions (`right_p99`), rounded up to a
    multiple of 16; None if none is right or tokens were not counted. `truncated` is the share that `max_tokens`
    cut off. Nobody knows how many tokens those needed, so if they are more than one in a hundred, the suggestion is at
    least `max_tokens`, and `censored` says that it may still be too small. Otherwise it is at most `max_tokens`.
    """

    max_tokens: int
    truncated: float
    right_p99: float | None
    suggested: int | None
    censored: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """The training signal to expect of a model on these prompts, from the samples of an evaluation.

    `missing` are group sizes that no prompt has enough samples for. `group_size` is the suggestion (see `forecast`),
    None where every group would be degenerate. `judging_seconds` are the median and the 95th percentile.
    """

    prompts: int
    never_right: int
    always_right: int
    groups: tuple[GroupForecast, ...]
    missing: tuple[int, ...]
    group_size: int | None
    budget: Budget
    judging_seconds: tuple[float, float]

    def to_json(self) -> JsonObject:
        """All numbers as JSON values."""
        groups = [{**asdict(group), "resampling": _finite(group.resampling)} for group in self.groups]
        return {**asdict(self), "groups": groups}


def forecast(
    samples: Sequence[Sample], *, group_sizes: Sequence[int] = GROUP_SIZES, seed: int = 0
) -> Forecast:
    """Forecast training on the prompts of `samples`. Samples that could not be judged are left out.

    The suggested group size is the smallest whose double makes less than a tenth more groups informative: beyond
    it, samples are better spent on more prompts.
    """
    tallies = sorted((one for one in tally(samples) if one.scored), key=lambda one: one.task)
    if not tallies:
        raise ConfigError("none of the samples could be judged: there is nothing to forecast from")
    possible = [size for size in group_sizes if any(one.scored >= size for one in tallies)]
    groups = tuple(_group_forecast(tallies, size, seed) for size in possible)
    seconds = np.quantile([sample.judging_seconds for sample in samples], [0.5, 0.95])
    return Forecast(
        prompts=len(tallies),
        never_right=sum(one.correct == 0 for one in tallies),
        always_right=sum(one.correct == one.scored for one in tallies),
        groups=groups,
        missing=tuple(size for size in group_sizes if size not in possible),
        group_size=_suggested(groups),
        budget=_budget(samples),
        judging_seconds=(float(seconds[0]), float(seconds[1])),
    )


def degenerate_probability(scores: Sequence[float], group_size: int) -> float:
    """That `group_size` of these samples, drawn without replacement, all have one score."""
    draws = math.comb(len(scores), group_size)
    return sum(math.comb(count, group_size) for count in Counter(scores).values()) / draws


def _group_forecast(tallies: Sequence[Tally], size: int, seed: int) -> GroupForecast:
    enough = [one for one in tallies if one.scored >= size]
    values = np.array([degenerate_probability(one.scores, size) for one in enough])
    interval = mean_interval(values, seed=derive_seed("bootstrap", seed), clusters=clusters_of(enough))
    return GroupForecast(
        group_size=size,
        degenerate=float(values.mean()),
        low=interval.low,
        high=interval.high,
        prompts=len(enough),
    )


def _suggested(groups: Sequence[GroupForecast]) -> int | None:
    informative = [group for group in groups if group.degenerate < 1]
    for group, larger in pairwise(informative):
        if (1 - larger.degenerate) < WORTH_DOUBLING * (1 - group.degenerate):
            return group.group_size
    return informative[-1].group_size if informative else None


def _budget(samples: Sequence[Sample]) -> Budget:
    limit = samples[0].sampling.max_tokens
    said = [sample for sample in samples if not sample.failed]
    truncated = truncation_rate(samples)
    right = [s.completion_tokens for s in said if s.verdict.correct and s.completion_tokens is not None]
    p99 = float(np.quantile(right, 0.99)) if right else None
    suggested = None if p99 is None else 16 * math.ceil(1.25 * p99 / 16)
    censored = truncated > 0.01
    if suggested is not None:
        suggested = max(suggested, limit) if censored else min(suggested, limit)
    return Budget(
        max_tokens=limit, truncated=truncated, right_p99=p99, suggested=suggested, censored=censored
    )


def pass_rates(samples: Sequence[Sample]) -> list[PassRate]:
    """Compute the pass rate of each prompt, hardest first; those without a scored sample are left out."""
    said = samples[0].conditions
    rows = [
        PassRate(
            task=one.task,
            pass_rate=one.correct / one.scored,
            correct=one.correct,
            scored=one.scored,
            environment=said.environment,
            fingerprint=said.fingerprint,
            model=said.model,
        )
        for one in tally(samples)
        if one.scored
    ]
    return sorted(rows, key=lambda row: (row.pass_rate, row.task))


def write_curriculum(folder: Path, samples: Sequence[Sample], found: Forecast) -> None:
    """Write the forecast and the pass rates into a run's folder."""
    lines = [json.dumps(row.model_dump(), ensure_ascii=False) + "\n" for row in pass_rates(samples)]
    write_atomically(folder / PASS_RATES, "".join(lines))
    write_atomically(folder / FORECAST, json.dumps(found.to_json(), indent=2) + "\n")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
