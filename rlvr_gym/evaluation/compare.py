"""Two models on the same problems: what differs, paired by problem."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.samples import Conditions, Sample
from rlvr_gym.evaluation.statistics.intervals import Interval, difference_interval
from rlvr_gym.evaluation.statistics.summary import truncation_rate
from rlvr_gym.evaluation.statistics.tallies import Tally, clusters_of, pass_measure, tally
from rlvr_gym.files import JsonObject
from rlvr_gym.seeding import derive_seed

Pair = tuple[Tally, Tally]
"""The first and the second model on one problem."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The difference of pass@k: the second model's minus the first's, over problems with k scored samples of both.

    `first` and `second` are their pass@k on these `problems`; `low` and `high` the 95 % interval of `value`. All are
    NaN if no problem has k in both. `gains` and `losses` count the problems whose estimate went up, and down.
    `at_least` and `at_most` are the difference if every unscored sample were decided against the second model, and
    for it, over all problems with k samples of both, scored or not.
    """

    k: int
    first: float
    second: float
    value: float
    low: float
    high: float
    problems: int
    gains: int
    losses: int
    at_least: float
    at_most: float

    @property
    def sign(self) -> int:
        """1 where the second is better, -1 where the first is, 0 where the interval holds zero."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossing:
    """Two curves that change places: `ahead` (1 for the second model, -1 for the first) up to `before`, then not.

    At `after`, the next k looked at, the other is ahead, or neither is.
    """

    before: int
    after: int
    ahead: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The comparison of two evaluations, over the problems that they have in common.

    `gained` lists the problems that the second model solved and the first never did, within the first `samples`
    scored samples of each, and `lost` the reverse. `left_out` counts the problems of each run that the other lacks;
    `truncation_rates` are the shares of each run's completions, on those problems, that ran out of tokens;
    `crossings` are those of the estimated curves between 1 and the largest k, real or by chance (see
    `crosses_for_certain`). `notes` are the conditions that differ, as (name, first, second).
    """

    first: Conditions
    second: Conditions
    problems: int
    samples: int
    left_out: tuple[int, int]
    truncation_rates: tuple[float, float]
    differences: dict[int, Difference]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    crossings: tuple[Crossing, ...]
    notes: tuple[tuple[str, object, object], ...]

    @property
    def crosses_for_certain(self) -> bool:
        """True if one model is better at some k and the other at another, both with their intervals off zero."""
        return {1, -1} <= {difference.sign for difference in self.differences.values()}

    def to_json(self) -> JsonObject:
        """All of it as JSON values; a number that does not exist is None."""
        return {
            **asdict(self),
            "first": self.first.model_dump(mode="json"),
            "second": self.second.model_dump(mode="json"),
            "differences": {str(k): _finite(asdict(d)) for k, d in self.differences.items()},
            "crosses_for_certain": self.crosses_for_certain,
        }


def compare(
    first: Sequence[Sample],
    second: Sequence[Sample],
    *,
    k: Sequence[int] | None = None,
    common: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare two evaluations, paired by problem; every difference is the second's pass@k minus the first's.

    `k` None means the powers of 4 up to the number of samples that both have, and that number. A problem is in
    common where its id and its prompt are the same. Raises ConfigError where the environments, their versions or
    their task sets differ, naming which (`common` takes what is in common all the same), where no problem is in
    common, and for a k above what both have.
    """
    one, other = first[0].conditions, second[0].conditions
    if not common:
        _refuse_other_tasks(one, other)
    ours, theirs = _by_problem(first), _by_problem(second)
    shared = sorted(problem for problem in ours if problem in theirs)
    if not shared:
        raise ConfigError(_nothing_in_common(ours, theirs))
    pairs = [(tally(ours[problem])[0], tally(theirs[problem])[0]) for problem in shared]
    most = min(max(pair[side].n for pair in pairs) for side in (0, 1))
    ks = _ks(k, most)
    return Comparison(
        first=one,
        second=other,
        problems=len(shared),
        samples=most,
        left_out=(len(ours) - len(shared), len(theirs) - len(shared)),
        truncation_rates=(truncation_rate(_flat(ours, shared)), truncation_rate(_flat(theirs, shared))),
        differences={wanted: difference(pairs, wanted, seed=seed) for wanted in ks},
        gained=_solved_by_one(theirs, ours, shared),
        lost=_solved_by_one(ours, theirs, shared),
        crossings=crossings(pairs, max(ks)),
        notes=tuple(_differing(one, other)),
    )


