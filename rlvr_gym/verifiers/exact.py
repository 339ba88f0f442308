"""Verifiers for answers that are compared as text: `Exact` strings and lettered `Choice`s."""

from __future__ import annotations

import re
import unicodedata
from typing import final

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import AnswerContract
from rlvr_gym.verifiers.base import Verifier


def gold_text(task: Task) -> str:
    """The reference of a task whose gold answer is one piece of text or a whole number.

    Raises VerifierFault for anything else: nothing can be right or wrong against it.
    """
    gold = task.reference
    if isinstance(gold, int) and not isinstance(gold, bool):
        return str(gold)
    if isinstance(gold, str) and gold.strip():
        return gold.strip()
    raise VerifierFault(f"task '{task.id}' has the reference {gold!r}; expected an answer as text")


@final
class Exact(Verifier):
    """The final answer equals the reference character by character.

    White space around it does not count and runs of it are one space; composed and decomposed Unicode (é as
    one character or two) is the same. Compatibility forms are not: `x²` is not `x2`. A list of several
    joined markers never equals a gold answer, which is one.

    Args:
        contract: where the answer stands, or the name of a marker.
        ignore_case: compare without regard to case.
    """

    def __init__(self, contract: AnswerContract | str, *, ignore_case: bool = False) -> None:
        self.contract = AnswerContract.of(contract)
        self.ignore_case = ignore_case

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Compare the final answer with `task.reference`."""
        gold = gold_text(task)
        said = self.contract.read_one(completion.text)
        if isinstance(said, Verdict):
            return said
        if self._normal(said) == self._normal(gold):
            return Verdict.right(answer=said)
        return Verdict.wrong(f"expected {gold!r}", answer=said)

    def solution(self, task: Task) -> str:
        """The reference, marked as the final answer."""
        return self.contract.write(gold_text(task))

    def _normal(self, text: str) -> str:
        text = " ".join(unicodedata.normalize("NFC", text).split())
        return text.casefold() if self.ignore_case else text


@final
class Choice(Verifier):
    """The final answer names the right one of several lettered choices.

    Read are `B`, `(B)`, `[B]`, `b`, `B.`, `B)`, `B:`, each but the first with the choice's text after it or
    not, any of them after "Option" or "Choice" and in bold or `\\text{}`. A letter followed by prose without
    a delimiter is malformed, and so is anything that is no choice. Naming two choices, `A or B` or
    `A) one, (B) two`, is wrong.

    Args:
        contract: where the answer stands, or the name of a marker.
        choices: the letters, one character each.
        withheld: do not name the right choice in the verdict on a wrong one, which may be kept or shown.
    """

    def __init__(
        self, contract: AnswerContract | str, choices: str = "ABCD", *, withheld: bool = False
    ) -> None:
        if len(set(choices.casefold())) < max(2, len(choices)) or not choices.isalnum():
            raise ConfigError(f"choices must be at least two different letters or digits, not {choices!r}")
        self.contract = AnswerContract.of(contract)
        self.choices = choices
        self.withheld = withheld
        letter = f"([{choices}])"
        self._one = re.compile(
            rf"(?:(?:option|choice)\s+)?(?:[(\[]{letter}[)\]][.:]?|{letter}(?:[.):]|$))(?:\s+(.*)|$)",
            re.I | re.S,
        )
        self._more = re.compile(
            rf"(?:^|{_ALSO}|[,/&|;])\s*\(?{letter}\b|\({letter}\)|\b{letter}[)]"
            rf"|{_ALSO}\s*\(?((?![ai]\b)(?i:[{choices}]))\b"
        )
        self._bare_list = re.compile(
            rf"\(?{letter}\)?(?:(?:\s*[,/&|;+]\s*|\s+)(?:(?:or|and)\s+)?\(?{letter}\)?)+", re.I
        )

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Compare the letter that the final answer names with `task.reference`."""
        gold = self._gold(task)
        said = self.contract.read_one(completion.text)
        if isinstance(said, Verdict):
            return said
        named = self._named(said)
        if not named:
            return Verdict.malformed(f"{said[:80]!r} does not name one of {', '.join(self.choices)}")
        if len(named) > 1:
            return Verdict.wrong("names several choices", answer=said)
        if named == {gold}:
            return Verdict.right(answer=gold)
        return Verdict.wrong("another choice" if self.withheld else f"expected {gold}", answer="".join(named))

    def solution(self, task: Task) -> str:
        """The right letter, marked as the final answer."""
        return self.contract.write(self._gold(task))

    def _gold(self, task: Task) -> str:
        named = self._named(gold_text(task))
        if len(named) != 1:
            raise VerifierFault(
                f"task '{task.id}' has the reference {task.reference!r}; "
                f"expected one of {', '.join(self.choices)}"
            )
        return named.pop()

    def _named(self, text: str) -> set[str]:
        """The choices that an answer names; none where it is not an answer of this kind."""
        text = _EMPHASIS.sub("", _SPACE.sub(" ", text)).strip()
        if self._bare_list.fullmatch(text):
            return {
                self._canonical(letter) for letter in text if letter.casefold() in self.choices.casefold()
            }
        one = self._one.fullmatch(text)
        if not one:
            return set()
        named = {self._canonical(one[1] or one[2])}
        rest = one[3] or ""
        if not _COMBINED.match(rest):
            more = (letter for match in self._more.finditer(rest) for letter in match.groups() if letter)
            named |= {self._canonical(letter) for letter in more}
        return named

    def _canonical(self, letter: str) -> str:
        return next(choice for choice in self.choices if choice.casefold() == letter.casefold())


_ALSO = r"\b(?i:or|and|but|not|actually|maybe|perhaps|possibly|rather)\b"
"""Words after which another letter is another answer."""
_SPACE = re.compile(r"\\(?:[ ,;:]|q?quad(?![a-z]))|~")
_EMPHASIS = re.compile(r"\\(?:text(?:bf|rm|it)?|math(?:rm|bf)|mbox|boxed|fbox)\s*(?=\{)|[{}$*`]")
_COMBINED = re.compile(r"(?:both|neither|either)\b", re.I)
"""Words by which a choice's own text refers to other choices: `(D) Both A and B`."""
