"""Which prompts a step trains on: the order of the data, and DAPO's dynamic sampling."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from pydantic import TypeAdapter

from rlvr_gym.errors import ConfigError, TooManyUnscored, TrainingError
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.seeding import derive_rng
from rlvr_gym.tasks import Task, TaskSet
from rlvr_trainers.advantages import EQUAL_WITHIN, is_degenerate

Play = Callable[[Sequence[Task], int], list[Group]]
"""(tasks, round number within the step) -> one judged group per task."""

_GROUPS = TypeAdapter(list[Group])
_TIMES: Any = {"__all__": {"__all__": {"judging_seconds"}}}
"""What of a rollout differs between equal runs."""


@final
class TaskStream:
    """The tasks of a set in a seeded order, a new order every epoch; endless sets come in their own order.

    `state` is all that a checkpoint needs.
    """

    def __init__(self, tasks: TaskSet, *, seed: int) -> None:
        self._tasks, self._seed = tasks, seed
        self._epoch, self._position = 0, 0
        self._order: list[int] | None = None

    @property
    def state(self) -> dict[str, int]:
        """Epoch, and position within it."""
        return {"epoch": self._epoch, "position": self._position}

    @state.setter
    def state(self, state: dict[str, int]) -> None:
        self._epoch, self._position, self._order = state["epoch"], state["position"], None

    def draw(self, count: int, *, without: Sequence[str] = ()) -> list[Task]:
        """The next `count` tasks, all different and none of those ids."""
        chosen: dict[str, Task] = {}
        seen_in_vain = 0
        patience = 200 + 20 * (count + len(without)) + (self._tasks.size or 0)
        while len(chosen) < count:
            task = self._next()
            if task.id not in without and task.id not in chosen:
                chosen[task.id] = task
                seen_in_vain = 0
            elif (seen_in_vain := seen_in_vain + 1) > patience:
                found = len(chosen) + len(without)
                raise ConfigError(
                    f"'{self._tasks.name}' ({self._tasks.split}) has only about {found} different tasks, and a "
                    f"step asked for more without repeating any: lower batch.prompts, or make the environment larger"
                )
        return list(chosen.values())

    def _next(self) -> Task:
        size = self._tasks.size
        if size is None:
            self._position += 1
            return self._tasks.at(self._position - 1)
        if self._position >= size:
            self._epoch, self._position, self._order = self._epoch + 1, 0, None
        if self._order is None:
            self._order = list(range(size))
            derive_rng(self._seed, "order", self._epoch).shuffle(self._order)
        self._position += 1
        return self._tasks.at(self._order[self._position - 1])


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one step's sampling brought."""

    groups: list[Group]
    """The groups to train on."""
    everything: list[Group]
    """All groups drawn for this step, kept or not."""
    rounds: int
    stale: int
    """Surplus groups of an earlier step, dropped because the weights have changed since."""

    @property
    def sampled(self) -> list[Group]:
        """What to look at: everything drawn, or, where nothing had to be, what an earlier step left over."""
        return self.everything or self.groups

    def metrics(self) -> dict[str, float]:
        """Counts, pass rate before filtering, and how the keep share compares with what it implies."""
        rollouts = [rollout for group in self.everything for rollout in group]
        scored = [r for r in rollouts if r.verdict.scored]
        informative = sum(not degenerate(group) for group in self.everything)
        metrics = {
            "groups/drawn": len(self.everything),
            "groups/kept": len(self.groups),
            "groups/rounds": self.rounds,
            "groups/stale": self.stale,
            "groups/degenerate_share": sum(map(degenerate, self.groups)) / len(self.groups),
            "unscored/share": 1 - len(scored) / len(rollouts) if rollouts else 0.0,
        }
        if scored:
            metrics["pass_rate/all"] = float(np.mean([r.verdict.correct for r in scored]))
        if self.everything:
            metrics["groups/keep_share"] = informative / len(self.everything)
            metrics["groups/keep_share_expected"] = float(
                np.mean(list(map(_keep_probability, self.everything)))
            )
        return metrics


