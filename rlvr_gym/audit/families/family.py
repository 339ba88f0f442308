"""Families of attacks: one idea each, tried in several ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rlvr_gym.audit.subject import Subject
from rlvr_gym.tasks import Task
from rlvr_gym.verifiers.attacks import Attack, Expectation


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One way to try a family's idea.

    `answer` is what a reader might take for the final answer of `text`, None where nothing in it could be right:
    it decides, by other means than the verifier, whether the attack really is wrong. `task` takes the place of the
    audited task.
    """

    says: str
    text: str
    answer: str | None = None
    task: Task | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Attacks that share an idea, and what a sound verifier does with them.

    A try of a family that must fail is put to the verifier only where it is known to be wrong. `tasks` is how many
    tasks it is tried on, None for all: what does not depend on the task need not be tried on each.
    """

    name: str
    about: str
    expectation: Expectation
    tries: Callable[[Subject], Iterator[Try]]
    tasks: int | None = None

    def attacks(self, subject: Subject) -> Iterator[Attack]:
        """The family's attacks on one task, each completion once."""
        seen: set[tuple[str, str]] = set()
        for attempt in self.tries(subject):
            put = attempt.text, attempt.task.content_hash if attempt.task else ""
            if put in seen:
                continue
            seen.add(put)
            expectation = self._expectation(subject, attempt)
            if expectation is not None:
                yield Attack(
                    family=self.name,
                    tries=attempt.says,
                    text=attempt.text,
                    expectation=expectation,
                    task=attempt.task,
                )

    def _expectation(self, subject: Subject, attempt: Try) -> Expectation | None:
        if self.expectation is Expectation.PASS:
            return Expectation.PASS
        wrong = subject.is_wrong(attempt.text, attempt.answer)
        match self.expectation:
            case Expectation.SURVIVE:
                return Expectation.FAIL if wrong else Expectation.SURVIVE
            case _:
                return self.expectation if wrong else None
