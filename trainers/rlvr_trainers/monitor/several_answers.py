"""Completions that give several answers where one is asked for: hedges and enumerations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.verifiers.answers import without_thinking
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.solutions import Solutions

_LONGEST = 400
"""Characters: anything longer is a text or a program, not a list of answers."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_BETWEEN = re.compile(r"\s*(?:[,;|\n]|\\text\{\s*or\s*\}|\bor\b|\band\b)\s*|(?<=\d)\s+(?=[-+]?\d)")
_MARKED = re.compile(r"\\boxed\s*\{([^{}]*)\}|<answer>([^<]*)|(?<!#)####(?!#)([^\n]*)", re.IGNORECASE)
_WORDS = re.compile(r"\b(?:or|and)\b")
_LETTER = re.compile(r"[^\W\d_]")


def answers_in(answer: str) -> int:
    """Count the different answers side by side in a final answer: `7 or 8` has two, `1,234` one."""
    plain = _THOUSANDS.sub("", answer.strip())
    if not plain or len(plain) > _LONGEST:
        return min(1, len(plain))
    return len({piece.strip("()[]{}$ .") for piece in _BETWEEN.split(plain)} - {""})


def answers_given(text: str, answer: str | None) -> int:
    """Count the different answers that a completion gives.

    They are in its final answer, as the verifier read it, or marked as answers. If neither tells, a text without words
    is all answers.
    """
    said = without_thinking(text)
    marked = {"".join(filter(None, found.groups())).strip() for found in _MARKED.finditer(said)} - {""}
    if answer is None and not marked and not _LETTER.search(_WORDS.sub("", said)):
        return answers_in(said)
    return max([answers_in(answer or ""), len(marked), *map(answers_in, marked)])


def several_answer_metrics(groups: Sequence[Group], solutions: Solutions) -> Metrics:
    """The share of completions that give more answers than a right one does.

    Some tasks ask for several answers: their solutions have as many.
    """
    rollouts = [rollout for group in groups for rollout in group]
    if not rollouts:
        return {}
    asked = {id: answers_asked(solution) for id, solution in solutions.items()}
    several = sum(gives_more(rollout, asked.get(rollout.task.id, 1)) for rollout in rollouts)
    return {"detectors/several_answers/share": several / len(rollouts)}


def answers_asked(solution: str | None) -> int:
    """Number of answers in a right completion; 1 if none is known."""
    return max(1, answers_given(solution or "", None))


def gives_more(rollout: Rollout, asked: int) -> bool:
    """True where a rollout gives more answers than are asked for."""
    return answers_given(rollout.text, rollout.verdict.answer) > asked
