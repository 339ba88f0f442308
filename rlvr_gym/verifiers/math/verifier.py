"""The math verifier: the cheapest layer that can decide, decides."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from pydantic import JsonValue

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import AnswerContract, Malformed
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.math import algebra
from rlvr_gym.verifiers.math.comparing.forms import same
from rlvr_gym.verifiers.math.comparing.sameness import Sameness
from rlvr_gym.verifiers.math.comparing.simplified import work_left
from rlvr_gym.verifiers.math.comparing.tolerance import within
from rlvr_gym.verifiers.math.expressions.grammar import MAX_CHARACTERS
from rlvr_gym.verifiers.math.forms.counted import has_words, may_be_an_option, question, unknown_words
from rlvr_gym.verifiers.math.forms.domains import agree, stated
from rlvr_gym.verifiers.math.forms.kinds import Choice, Clock, Form, Listed, Words
from rlvr_gym.verifiers.math.reading.answer import read
from rlvr_gym.verifiers.math.reading.normalise import normalise
from rlvr_gym.verifiers.math.text.same_text import same_up_to_layout
from rlvr_gym.verifiers.workers import Overrun


class Math(Verifier):
    r"""Compare the final answer with the reference mathematically.

    Equivalence decides, not spelling: `2/4` is `\frac12`, `x=5` is `5`, `50\%` is `0.5`. What cannot be read
    as a whole is never mined for a number inside it. The full policy is in `docs/verifiers.md`.

    Three layers, each of which may decide or pass on: the same text once normalised; the answer parsed into
    a number, tuple, interval, ... and compared exactly or to 25 digits, in this process and bounded in time;
    last, for what that grammar does not know, sympy in a worker process that is killed after
    `timeout_seconds`. No layer executes text.

    Args:
        contract: where in the completion the answer stands; an `AnswerContract` or the name of a marker.
        timeout_seconds: how long the last layer may take, per verdict.
        require_simplified: call an answer wrong that is equal but leaves arithmetic to do (`84/2`, `\sqrt{12}`), where
            the reference leaves none.
    """

    def __init__(
        self,
        contract: AnswerContract | str = "boxed",
        *,
        timeout_seconds: float = 5.0,
        require_simplified: bool = False,
    ) -> None:
        if not timeout_seconds > 0:
            raise ConfigError(f"timeout_seconds must be above 0, not {timeout_seconds}")
        self.contract = contract if isinstance(contract, AnswerContract) else AnswerContract(contract)
        self._symbolic_seconds = timeout_seconds
        self.require_simplified = require_simplified

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Judge the final answer of `completion` against `task.reference`: a string, a number, or such and a tolerance.

        `{"answer": "4.2, 7", "tolerance": [0.1, 0]}` lets each number differ by so much, in the unit of the reference;
        one tolerance holds for all. Raises VerifierFault for any other reference, or one that cannot be read.
        """
        gold, tolerances = _reference_text(task.reference), _tolerances(task.reference)
        said = self.contract.read(completion.text)
        if isinstance(said, Malformed):
            return Verdict.malformed(said.reason)
        if len(said.parts) == 1 and _same_text(gold, said.text):
            return Verdict.right("the same text", answer=said.text)
        if len(said.text) > MAX_CHARACTERS:
            return Verdict.malformed(
                f"an answer of {len(said.text)} characters is over the limit of {MAX_CHARACTERS}"
            )
        golds, answers = read_reference(gold), _read_parts(said.parts)
        known = [form for form in answers if not _unknown_words(form, task, golds)]
        if answers and not known:
            words = _unknown_words(answers[0], task, golds)
            return Verdict.malformed(f"{words!r} is no unit and nothing that the question counts")
        answers = known
        if not _domains_agree(gold, said.text):
            return Verdict.wrong("not where the reference holds", answer=said.text)
        said_to_be = _compare(golds, answers)
        if tolerances and said_to_be is not Sameness.YES and _near(golds, answers, tolerances):
            return Verdict.right("within the tolerance", answer=said.text)
        match said_to_be:
            case Sameness.YES:
                if self.require_simplified and (left := _work_left(golds, answers)):
                    return Verdict.wrong(f"the same value, but not simplified: {left}", answer=said.text)
                return Verdict.right("the same value", answer=said.text)
            case Sameness.NO:
                return Verdict.wrong("not the reference", answer=said.text)
            case Sameness.OPEN:
                return self._ask_algebra(gold, said.text, bool(golds), bool(answers))

    def solution(self, task: Task) -> str:
        """The reference as a final answer."""
        return self.contract.write(" ".join(_reference_text(task.reference).split()))

    def check(self, task: Task) -> None:
        """Raise VerifierFault for a reference that cannot be read or is not itself, DataError for one unwritable."""
        if problem := self.check_reference(task.reference):
            raise VerifierFault(problem)
        super().check(task)

    def check_reference(self, reference: JsonValue) -> str | None:
        """Return why a reference cannot be judged against, or None.

        Raises VerifierFault if it is neither a string nor a finite number.
        """
        gold = _reference_text(reference)
        if (tolerances := _tolerances(reference)) and not _near(
            forms := read_reference(gold), forms, tolerances
        ):
            return f"the reference {gold[:200]!r} has {len(tolerances)} tolerances, which are not for its numbers"
        if forms := read_reference(gold):
            unequal = _compare(forms, forms) is Sameness.NO
            return f"the reference {gold[:200]!r} does not equal itself" if unequal else None
        if not algebra.beyond_our_grammar(gold):
            return f"the reference {gold[:200]!r} cannot be read"
        try:
            reply = algebra.ask(gold, gold, self._symbolic_seconds)
        except Overrun as error:
            return f"the reference {gold[:200]!r} cannot be worked with: {error}"
        readable = reply["says"] != "unreadable gold"
        return None if readable else f"the reference {gold[:200]!r} cannot be read: {reply['reason']}"

    def _ask_algebra(self, gold: str, answer: str, gold_read: bool, answer_read: bool) -> Verdict:
        """Let sympy decide, if it can read what we could not."""
        if not gold_read and not algebra.beyond_our_grammar(gold):
            raise VerifierFault(f"the reference {gold[:200]!r} cannot be read")
        if not answer_read and not algebra.beyond_our_grammar(answer):
            return Verdict.malformed(f"the answer cannot be read as a whole: {answer[:200]!r}")
        if not (algebra.readable(gold) and algebra.readable(answer)):
            return Verdict.wrong("not shown to be the reference", answer=answer)
        try:
            reply = algebra.ask(gold, answer, self._symbolic_seconds)
        except Overrun as error:
            return Verdict.timeout(
                f"undecided in {self._symbolic_seconds:g} s and 1 GiB: {error}", answer=answer
            )
        match reply["says"]:
            case "same" if self.require_simplified and gold_read and not answer_read:
                return Verdict.wrong("the same value, but not simplified", answer=answer)
            case "same":
                return Verdict.right("the same value, says sympy", answer=answer)
            case "unreadable gold" if not gold_read:
                raise VerifierFault(f"the reference {gold[:200]!r} cannot be read: {reply['reason']}")
            case "unreadable answer" if not answer_read:
                return Verdict.malformed(f"the answer cannot be read as a whole: {reply['reason']}")
            case _:
                return Verdict.wrong("not shown to be the reference", answer=answer)


