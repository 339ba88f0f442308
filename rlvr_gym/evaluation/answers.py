"""Group wrong answers that are the same by the verifier's own judgement, not as strings: for maj@k."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from rlvr_gym.evaluation.samples import Sample
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome
from rlvr_gym.verifiers.base import Verifier, judge


def wrong_answers(
    verifier: Verifier, tasks: Mapping[str, Task], samples: Iterable[Sample]
) -> dict[str, tuple[int, ...]]:
    """Count each wrong answer, by task.

    Two wrong answers are the same if each would be right with the other as the reference, or if they are the same text.
    `tasks` has the samples' tasks by id. Takes about d^2 verdicts for a task with d wrong answers that differ as texts.
    """
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task].append(sample)
    return {task: _sizes(verifier, tasks[task], group) for task, group in by_task.items()}


def _sizes(verifier: Verifier, task: Task, samples: Iterable[Sample]) -> tuple[int, ...]:
    texts: Counter[str] = Counter()
    completions: dict[str, Completion] = {}
    for sample in samples:
        answer = _wrong_answer(sample)
        if answer is not None:
            texts[answer] += 1
            completions.setdefault(
                answer, Completion(text=sample.completion, finish_reason=sample.finish_reason)
            )
    sizes: dict[str, int] = {}
    for answer, count in texts.most_common():
        same = (other for other in sizes if _same(verifier, task, completions, answer, other))
        found = next(same, answer)
        sizes[found] = sizes.get(found, 0) + count
    return tuple(sorted(sizes.values(), reverse=True))


def _wrong_answer(sample: Sample) -> str | None:
    """The wrong answer that a sample gave, None where it gave none, was right or has no score.

    A verifier that names no answer judges the completion as a whole, which is then the answer.
    """
    if not sample.verdict.scored or sample.verdict.correct:
        return None
    if sample.verdict.answer is not None:
        return sample.verdict.answer
    return sample.completion.strip() if sample.verdict.outcome is Outcome.INCORRECT else None


def _same(
    verifier: Verifier, task: Task, completions: Mapping[str, Completion], one: str, other: str
) -> bool:
    return _right_for(verifier, task, one, completions[other]) and _right_for(
        verifier, task, other, completions[one]
    )


def _right_for(verifier: Verifier, task: Task, reference: str, completion: Completion) -> bool:
    return judge(verifier, task.model_copy(update={"reference": reference}), completion).correct
