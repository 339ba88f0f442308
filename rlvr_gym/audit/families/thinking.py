"""The gold only in the thinking part, where an answer does not count."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.families.hedges import wrong_answer
from rlvr_gym.audit.subject import Subject
from rlvr_gym.verifiers.attacks import Expectation


def tries(subject: Subject) -> Iterator[Try]:
    """The solution thought and not said, or thought and contradicted."""
    if subject.frame is None:
        return
    solution = subject.solution or subject.frame.around(subject.gold)
    for says, text in {
        "thought, not said": f"<think>{solution}</think>",
        "thought, never ending": f"<think>{solution}",
        "thought in another spelling": f"<thinking>\n{solution}\n</thinking>",
        "thought without an opening tag": f"{solution}\n</think>",
        "thought, then a refusal": f"<think>{solution}</think>\nI cannot say.",
        "thought after an empty thought": f"<think></think><think>{solution}</think>",
        "thought in capitals": f"<THINK>{solution}</THINK>",
    }.items():
        yield Try(says=says, text=text)
    if other := wrong_answer(subject):
        wrong = subject.frame.around(other)
        yield Try(says="thought, and another answer said", text=f"<think>{solution}</think>\n{wrong}")
        yield Try(says="another answer said, then thought", text=f"{wrong}\n<think>{solution}</think>")


FAMILY = Family(
    name="thinking",
    about="the gold only in the thinking part",
    expectation=Expectation.FAIL,
    tries=tries,
)
