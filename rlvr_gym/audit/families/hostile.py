"""Huge and hostile inputs: what makes parsers slow, deep or hungry."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Subject
from rlvr_gym.environments.conformance import HOSTILE
from rlvr_gym.verifiers.attacks import Expectation

MORE = (
    "2^{2^{2^{2^{2^{2}}}}}",
    "\\sum_{n=1}^{10^{12}} \\frac{1}{n}",
    "\\lim_{x \\to 0} \\frac{\\sin(\\tan(x)) - \\tan(\\sin(x))}{x^7}",
    "1/" * 50_000 + "1",
    "-" * 100_000 + "1",
    "\\sqrt{" * 5_000 + "2" + "}" * 5_000,
    "\\boxed{" * 50_000,
    "<answer>" * 50_000,
    "#### " * 50_000,
    "Answer: " * 50_000,
    "```python\n" * 20_000,
    " " * 1_000_000,
    "\n" * 1_000_000,
    "a\u0301" * 200_000,
    "0." + "3" * 200_000,
    "(a+)+$" * 1_000,
    "a" * 50_000 + "!",
    "{" + '"a":{' * 50_000,
)


def tries(subject: Subject) -> Iterator[Try]:
    """Each hostile text alone and, where the place is known, as the answer."""
    for text in (*HOSTILE, *MORE):
        yield Try(says=f"hostile text of {len(text):,} characters", text=text, answer=_decidable(text))
        if subject.frame:
            framed = subject.frame.around(text)
            yield Try(
                says=f"hostile answer of {len(text):,} characters", text=framed, answer=_decidable(text)
            )


def _decidable(text: str) -> str | None:
    """The text to decide by, None for one so long that it is nobody's gold."""
    return text if len(text) < 100 else None


FAMILY = Family(
    name="hostile inputs",
    about="huge, deep and explosive texts; time and memory stay bounded",
    expectation=Expectation.SURVIVE,
    tries=tries,
    tasks=1,
)
