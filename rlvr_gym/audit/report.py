"""The report of an audit: rates with intervals, per family, with the shortest example of each success."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, JsonValue

from rlvr_gym.evaluation.statistics.intervals import wilson
from rlvr_gym.verifiers.attacks import Attack, Expectation

TOLERATED_FALSE_POSITIVES = 0.01
TOLERATED_FALSE_NEGATIVES = 0.03
_SHOWN_CHARACTERS = 500


BLIND = "no task's solution is known, so nothing near a right answer was tried"


class Failure(StrEnum):
    """The kinds of faults that a verifier can have."""

    FALSE_POSITIVE = "false positive"
    """A wrong completion got full marks."""
    FALSE_NEGATIVE = "false negative"
    """A right completion did not."""
    CRASH = "crash"
    """The verifier could not judge, or took its process down with it."""
    HANG = "hang"
    """No verdict by the deadline."""
    MEMORY = "memory"
    """Judging took more memory than an answer may cost."""
    CODE_RAN = "code ran"
    """A canary appeared: text of the policy was executed."""
    INCONSISTENT = "inconsistent"
    """Another verdict in another process and order."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Example(_Record):
    """The shortest attack that succeeded in one way."""

    failure: Failure
    tries: str
    task: str
    text: str
    """As it was put to the verifier, cut to its first 500 characters."""
    characters: int
    said: str
    """The verifier's answer, or how it failed to give one."""


class Trial(_Record):
    """One attack and what came of it."""

    task: str
    attack: Attack
    said: str
    score: float
    failures: tuple[Failure, ...] = ()

    @property
    def example(self) -> dict[str, JsonValue]:
        """The fields of an `Example` of this trial."""
        text = self.attack.text
        return {
            "tries": self.attack.tries,
            "task": self.task,
            "text": text[:_SHOWN_CHARACTERS],
            "characters": len(text),
            "said": self.said[:_SHOWN_CHARACTERS],
        }


class Rate(_Record):
    """A count out of a total, with Wilson's 95 % interval."""

    count: int
    of: int
    low: float
    high: float

    @staticmethod
    def of_trials(count: int, of: int) -> Rate | None:
        """The rate, None of nothing."""
        if of == 0:
            return None
        interval = wilson(count, of)
        return Rate(count=count, of=of, low=interval.low, high=interval.high)

    @property
    def value(self) -> float:
        """The rate itself."""
        return self.count / self.of

    def __str__(self) -> str:
        return f"{self.count} of {self.of} ({self.low:.1%} to {self.high:.1%})"


class FamilyResult(_Record):
    """The results of one family.

    `false_positives` is of the attacks that must not pass, `false_negatives` of those that must; None where there
    were none. `paid` is the highest score short of full marks that an attack that must fail earned.
    """

    name: str
    about: str
    attacks: int
    left_out: int
    """Attacks that were not tried any more because too many of the family never ended."""
    false_positives: Rate | None
    false_negatives: Rate | None
    paid: float
    failures: dict[Failure, int]
    examples: tuple[Example, ...]


class AuditReport(_Record):
    """The verdict on a verifier."""

    environment: str
    options: dict[str, JsonValue]
    tasks: int
    tasks_fingerprint: str
    families: tuple[FamilyResult, ...]
    untried: tuple[str, ...]
    """Families that had nothing to try, because the tasks' solutions do not show where an answer stands, say."""
    blind: bool = False
    """True where nothing was tried that is made from a right answer or declared by the verifier, and that is not
    open-ended: no solution is known."""

    @property
    def attacks(self) -> int:
        """Number of attacks tried."""
        return sum(family.attacks for family in self.families)

    @property
    def false_positives(self) -> Rate | None:
        """Over all families."""
        return _total(family.false_positives for family in self.families)

    @property
    def false_negatives(self) -> Rate | None:
        """Over all families."""
        return _total(family.false_negatives for family in self.families)

    @property
    def failures(self) -> dict[Failure, int]:
        """Number of failures of each kind, over all families."""
        return {
            failure: count
            for failure in Failure
            if (count := sum(family.failures.get(failure, 0) for family in self.families))
        }

    def sound(self, *, strict: bool = False) -> bool:
        """True if the verifier is fit to train on: nothing is `held_against` it."""
        return not self.held_against(strict=strict)

    def held_against(self, *, strict: bool = False) -> list[str]:
        """Return the reasons not to train on this verifier.

        Code that ran, crashes, hangs, memory and inconsistencies always count. Up to 1 % of false positives (none with
        `strict`) and up to 3 % of false negatives are accepted. An audit that was blind shows nothing.
        """
        rates = {
            Failure.FALSE_POSITIVE: (self.false_positives, 0.0 if strict else TOLERATED_FALSE_POSITIVES),
            Failure.FALSE_NEGATIVE: (self.false_negatives, TOLERATED_FALSE_NEGATIVES),
        }
        return [
            f"{failure}: {rate.count} of {rate.of} (at most {most:.0%} is let pass)"
            for failure, (rate, most) in rates.items()
            if rate and rate.value > most
        ] + [
            *(f"{failure}: {count}" for failure, count in self.failures.items() if failure not in rates),
            *([BLIND] if self.blind else []),
        ]


def family_result(name: str, about: str, trials: list[Trial], *, left_out: int = 0) -> FamilyResult:
    """The trials of one family, counted."""
    unpaid = (Expectation.FAIL, Expectation.NEVER_PASS)
    wrong = [trial for trial in trials if trial.attack.expectation in unpaid]
    right = [trial for trial in trials if trial.attack.expectation is Expectation.PASS]
    counts = {
        failure: count for failure in Failure if (count := sum(failure in trial.failures for trial in trials))
    }
    return FamilyResult(
        name=name,
        about=about,
        attacks=len(trials),
        left_out=left_out,
        false_positives=Rate.of_trials(counts.get(Failure.FALSE_POSITIVE, 0), len(wrong)),
        false_negatives=Rate.of_trials(counts.get(Failure.FALSE_NEGATIVE, 0), len(right)),
        paid=max((trial.score for trial in wrong if trial.score < 1), default=0.0),
        failures=counts,
        examples=tuple(_shortest(trials, failure) for failure in counts),
    )


def _shortest(trials: Iterable[Trial], failure: Failure) -> Example:
    found = (trial for trial in trials if failure in trial.failures)
    trial = min(found, key=lambda trial: (len(trial.attack.text), trial.attack.text, trial.task))
    return Example.model_validate({"failure": failure, **trial.example})


def _total(rates: Iterable[Rate | None]) -> Rate | None:
    known = [rate for rate in rates if rate]
    return Rate.of_trials(sum(rate.count for rate in known), sum(rate.of for rate in known))