_BOXED = AnswerContract("boxed")


def _reference_text(reference: JsonValue) -> str:
    if isinstance(reference, dict) and reference.keys() == {"answer", "tolerance"}:
        reference = reference["answer"]
    if isinstance(reference, str) and reference.strip():
        return reference.strip()
    if isinstance(reference, int) and not isinstance(reference, bool):
        return str(reference)
    if isinstance(reference, float) and math.isfinite(reference):
        return str(reference)
    raise VerifierFault(f"a reference must be a text or a finite number, not {reference!r}")


def _tolerances(reference: JsonValue) -> tuple[Fraction, ...]:
    """The tolerances that a reference states; none where it states none."""
    stated = reference.get("tolerance") if isinstance(reference, dict) else None
    listed = stated if isinstance(stated, list) else [] if stated is None else [stated]
    found = [one for one in listed if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(found) < len(listed) or not all(math.isfinite(one) and one >= 0 for one in found):
        raise VerifierFault(f"tolerances must be numbers from 0 up, not {stated!r}")
    if isinstance(reference, dict) and not found:
        raise VerifierFault("a reference with a tolerance must state one")
    return tuple(Fraction(str(one)) for one in found)


def _near(golds: Sequence[Form], answers: Sequence[Form], tolerances: Sequence[Fraction]) -> bool:
    return any(within(gold, answer, tolerances) for gold in golds for answer in answers)


def _unknown_words(form: Form, task: Task, golds: Sequence[Form]) -> str | None:
    """The words beside a value that neither the question nor the reference explains; None where there are none.

    What stands behind the letter of an option is what the question has there.
    """
    if isinstance(form, Choice) and isinstance(form.content, Words):
        known = {word for gold in golds if isinstance(gold, Choice) for word in _words(gold.content)}
        said = {*_words(form.content)} - known
        return None if may_be_an_option(said, question(task.text)) else form.content.text
    if isinstance(form, Words):
        is_value = form.text[:1].isdecimal() and not any(isinstance(gold, Words) for gold in golds)
        return form.text if is_value else None
    return unknown_words(form, question(task.text), golds) if has_words(form) else None


def _words(content: Form | None) -> list[str]:
    return re.findall("[a-z]+", content.text) if isinstance(content, Words) else []


def _domains_agree(gold: str, answer: str) -> bool:
    """Return whether answer and reference are stated for the same domain; either may leave it out."""
    said = agree(stated(normalise(gold)), stated(normalise(answer)))
    return said if isinstance(said, bool) else _compare(read(said[0]), read(said[1])) is Sameness.YES


def _same_text(gold: str, answer: str) -> bool:
    if gold == answer:
        return True
    if len(gold) + len(answer) > MAX_CHARACTERS:
        return False
    plain, said = normalise(gold), normalise(answer)
    return (
        (plain != "" and plain == said) or same_up_to_layout(gold, answer) or same_up_to_layout(plain, said)
    )


@lru_cache(maxsize=4096)
def read_reference(text: str) -> tuple[Form, ...]:
    r"""The readings of a reference; of one that has its answer in a `\boxed{...}`, of what stands there."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return read(text)
    said = _BOXED.read(text.replace("\\\\boxed", "\\boxed"))
    return read(text) if isinstance(said, Malformed) else _read_parts(said.parts)


def _read_parts(parts: tuple[str, ...]) -> tuple[Form, ...]:
    """The readings of an answer; several joined markers are one list of what each says."""
    if len(parts) == 1:
        return read(parts[0], as_answer=True)
    items: list[Form] = []
    for part in parts:
        forms = read(part)
        if not forms:
            return ()
        first = forms[0]
        items += first.items if isinstance(first, Listed) and not first.braces else (first,)
    return (Listed(tuple(items)),)


def _work_left(golds: Sequence[Form], answers: Sequence[Form]) -> str | None:
    """Describe work that every right reading of the answer leaves; None if the reference leaves work too."""
    if all(work_left(gold) for gold in golds):
        return None
    right = [answer for answer in answers if _compare(golds, [answer]) is Sameness.YES]
    left = [work_left(answer) for answer in right]
    return None if None in left else left[0]


def _compare(golds: Sequence[Form], answers: Sequence[Form]) -> Sameness:
    """YES if any reading of one is any reading of the other; OPEN if that is not known.

    What may be a time of day on both sides is one: `3:20` is not `6:40`, though they are one ratio.
    """
    times = [[form for form in forms if isinstance(form, Clock)] for forms in (golds, answers)]
    if all(times):
        golds, answers = times[0], times[1]
    said = {same(gold, answer) for gold in golds for answer in answers}
    if Sameness.YES in said:
        return Sameness.YES
    return Sameness.OPEN if Sameness.OPEN in said or not said else Sameness.NO