def outcome_scores(group: Sequence[Rollout]) -> np.ndarray:
    """Scores of a group's verdicts, float64 (G,), NaN where unscored."""
    return np.array([np.nan if r.verdict.score is None else r.verdict.score for r in group], dtype=np.float64)


def degenerate(group: Group) -> bool:
    """Whether all outcomes of a group are equal (or fewer than two are known): nothing to learn from."""
    return is_degenerate(outcome_scores(group))


def _keep_probability(group: Group) -> float:
    """1 - p^G - (1-p)^G at the group's own pass rate."""
    right = [r.verdict.correct for r in group if r.verdict.scored]
    if not right:
        return 0.0
    p = sum(right) / len(right)
    return 1 - p ** len(group) - (1 - p) ** len(group)


SOLVED_GROUPS, SOLVED_SAMPLES = 0.9, 0.95
"""The shares of groups that are all right, and of samples that are right, from which a starved step is a success."""


@final
class Solved(TrainingError):
    """Dynamic sampling starves because nearly all is right: the policy has learned what there is to learn."""

    def __init__(self, message: str, *, prompts: int, all_right: float, pass_rate: float) -> None:
        super().__init__(message)
        self.figures = (
            f"of {prompts:,} prompts, {all_right:.2%} were answered right by all of their samples, and {pass_rate:.2%} "
            "of all samples are right"
        )
        """What was found, to be told."""


