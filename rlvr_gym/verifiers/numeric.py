"""A verifier for answers that are one decimal number."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import NamedTuple, final

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import AnswerContract
from rlvr_gym.verifiers.base import Verifier


@final
class Numeric(Verifier):
    """The final answer is a finite decimal number within a tolerance of the reference.

    The whole answer must be the number: an optional sign, digits with or without thousands separators
    (`1,234`, `1{,}234`, `12\\,500`, `12 500`), an optional fraction and an optional exponent of up to four
    digits. A currency sign (`\\$`), `$...$`, `\\text{...}` or `**...**` around it do not count.
    Nothing is computed and nothing is picked out of a longer text: `84/2` and `42 apples` are malformed, as
    are `nan` and `inf`. Without tolerance numbers are compared exactly, whatever their size. With one,
    |answer - gold| <= max(absolute, relative * |gold|), computed in exact fractions; numbers of more than
    4,000 digits are compared exactly even then.
    """

    def __init__(
        self, contract: AnswerContract | str, *, absolute: float = 0.0, relative: float = 0.0
    ) -> None:
        for name, tolerance in {"absolute": absolute, "relative": relative}.items():
            if not (math.isfinite(tolerance) and tolerance >= 0):
                raise ConfigError(f"the {name} tolerance must be a number from 0 up, not {tolerance}")
        self.contract = AnswerContract.of(contract)
        self.absolute, self.relative = Fraction(str(absolute)), Fraction(str(relative))

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Compare the final answer with `task.reference`, a number or its text."""
        gold = _gold(task)
        said = self.contract.read_one(completion.text)
        if isinstance(said, Verdict):
            return said
        number = _parse(said)
        if number is None:
            return Verdict.malformed(f"{said[:80]!r} is not a decimal number")
        if self._equal(number, gold):
            return Verdict.right(answer=said)
        return Verdict.wrong(f"expected {task.reference}", answer=said)

    def solution(self, task: Task) -> str:
        """The reference, marked as the final answer."""
        _gold(task)
        return self.contract.write(str(task.reference).strip())

    def _equal(self, number: _Decimal, gold: _Decimal) -> bool:
        if number == gold or max(len(number.digits), len(gold.digits)) > 4000:
            return number == gold
        distance = abs(number.value - gold.value)
        return distance <= max(self.absolute, self.relative * abs(gold.value))


class _Decimal(NamedTuple):
    """A decimal number, sign x digits x 10^exponent, in the one form without zeros at either end."""

    sign: int
    digits: str
    exponent: int

    @property
    def value(self) -> Fraction:
        return self.sign * int(self.digits or "0") * Fraction(10) ** self.exponent


_SKIPPED = r"(?:\\?\$|\\[,;:! ]|\s)*+"
_BARE = re.compile(rf"{_SKIPPED}(?:([+-]){_SKIPPED})?+(.*)", re.DOTALL)
_WRAPPED = re.compile(
    r"\\(?:text|mathrm|mathbf|textbf|boxed)\s*+\{([^{}]*)\}|\\\((.*)\\\)|\*\*(.*)\*\*", re.DOTALL
)
_MINUS = str.maketrans(dict.fromkeys("−–‐‑", "-"))
_SEPARATOR = re.compile(r"\{,\}|,\\!|\\[, ]|(?<=[0-9])[ \u2009\u202f\u00a0](?=[0-9])")
_NUMBER = re.compile(
    r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?", re.ASCII
)


def _parse(text: str) -> _Decimal | None:
    text = _bare(text.translate(_MINUS))
    if wrapped := _WRAPPED.fullmatch(text):
        text = _bare(wrapped[wrapped.lastindex or 0])
    number = _NUMBER.fullmatch(_SEPARATOR.sub(",", text))
    if not number or not (number[2] or number[3]):
        return None
    whole, fraction = number[2].replace(",", ""), number[3] or ""
    digits = (whole + fraction).lstrip("0")
    shortened = digits.rstrip("0")
    if not shortened:
        return _Decimal(1, "", 0)
    exponent = int(number[4] or 0) - len(fraction) + len(digits) - len(shortened)
    return _Decimal(-1 if number[1] == "-" else 1, shortened, exponent)


def _bare(text: str) -> str:
    """`text` without white space and dollar signs before it, behind its sign and after it."""
    bare = _BARE.match(text.rstrip(" \t\r\n$\\"))
    assert bare is not None
    return (bare[1] or "") + bare[2]


def _gold(task: Task) -> _Decimal:
    gold = task.reference
    if isinstance(gold, (str, int, float)) and not isinstance(gold, bool):
        number = _parse(str(gold))
        if number is not None:
            return number
    raise VerifierFault(f"task '{task.id}' has the reference {gold!r}; expected a finite decimal number")
