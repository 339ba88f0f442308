"""Exact match and F1 against several golden answers."""

from __future__ import annotations

import re
from collections import Counter
from typing import final

from rlvr_gym.errors import VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import AnswerContract
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.open_answers.normal import normal

_ALTERNATIVES = re.compile(
    r"""[ ](?:or|and|and/or|nor|but|not|also|maybe|perhaps|possibly|otherwise|alternatively|und|oder|et|ou|vs\.?)[ ]
      | [,;/|&()\[\]{}\u2022\u3001\uff0c\uff1b\u2192] | [.!?][ ] | [ ][-\u2013\u2014=+][ ]""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs and words between answers that stand side by side."""


def golden_answers(task: Task) -> tuple[str, ...]:
    """The answers of a task any of which is right: its reference, or each of the reference's entries.

    Raises VerifierFault where there are none, or one of them is no text or says nothing.
    """
    reference = task.reference
    listed = reference if isinstance(reference, list) else [reference]
    for gold in listed:
        known = isinstance(gold, str) or (isinstance(gold, int) and not isinstance(gold, bool))
        if not known or not normal(str(gold)):
            raise VerifierFault(
                f"task '{task.id}' has the golden answer {gold!r}; expected text with a letter or a digit in it"
            )
    if not listed:
        raise VerifierFault(f"task '{task.id}' has no golden answer")
    return tuple(str(gold) for gold in listed)


@final
class ExactMatch(Verifier):
    """The final answer equals one of several golden answers, both in their normal form (`normal`).

    The whole answer must: a sentence that holds the golden answer is wrong, and so is a list with it.

    Args:
        contract: where the answer stands, or the name of a marker.
    """

    def __init__(self, contract: AnswerContract | str) -> None:
        self.contract = AnswerContract.of(contract)

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Compare the final answer with each golden answer of `task.reference`."""
        golden = golden_answers(task)
        said = self.contract.read_one(completion.text)
        if isinstance(said, Verdict):
            return said
        if normal(said) in {normal(gold) for gold in golden}:
            return Verdict.right(answer=said)
        return Verdict.wrong(_expected(golden), answer=said)

    def solution(self, task: Task) -> str:
        """The first golden answer, marked as the final one."""
        return self.contract.write(golden_answers(task)[0])

    def check(self, task: Task) -> None:
        """Hold every golden answer to what is asked of a right answer."""
        _check_each(self, self.contract, task)


@final
class F1(Verifier):
    """The words that the final answer shares with the golden answer it is nearest to: F1 of precision and recall.

    Both are in their normal form. Full marks are for an answer that is one of the golden ones, word for word in their
    order. An answer that lists the golden one beside others earns nothing: it would pay more than a guess. So does one
    that shares nothing, and one that differs in a yes or no.

    Args:
        contract: where the answer stands, or the name of a marker.
    """

    def __init__(self, contract: AnswerContract | str) -> None:
        self.contract = AnswerContract.of(contract)

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Compare the final answer with each golden answer of `task.reference`."""
        golden = golden_answers(task)
        said = self.contract.read_one(completion.text)
        if isinstance(said, Verdict):
            return said
        answer, normals = normal(said), [normal(gold) for gold in golden]
        if answer in normals:
            return Verdict.right(answer=said)
        if _lists(said, normals):
            return Verdict.wrong(f"several answers side by side; {_expected(golden)}", answer=said)
        shared = max(_f1(answer, gold) for gold in normals)
        # The same words in another order are near, and not the answer.
        return Verdict.wrong(_expected(golden), answer=said, score=min(shared, _MOST_FOR_A_WRONG_ANSWER))

    def solution(self, task: Task) -> str:
        """The first golden answer, marked as the final one."""
        return self.contract.write(golden_answers(task)[0])

    def check(self, task: Task) -> None:
        """Hold every golden answer to what is asked of a right answer."""
        _check_each(self, self.contract, task)


_MOST_FOR_A_WRONG_ANSWER = 0.99
_CLOSED = {"yes", "no", "noanswer"}


def _f1(answer: str, gold: str) -> float:
    if answer != gold and (answer in _CLOSED or gold in _CLOSED):
        return 0.0
    said, right = answer.split(), gold.split()
    shared = (Counter(said) & Counter(right)).total()
    return 2 * shared / (len(said) + len(right))


def _lists(said: str, golden: list[str]) -> bool:
    """Return whether one of several parts of an answer is a golden one by itself."""
    lines = " ; ".join(" ".join(line.split()) for line in said.splitlines())
    parts = [normal(part) for part in _ALTERNATIVES.split(lines)]
    return sum(map(bool, parts)) > 1 and any(part in golden for part in parts)


def _expected(golden: tuple[str, ...]) -> str:
    shown = ", ".join(map(repr, golden[:3]))
    return f"expected {shown}" + (f" or one of {len(golden) - 3} more" if len(golden) > 3 else "")


def _check_each(verifier: Verifier, contract: AnswerContract, task: Task) -> None:
    for gold in golden_answers(task):
        verdict = verifier.verify(task, Completion(text=contract.write(gold)))
        if not verdict.correct:
            raise VerifierFault(
                f"task '{task.id}': its own golden answer, {gold[:200]!r}, is {verdict.outcome}: {verdict.detail}"
            )
