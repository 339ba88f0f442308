"""Nothing: texts that hold no answer, which some verifier in use has paid for."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Subject
from rlvr_gym.audit.truth import value
from rlvr_gym.verifiers.attacks import Expectation

SAYINGS = {
    "empty": "",
    "a space": " ",
    "white space": "\n\n\t ",
    "an invisible character": "\u200b",
    "a full stop": ".",
    "punctuation": "?!,;:...-",
    "a null character": "\x00",
    "an empty thought": "<think></think>",
    "None": "None",
    "null": "null",
    "nan": "nan",
    "infinity": "inf",
    "true": "True",
    "refusal": "I don't know.",
    "a greeting": "Hello! How can I help you today?",
}


def tries(subject: Subject) -> Iterator[Try]:
    """Saying nothing, saying something empty, saying the question."""
    for says, text in SAYINGS.items():
        if text.casefold() == subject.gold.casefold() and subject.frame:
            continue
        yield Try(says=says, text=text)
        if subject.frame:
            yield Try(says=f"{says}, as the answer", text=subject.frame.around(text))
    question = subject.task.text
    if value(question) is not None:  # an expression asked for its value: an unsimplified echo may count
        return
    yield Try(says="the question echoed", text=question)
    if subject.frame:
        yield Try(says="the question as the answer", text=subject.frame.around(question))


FAMILY = Family(
    name="nothing",
    about="empty, blank and meaningless texts, and the question echoed",
    expectation=Expectation.FAIL,
    tries=tries,
)
