"""Contamination: prompts that stand in two sets of tasks, word for word or in long passages."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from rlvr_gym.errors import ConfigError
from rlvr_gym.tasks import Task, TaskSet

if TYPE_CHECKING:
    from rlvr_gym.environments.base import EnvironmentCard

WORDS = 13
"""Passages of so many words count, as in arXiv 2005.14165, appendix C."""
ENDLESS = 1000
"""Number of tasks compared of an endless set."""
_COMMON = 10
"""A sentence in more prompts of a set than this is how the set asks, not what it asks: it is no passage."""
_EXAMPLES = 5


class Shared(BaseModel):
    """A prompt of the second set and a prompt of the first that it shares something with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    """The task's id in the first set."""
    second: str
    passage: str
    """The text they share: the whole normalised prompt, or the passage."""


class Overlap(BaseModel):
    """The number of prompts of the second set that also occur in the first.

    `exact`: the same words in the same order, apart from sentences that a set puts into half of its prompts.
    `passages`: no exact match, but a passage of 13 words in common, apart from sentences that a set puts into more
    than ten of its prompts. Both count prompts of the second set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    first_tasks: int
    second_tasks: int
    exact: int
    passages: int
    examples: tuple[Shared, ...]

    @property
    def clean(self) -> bool:
        """True if nothing is shared."""
        return self.exact == self.passages == 0

    @property
    def tolerable(self) -> bool:
        """True if `second` can be held out all the same: no exact match, and passages in at most 1 % of it.

        The two splits of a published dataset often have a few near twins: of GSM8K's 1,319 test problems, 3.
        """
        return self.exact == 0 and self.passages <= 0.01 * self.second_tasks

    def __str__(self) -> str:
        return (
            f"of {self.second_tasks:,} prompts of {self.second}, {self.exact:,} stand word for word in {self.first} "
            f"({self.first_tasks:,} prompts) and {self.passages:,} more share a passage of {WORDS} words with it"
        )


def overlap(first: TaskSet, second: TaskSet) -> Overlap:
    """Find what `second`, usually held out, shares with `first`, usually for training.

    Of an endless set the first 1,000 tasks are looked at. Its prompts are made from templates, which share long
    passages by nature: where a set is endless only exact matches count.
    """
    ours, theirs = _looked_at(first), _looked_at(second)
    exact = _exact(ours, theirs)
    found = {shared.second for shared in exact}
    passages: list[Shared] = []
    if first.size is not None and second.size is not None:
        passages = list(_passages(ours, [task for task in theirs if task.id not in found]))
    return Overlap(
        first=first.label,
        second=second.label,
        first_tasks=len(ours),
        second_tasks=len(theirs),
        exact=len(exact),
        passages=len(passages),
        examples=(*exact[:_EXAMPLES], *passages[:_EXAMPLES]),
    )


def known_overlap(first: EnvironmentCard | None, second: EnvironmentCard | None) -> str | None:
    """Describe what two sets are known to have in common, by the `overlap_groups` of their cards.

    No row is read for it, and problems may stand in both in other words. None where nothing is known, and for two
    splits of one set.
    """
    if first is None or second is None or first == second:
        return None
    shared = [group for group in first.overlap_groups if group in second.overlap_groups]
    return f"both hold problems of {', '.join(shared)}" if shared else None


def refuse_overlap(training: Iterable[TaskSet], held_out: TaskSet) -> None:
    """Raise ConfigError where a training set, or one in a mixture of them, holds prompts of the held-out set.

    What is `tolerable` is let pass. Two splits of one procedural set are disjoint by construction and not
    looked at.
    """
    for tasks in training:
        if tasks.size is None and tasks.name == held_out.name and tasks.split != held_out.split:
            continue
        found = overlap(tasks, held_out)
        if not found.tolerable:
            example = found.examples[0]
            raise ConfigError(
                f"the held-out tasks overlap with the training tasks: {found}. For example task '{example.second}' "
                f"and training task '{example.first}': {example.passage[:120]!r}"
            )


def _looked_at(tasks: TaskSet) -> list[Task]:
    if tasks.size is not None:
        return tasks.take(None)
    return list({task.id: task for task in itertools.islice(tasks, ENDLESS)}.values())


def _exact(ours: Sequence[Task], theirs: Sequence[Task]) -> list[Shared]:
    """Prompts that are the same, each without what its set puts into half of its prompts or more."""
    left, right = _frequent(ours, len(ours)), _frequent(theirs, len(theirs))
    where = {_question(task, left): task.id for task in reversed(ours)}
    return [
        Shared(first=where[question], second=task.id, passage=question)
        for task in theirs
        if (question := _question(task, right)) in where
    ]


def _question(task: Task, template: frozenset[str]) -> str:
    sentences = _sentences(task.text)
    return " ".join([one for one in sentences if one not in template] or sentences)


def _passages(ours: Sequence[Task], theirs: Sequence[Task]) -> Iterator[Shared]:
    """The first passage that each of `theirs` shares with one of `ours`.

    Passages of `theirs` are held in memory, not those of `ours`: a set to train on may be a thousand times larger.
    """
    boilerplate = _frequent(ours, _COMMON) | _frequent(theirs, _COMMON)
    wanted = {gram for task in theirs for gram in _grams(task.text, boilerplate)}
    where: dict[tuple[str, ...], str] = {}
    for task in ours:
        for gram in _grams(task.text, boilerplate):
            if gram in wanted:
                where.setdefault(gram, task.id)
    for task in theirs:
        shared = next((gram for gram in _grams(task.text, boilerplate) if gram in where), None)
        if shared:
            yield Shared(first=where[shared], second=task.id, passage=" ".join(shared))


def _grams(text: str, boilerplate: frozenset[str]) -> Iterator[tuple[str, ...]]:
    kept = [word for sentence in _sentences(text) if sentence not in boilerplate for word in sentence.split()]
    return (tuple(kept[at : at + WORDS]) for at in range(len(kept) - WORDS + 1))


def _frequent(tasks: Sequence[Task], most: int) -> frozenset[str]:
    """The sentences in more than `most` of the prompts, or in half of them and more than one."""
    counts = Counter(sentence for task in tasks for sentence in set(_sentences(task.text)))
    limit = min(most, max(1, (len(tasks) - 1) // 2))
    return frozenset(sentence for sentence, count in counts.items() if count > limit)


def _sentences(text: str) -> list[str]:
    """The normalised sentences of a prompt, by punctuation and line."""
    cut = re.split(r"(?<=[.!?])\s+|\n+", text)
    return [" ".join(found) for sentence in cut if (found := words(sentence))]


def words(text: str) -> list[str]:
    """The words and numbers of a text, without case, accents' spelling, punctuation and white space."""
    return re.findall(r"\w+|[^\w\s.,;:!?'\"()\[\]{}$\\]", unicodedata.normalize("NFKC", text).casefold())
