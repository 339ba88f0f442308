"""The last fenced block of an answer."""

from __future__ import annotations

import re

from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.answers import AnswerContract

_FENCE = re.compile(r"^[ \t]*```.*$\n?", re.MULTILINE)


def last_fenced(text: str) -> str:
    """What stands in the last fenced block (```) of `text`, all of it where there is none, stripped.

    Raises ValueError where the last block is never closed. Takes time linear in the length of `text`.
    """
    fences = list(_FENCE.finditer(text))
    if not fences:
        return text.strip()
    if len(fences) % 2:
        raise ValueError("the last fenced block is never closed")
    return text[fences[-2].end() : fences[-1].start()].strip()


def fenced_answer(contract: AnswerContract, text: str, *, most: int) -> str | Verdict:
    """What `last_fenced` finds in the final answer of a completion; a verdict where there is none.

    `most` is how many characters it may have.
    """
    said = contract.read_one(text)
    if isinstance(said, Verdict):
        return said
    try:
        answer = last_fenced(said)
    except ValueError as error:
        return Verdict.malformed(str(error))
    if len(answer) > most:
        return Verdict.malformed(f"longer than {most:,} characters")
    return answer if answer else Verdict.malformed("the last fenced block is empty")