@final
class GroupSource:
    """Draws and plays the groups of each step; with `max_rounds`, keeps only those that can be learned from."""

    def __init__(
        self, stream: TaskStream, play: Play, *, wanted: int, max_rounds: int | None, max_unscored: float
    ) -> None:
        self.stream = stream
        self.max_rounds = max_rounds
        self._play, self._wanted, self._max_unscored = play, wanted, max_unscored
        self._surplus: list[Group] = []
        self._surplus_version = 0

    @property
    def state(self) -> dict[str, Any]:
        """Data position and accepted groups that are not used yet, as JSON values."""
        return {
            "stream": self.stream.state,
            "surplus": _GROUPS.dump_python(self._surplus, mode="json", exclude=_TIMES),
            "surplus_version": self._surplus_version,
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.stream.state = state["stream"]
        self._surplus = _GROUPS.validate_python(state["surplus"])
        self._surplus_version = state["surplus_version"]

    def draw(self, weights_version: int) -> Drawn:
        """The groups of the next step.

        Without dynamic sampling: `wanted` prompts, whatever comes of them. With it, new prompts are drawn in
        rounds until `wanted` groups are informative; what is left over serves the next step if the weights
        are still the same then. Raises TrainingError when the rounds do not bring as many, and `Solved`, which
        is one, when they do not because nearly all is right.
        """
        fresh = self._surplus_version == weights_version
        kept, stale = (self._surplus, 0) if fresh else ([], len(self._surplus))
        self._surplus = []
        everything: list[Group] = []
        rounds = 0
        while len(kept) < self._wanted:
            if rounds == (self.max_rounds or 1):
                raise self._starved(everything, len(kept))
            in_batch = [group[0].task.id for group in kept]
            tasks = self.stream.draw(self._round_size(len(kept), everything), without=in_batch)
            groups = self._play(tasks, rounds)
            rounds += 1
            everything += groups
            kept += groups if self.max_rounds is None else [g for g in groups if not degenerate(g)]
            check_unscored([r for group in everything for r in group], self._max_unscored)
        self._surplus, self._surplus_version = kept[self._wanted :], weights_version
        return Drawn(groups=kept[: self._wanted], everything=everything, rounds=rounds, stale=stale)

    def _round_size(self, kept: int, everything: Sequence[Group]) -> int:
        """How many prompts to draw: twice what the keep share so far says is needed, at most a full batch.

        Twice, because falling short costs a whole round of sampling, and a surplus only its own samples.
        """
        missing = self._wanted - kept
        if not everything:
            return missing
        informative = sum(not degenerate(group) for group in everything)
        return min(self._wanted, math.ceil(2 * missing * len(everything) / max(1, informative)))

    def _starved(self, everything: Sequence[Group], kept: int) -> TrainingError:
        shares = _shares_of_causes(everything)
        message = (
            f"dynamic sampling found {kept} of {self._wanted} informative groups in {len(everything)} prompts "
            f"over {self.max_rounds} rounds: {_told(shares)}. Try {_advice(shares)}, a larger batch.group_size, or a "
            "higher dynamic_sampling.max_rounds; dynamic_sampling=null trains on whatever comes"
        )
        right = [r.verdict.correct for group in everything for r in group if r.verdict.scored]
        if shares[ALL_RIGHT] >= SOLVED_GROUPS and sum(right) >= SOLVED_SAMPLES * len(right):
            pass_rate = sum(right) / len(right)
            return Solved(message, prompts=len(everything), all_right=shares[ALL_RIGHT], pass_rate=pass_rate)
        return TrainingError(message)


ALL_RIGHT, ALL_WRONG, UNJUDGED = "all right", "all wrong", "with fewer than two judged samples"


def _shares_of_causes(groups: Sequence[Group]) -> dict[str, float]:
    """What makes groups degenerate, and the share of all groups that each cause has, the commonest first.

    The first two of the named causes are always there; others are partial scores, `all at 0.3`.
    """
    causes = Counter(_what_is_equal(group) for group in groups if degenerate(group))
    shares = {cause: times / len(groups) for cause, times in causes.most_common()}
    return {ALL_RIGHT: 0.0, ALL_WRONG: 0.0} | shares


def _what_is_equal(group: Group) -> str:
    scores = outcome_scores(group)
    known = scores[~np.isnan(scores)]
    if known.size < 2:
        return UNJUDGED
    if known.min() >= 1 - EQUAL_WITHIN:
        return ALL_RIGHT
    return ALL_WRONG if known.max() <= EQUAL_WITHIN else f"all at {known.min():.6g}"


def _told(shares: dict[str, float]) -> str:
    """All right, all wrong, the three commonest of the partial scores, the rest of these together, unjudged."""
    partial = [cause for cause in shares if cause.startswith("all at ")]
    parts = [f"{shares[cause]:.0%} {cause}" for cause in (ALL_WRONG, *partial[:3])]
    if partial[3:]:
        parts.append(f"{sum(shares[cause] for cause in partial[3:]):.0%} all at another score")
    if UNJUDGED in shares:
        parts.append(f"{shares[UNJUDGED]:.0%} {UNJUDGED}")
    return f"{shares[ALL_RIGHT]:.0%} of the groups were {ALL_RIGHT}, {', '.join(parts)}"


def _advice(shares: dict[str, float]) -> str:
    """What helps against the commonest kind of cause."""
    partial = sum(share for cause, share in shares.items() if cause.startswith("all at "))
    advice = {
        "harder tasks": shares[ALL_RIGHT],
        "easier tasks, a supervised warm-up": shares[ALL_WRONG],
        "a score that tells these equal answers apart, other tasks": partial,
        "a verifier that can judge these samples": shares.get(UNJUDGED, 0.0),
    }
    return max(advice, key=lambda what: advice[what])


def check_unscored(rollouts: Sequence[Rollout], limit: float) -> None:
    """Raise TooManyUnscored, naming the commonest cause, when more than `limit` of the samples are unscored."""
    causes = Counter(r.verdict.detail for r in rollouts if not r.verdict.scored)
    share = causes.total() / len(rollouts)
    if share > limit:
        cause, times = causes.most_common(1)[0]
        raise TooManyUnscored(
            f"{causes.total()} of {len(rollouts)} samples ({share:.0%}) could not be judged, more than "
            f"run.max_unscored={limit:g} allows; most often ({times}): {cause}"
        )
