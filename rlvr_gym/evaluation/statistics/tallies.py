"""From samples to estimates: what each problem's samples add up to, and the mean over problems with its interval."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.samples import Key, Sample
from rlvr_gym.evaluation.statistics.estimators import best_at_k, bon_at_k, maj_at_k, pass_at_k, pass_hat_k
from rlvr_gym.evaluation.statistics.intervals import Interval, mean_interval
from rlvr_gym.seeding import derive_seed


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """Counts over the samples of one problem.

    `scores` are those of the scored samples, `correct` counts the right ones among them, and `wrong_answers` how
    often each wrong answer was given (None where nobody has looked which are the same). `cluster` is that of
    the task's metadata. `ranked` has (rank, right) of each scored sample and `unscored_ranks` the ranks of the others,
    where something has ranked them.
    """

    task: str
    scores: tuple[float, ...]
    correct: int
    unscored: int = 0
    cluster: str | None = None
    wrong_answers: tuple[int, ...] | None = None
    ranked: tuple[tuple[float, bool], ...] | None = None
    unscored_ranks: tuple[float, ...] = ()

    @property
    def scored(self) -> int:
        """Number of samples with a score."""
        return len(self.scores)

    @property
    def n(self) -> int:
        """Number of samples, scored or not."""
        return self.scored + self.unscored

    def at_worst(self) -> Tally:
        """As if every unscored sample were wrong, and all of them in agreement with the commonest wrong answer."""
        answers = self.wrong_answers
        if answers is not None and self.unscored:
            most = max(answers, default=0)
            others = sorted(answers)[:-1]
            answers = (*others, most + self.unscored)
        scores = (*self.scores, *(0.0,) * self.unscored)
        return replace(
            self, scores=scores, unscored=0, wrong_answers=answers, ranked=self._ranked_as(right=False)
        )

    def at_best(self) -> Tally:
        """As if every unscored sample were right."""
        scores = (*self.scores, *(1.0,) * self.unscored)
        correct = self.correct + self.unscored
        return replace(self, scores=scores, correct=correct, unscored=0, ranked=self._ranked_as(right=True))

    def _ranked_as(self, *, right: bool) -> tuple[tuple[float, bool], ...] | None:
        """All ranks, as if every unscored sample were right, or wrong."""
        if self.ranked is None:
            return None
        return (*self.ranked, *((rank, right) for rank in self.unscored_ranks))


class _Ranks(TypedDict, total=False):
    ranked: tuple[tuple[float, bool], ...]
    unscored_ranks: tuple[float, ...]


Measure = Callable[[Tally, int], float]
"""A measure: the worth of k scored samples of a problem."""


def pass_measure(tally: Tally, k: int) -> float:
    """pass@k."""
    return pass_at_k(tally.scored, tally.correct, k)


def pass_hat_measure(tally: Tally, k: int) -> float:
    """pass^k."""
    return pass_hat_k(tally.scored, tally.correct, k)


def best_measure(tally: Tally, k: int) -> float:
    """best@k, by score."""
    return best_at_k(tally.scores, k)


def maj_measure(tally: Tally, k: int) -> float:
    """maj@k. Raises ConfigError where nobody has looked which wrong answers are the same."""
    if tally.wrong_answers is None:
        raise ConfigError("maj@k needs to know which wrong answers are the same: tally the samples with them")
    return maj_at_k(tally.scored, tally.correct, tally.wrong_answers, k)


def bon_measure(tally: Tally, k: int) -> float:
    """bon@k. Raises ConfigError where nothing has ranked the samples."""
    if tally.ranked is None:
        raise ConfigError("bon@k needs the ranks of all samples: tally the samples with them")
    return bon_at_k([rank for rank, _ in tally.ranked], [right for _, right in tally.ranked], k)


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

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def tally(
    samples: Iterable[Sample],
    wrong_answers: Mapping[str, tuple[int, ...]] | None = None,
    ranks: Mapping[Key, float] | None = None,
) -> list[Tally]:
    """One tally per task, in the order in which the tasks first come; `wrong_answers` by task, for maj@k.

    `ranks`, by sample, are for bon@k; one without is ranked below all others.
    """
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task].append(sample)
    return [
        Tally(
            task=task,
            scores=tuple(s.verdict.score for s in group if s.verdict.score is not None),
            correct=sum(s.verdict.correct for s in group),
            unscored=sum(not s.verdict.scored for s in group),
            cluster=_cluster(group[0]),
            wrong_answers=None if wrong_answers is None else wrong_answers[task],
            **_ranked(group, ranks),
        )
        for task, group in by_task.items()
    ]


def _ranked(group: Sequence[Sample], ranks: Mapping[Key, float] | None) -> _Ranks:
    if ranks is None:
        return {}
    ranked = [(ranks.get(sample.key, -math.inf), sample.verdict) for sample in group]
    return {
        "ranked": tuple((rank, verdict.correct) for rank, verdict in ranked if verdict.scored),
        "unscored_ranks": tuple(rank for rank, verdict in ranked if not verdict.scored),
    }


def _cluster(sample: Sample) -> str | None:
    cluster = sample.metadata.get("cluster")
    return None if cluster is None else str(cluster)


def clusters_of(tallies: Sequence[Tally]) -> list[tuple[str, str]] | None:
    """The clusters in which problems are resampled together; None if each stands alone."""
    if all(tally.cluster is None for tally in tallies):
        return None
    return [
        ("alone", tally.task) if tally.cluster is None else ("cluster", tally.cluster) for tally in tallies
    ]


def estimate(tallies: Sequence[Tally], measure: Measure, k: int, *, seed: int = 0) -> Estimate:
    """The mean of `measure` at `k` over problems; `seed` is that of the bootstrap.

    The order of `tallies`, which is that in which samples happened to be finished, makes no difference. Raises
    ConfigError where no problem has k samples.
    """
    tallies = sorted(tallies, key=lambda tally: tally.task)
    enough = [tally for tally in tallies if tally.scored >= k]
    whole = [tally for tally in tallies if tally.n >= k]
    if not whole:
        raise ConfigError(f"no problem has {k} samples")
    value, interval = math.nan, Interval(low=math.nan, high=math.nan)
    if enough:
        values = np.array([measure(tally, k) for tally in enough])
        seed = derive_seed("bootstrap", seed)
        value, interval = (
            float(values.mean()),
            mean_interval(values, seed=seed, clusters=clusters_of(enough)),
        )
    return Estimate(
        value=value,
        low=interval.low,
        high=interval.high,
        problems=len(enough),
        at_least=float(np.mean([measure(tally.at_worst(), k) for tally in whole])),
        at_most=float(np.mean([measure(tally.at_best(), k) for tally in whole])),
    )