def in_common(first: Sequence[Sample], second: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The samples of those problems that both runs have."""
    ours, theirs = _by_problem(first), _by_problem(second)
    shared = sorted(ours.keys() & theirs.keys())
    return _flat(ours, shared), _flat(theirs, shared)


def difference(pairs: Sequence[Pair], k: int, *, seed: int = 0) -> Difference:
    """The difference of pass@k over `pairs`, with its paired interval."""
    enough = [pair for pair in pairs if min(pair[0].scored, pair[1].scored) >= k]
    whole = [pair for pair in pairs if min(pair[0].n, pair[1].n) >= k]
    first, second = (np.array([pass_measure(pair[side], k) for pair in enough]) for side in (0, 1))
    changes = second - first
    interval = Interval(low=math.nan, high=math.nan)
    if enough:
        clusters = clusters_of([pair[0] for pair in enough])
        interval = difference_interval(changes, seed=derive_seed("bootstrap", seed), clusters=clusters)
    return Difference(
        k=k,
        first=_mean(first),
        second=_mean(second),
        value=_mean(changes),
        low=interval.low,
        high=interval.high,
        problems=len(enough),
        gains=int((changes > 0).sum()),
        losses=int((changes < 0).sum()),
        at_least=_mean([pass_measure(b.at_worst(), k) - pass_measure(a.at_best(), k) for a, b in whole]),
        at_most=_mean([pass_measure(b.at_best(), k) - pass_measure(a.at_worst(), k) for a, b in whole]),
    )


def crossings(pairs: Sequence[Pair], most: int) -> tuple[Crossing, ...]:
    """Find the crossings of the two estimated pass@k curves between k = 1 and `most`.

    Both are means over the problems that have `most` scored samples in both runs, so that a curve is one curve.
    Looks at about twenty places, evenly spread over the logarithm of k, and then between those with a change.
    """
    enough = [pair for pair in pairs if min(pair[0].scored, pair[1].scored) >= most]
    if not enough:
        return ()

    def ahead(k: int) -> int:
        gap = math.fsum(pass_measure(b, k) - pass_measure(a, k) for a, b in enough) / len(enough)
        return 0 if abs(gap) < 1e-12 else int(math.copysign(1, gap))

    found: list[Crossing] = []
    leader, last = 0, 1
    for k in _places(most):
        now = ahead(k)
        if leader and now and now != leader:
            before, after = _narrowed(ahead, last, k, leader)
            found.append(Crossing(before=before, after=after, ahead=leader))
        if now:
            leader, last = now, k
    return tuple(found)


def _places(most: int) -> list[int]:
    return sorted({round(most ** (step / 20)) for step in range(21)})


def _narrowed(ahead: Callable[[int], int], low: int, high: int, leader: int) -> tuple[int, int]:
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if ahead(middle) == leader else (low, middle)
    return low, high


def _ks(asked: Sequence[int] | None, most: int) -> list[int]:
    if asked is None:
        return sorted({*(4**power for power in range(16) if 4**power <= most), most})
    if impossible := [k for k in asked if not 1 <= k <= most]:
        raise ConfigError(
            f"k must lie between 1 and the {most} samples that both runs have, not {impossible[0]}"
        )
    return sorted(set(asked))


Problem = tuple[str, tuple[tuple[str, str], ...]]
"""A task's id and its prompt."""
ByProblem = dict[Problem, list[Sample]]


def _by_problem(samples: Iterable[Sample]) -> ByProblem:
    found: dict[Problem, list[Sample]] = defaultdict(list)
    for sample in samples:
        prompt = tuple((message.role, message.content) for message in sample.prompt)
        found[sample.task, prompt].append(sample)
    return found


def _nothing_in_common(ours: ByProblem, theirs: ByProblem) -> str:
    ids = {task for task, _ in ours} & {task for task, _ in theirs}
    found = f"{len(ids)} have the same id in both, and another prompt" if ids else "no id is in both"
    return f"the two runs have no task in common, with the same id and the same prompt: {found}"


def _solved_by_one(solver: ByProblem, other: ByProblem, shared: Sequence[Problem]) -> tuple[str, ...]:
    """The tasks that the one solved and the other did not, within as many scored samples as both have."""
    return tuple(
        problem[0]
        for problem in shared
        if _solved(solver[problem], other[problem]) and not _solved(other[problem], solver[problem])
    )


def _solved(samples: Sequence[Sample], others: Sequence[Sample]) -> bool:
    """True if any of the first scored samples is right, of as many as the other run has as well."""
    ours, theirs = (
        sorted((s for s in some if s.verdict.scored), key=lambda s: s.sample) for some in (samples, others)
    )
    return any(sample.verdict.correct for sample in ours[: len(theirs)])


def _flat(samples: ByProblem, problems: Sequence[Problem]) -> list[Sample]:
    return [sample for problem in problems for sample in samples[problem]]


def _refuse_other_tasks(one: Conditions, other: Conditions) -> None:
    differing = [
        f"  {what}: {getattr(one, name)} in the first, {getattr(other, name)} in the second"
        for name, what in (
            ("environment", "environment and version"),
            ("fingerprint", "task-set fingerprint"),
        )
        if getattr(one, name) != getattr(other, name)
    ]
    if not differing:
        return
    differing += [
        f"  {name}: {told(ours)} in the first, {told(theirs)} in the second"
        for name, ours, theirs in _differing(one, other)
        if name.startswith("options.")
    ]
    raise ConfigError(
        "these runs were not asked the same:\n"
        + "\n".join(differing)
        + "\n--common (common=True) compares them on the tasks whose id and prompt are the same"
    )


def told(setting: object) -> str:
    """A setting as it is spoken of; None, as `Comparison.notes` has it, is one that was not set."""
    return "not set" if setting is None else str(setting)


def _differing(one: Conditions, other: Conditions) -> Iterable[tuple[str, object, object]]:
    """Conditions that differ, the model, which is what is compared, left out."""
    flat = [
        {
            "environment": said.environment,
            "fingerprint": said.fingerprint,
            **{f"options.{name}": value for name, value in said.options.items()},
            **{f"sampling.{name}": value for name, value in said.sampling},
        }
        for said in (one, other)
    ]
    for name in {**flat[0], **flat[1]}:
        if flat[0].get(name) != flat[1].get(name):
            yield name, flat[0].get(name), flat[1].get(name)


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _finite(numbers: JsonObject) -> JsonObject:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in numbers.items()
    }
