"""An experiment, the claims that its figures decide, and the rule that decides them.

A claim is a list of expectations. Each says that one figure is above another, in a pair for every seed. The verdict
follows from the 95 % intervals of the mean differences, by `verdict` and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydantic import JsonValue

from rlvr_gym.evaluation.statistics.intervals import Interval, difference_interval, student_quantile

LEAST_SEEDS = 5

Settings = Mapping[str, JsonValue]
Figures = dict[str, float]
Runs = Mapping[str, Mapping[int, Figures]]
"""The figures of every side and seed."""


class State(StrEnum):
    """One expectation against its figures."""

    MET = "as claimed"
    REFUTED = "the reverse"
    OPEN = "not decided"


class Verdict(StrEnum):
    """A claim against all of its expectations."""

    HOLDS = "holds"
    CONDITIONS = "holds with conditions"
    FAILS = "does not hold here"
    OPEN = "these machines cannot decide it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """A figure of one side, as a mean over seeds and in a pair for each."""

    side: str
    figure: str

    def values(self, runs: Runs, seeds: Sequence[int]) -> np.ndarray:
        """Its values, one for each seed."""
        return np.array([runs[self.side][seed][self.figure] for seed in seeds])


def of(side: str, figure: str) -> Quantity:
    """A figure of one side."""
    return Quantity(side=side, figure=figure)


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """A part of a claim: `more` is above `less`, or no further below it than `margin`.

    Either may be a number that is known without an experiment. `shares` says that both are shares, from 0 to 1: then
    the interval knows that a difference cannot leave -1 to 1, and doubts that five equal values prove no spread.
    """

    says: str
    more: Quantity | float
    less: Quantity | float
    margin: float = 0.0
    shares: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A sentence, the place where it stands, and all that has to be seen for it to hold."""

    says: str
    stands: str
    expectations: tuple[Expectation, ...]
    remark: str = ""
    """Conditions that figures alone do not tell."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Sides that differ in settings, measured under the same seeds, and the claims that this decides.

    Raises ValueError for fewer than five seeds, and for an expectation on a side that is not there.
    """

    name: str
    title: str
    setup: str
    """The experiment in a few sentences, for the page."""
    seeds: tuple[int, ...]
    sides: Mapping[str, Settings]
    measure: Callable[[Settings, int], Figures]
    claims: tuple[Claim, ...]

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < LEAST_SEEDS:
            raise ValueError(
                f"experiment {self.name} has {len(set(self.seeds))} seeds: an interval needs {LEAST_SEEDS} or more"
            )
        named = [q.side for claim in self.claims for e in claim.expectations for q in _quantities(e)]
        if strange := sorted(set(named) - set(self.sides)):
            raise ValueError(
                f"experiment {self.name} has no side {strange[0]!r}; sides: {', '.join(self.sides)}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The outcome of an expectation: means over seeds, differences of the pairs, and the interval of their mean."""

    expectation: Expectation
    more: float
    less: float
    differences: tuple[float, ...]
    interval: Interval

    @property
    def difference(self) -> float:
        """The mean over seeds."""
        return math.fsum(self.differences) / len(self.differences)

    @property
    def state(self) -> State:
        """Met where the whole interval is above -margin, refuted where it is below."""
        threshold = -self.expectation.margin
        if self.interval.low > threshold:
            return State.MET
        return State.REFUTED if self.interval.high < threshold else State.OPEN


def find(expectation: Expectation, runs: Runs, seeds: Sequence[int]) -> Finding:
    """Compare the two figures of an expectation, in pairs of equal seed."""
    more, less = (
        one.values(runs, seeds) if isinstance(one, Quantity) else np.full(len(seeds), one)
        for one in (expectation.more, expectation.less)
    )
    differences = more - less
    return Finding(
        expectation=expectation,
        more=float(more.mean()),
        less=float(less.mean()),
        differences=tuple(differences.tolist()),
        interval=paired_interval(differences, shares=expectation.shares),
    )


def paired_interval(differences: np.ndarray, *, shares: bool = False) -> Interval:
    """The 95 % interval of the mean of paired differences, one for each seed.

    Student's t; for shares the wider, at either end, of it and of the interval that evaluations of models have
    (`difference_interval`), for five values of 0 or 1 are no normal sample.
    """
    count = len(differences)
    mean = float(differences.mean())
    half = student_quantile(count - 1) * float(differences.std(ddof=1)) / math.sqrt(count)
    if not shares:
        return Interval(low=mean - half, high=mean + half)
    other = difference_interval(differences, seed=0)
    return Interval(low=min(mean - half, other.low), high=max(mean + half, other.high))


def verdict(states: Sequence[State]) -> Verdict:
    """The verdict on a claim whose expectations came out so.

    Holds: all are met. Holds with conditions: some are met, others not. Does not hold here: none is met and one is
    refuted. Not decided: none is met, and none refuted. Raises ValueError for none at all.
    """
    if not states:
        raise ValueError("a claim without expectations has no verdict")
    met = [state is State.MET for state in states]
    if any(met):
        return Verdict.HOLDS if all(met) else Verdict.CONDITIONS
    return Verdict.FAILS if State.REFUTED in states else Verdict.OPEN


def _quantities(expectation: Expectation) -> list[Quantity]:
    return [q for q in (expectation.more, expectation.less) if isinstance(q, Quantity)]
