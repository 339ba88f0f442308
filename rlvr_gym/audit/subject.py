"""One task as an attacker sees it: a right completion, where in it the answer stands, and other tasks' answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import UnionType

from pydantic import JsonValue

from rlvr_gym.audit.truth import same_answer, value
from rlvr_gym.environments.base import Environment
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion
from rlvr_gym.verifiers import (
    AllOf,
    Answer,
    AnswerContract,
    GateThen,
    Marker,
    Math,
    Numeric,
    Verifier,
    WeightedSum,
)
from rlvr_gym.verifiers.answers import without_thinking
from rlvr_gym.verifiers.attacks import DecidesCompletions, MadeOfVerifiers


class Place(StrEnum):
    """The marker around the final answer."""

    BOXED = Marker.BOXED
    TAG = Marker.TAG
    HASHES = Marker.HASHES
    LINE = Marker.LINE
    FENCE = "fence"
    """The last fenced block: a program, a query, a document."""
    WHOLE = Marker.WHOLE
    """Nothing: the completion is the answer, or says it in a sentence."""


_MARKERS = (Marker.BOXED, Marker.TAG, Marker.HASHES, Marker.LINE)
_LAST_FENCE = re.compile(r"(.*```\w*\n)(.*?)(\n?```\s*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The place of the final answer in a right completion, found from the completion alone."""

    before: str
    answer: str
    after: str
    place: Place

    @staticmethod
    def of(solution: str, reference: JsonValue = None) -> Frame:
        """The frame of a right completion. Without a marker, the answer is the reference, if it stands there once."""
        if fenced := _LAST_FENCE.fullmatch(solution):
            return Frame(before=fenced[1], answer=fenced[2], after=fenced[3], place=Place.FENCE)
        for marker in _MARKERS:
            contract = AnswerContract(marker)
            said = contract.read(solution)
            if not isinstance(said, Answer) or len(said.parts) > 1 or said.text not in solution:
                continue
            at = solution.rindex(said.text)
            frame = Frame(
                before=solution[:at],
                answer=said.text,
                after=solution[at + len(said.text) :],
                place=Place(marker),
            )
            if contract.read(frame.around("7")) == Answer(parts=("7",)):
                return frame
        return Frame._unmarked(solution.strip(), reference)

    @staticmethod
    def _unmarked(solution: str, reference: JsonValue) -> Frame:
        answer = str(reference).strip() if isinstance(reference, str | int | float) else ""
        alone = re.compile(rf"(?<![\w.]){re.escape(answer)}(?!\w|\.\d)")
        found = list(alone.finditer(solution)) if answer else []
        start, end = found[0].span() if len(found) == 1 else (0, len(solution))
        return Frame(
            before=solution[:start], answer=solution[start:end], after=solution[end:], place=Place.WHOLE
        )

    def around(self, answer: str) -> str:
        """The completion with another final answer in the same place."""
        return f"{self.before}{answer}{self.after}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A task under attack.

    `solution` is None where nobody knows a right completion; `frame` is then that of a part, where one of the
    verifiers that must all agree knows what is right to it, and None where none does.
    """

    task: Task
    solution: str | None
    frame: Frame | None
    others: tuple[str, ...]
    """Final answers of other tasks, no two the same."""
    verifiers: tuple[Verifier, ...]
    """The verifiers that must all agree, as far as they are known: composed ones are taken apart."""
    decide: Callable[[str], bool | None] | None
    """The environment's own second opinion on a completion, where it has one."""

    @property
    def gold(self) -> str:
        """The final answer of the solution, empty where there is none."""
        return self.frame.answer if self.frame else ""

    @property
    def number(self) -> Fraction | None:
        """The gold answer as a number, None where it is none."""
        found = value(self.gold) if self.gold[-1:].isdigit() or self.gold[-1:] == "}" else None
        return found if isinstance(found, Fraction) else None

    @property
    def entry_point(self) -> str | None:
        """The last function that the gold defines, where that is a Python program; None for other answers."""
        names = [statement.name for statement in _body(self.gold) if isinstance(statement, ast.FunctionDef)]
        return names[-1] if names else None

    @property
    def program(self) -> bool:
        """True if the gold is a Python program: it defines a function or, in a fence, calls one."""
        fenced = self.frame is not None and self.frame.place is Place.FENCE
        return _has(ast.FunctionDef, self.gold) or (fenced and _has(ast.Call, self.gold))

    @property
    def continuation(self) -> bool:
        """True if the solution continues a Python function whose head the prompt has given."""
        goes_on = self.solution is not None and self.solution[:1].isspace()
        return goes_on and _has(ast.Return | ast.Yield, f"def given():\n{self.solution}")

    @property
    def open(self) -> bool:
        """True if an answer other than the solution's may be right."""
        return self.frame is None or all(part.open_ended for part in self.verifiers)

    @property
    def _stated_tolerance(self) -> Fraction | None:
        """The largest tolerance that the reference states, as `Math` reads it; None where it states none."""
        reference = self.task.reference
        stated = reference.get("tolerance") if isinstance(reference, dict) else None
        if stated is None or not any(isinstance(part, Math) for part in self.verifiers):
            return None
        listed = stated if isinstance(stated, list) else [stated]
        return max((Fraction(str(one)) for one in listed if isinstance(one, int | float)), default=None)

    def is_wrong(self, text: str, answer: str | None) -> bool:
        """True if a method other than the verifier's shows that the completion `text` is wrong.

        `answer` is what could be taken for its final answer, None where nothing in it could be right.
        """
        if self.decide is not None:
            return self.decide(text) is False
        if self.open:
            seen = without_thinking(Completion(text=text).text)
            return not any(sign.isprintable() and not sign.isspace() for sign in seen)
        if answer is None:
            return True
        if self.entry_point:
            return f"def {self.entry_point}" not in answer
        return same_answer(self.gold, answer) is False and not self._within_tolerance(answer)

    def _within_tolerance(self, answer: str) -> bool:
        """True if a verifier that forgives small differences may forgive this one."""
        if (stated := self._stated_tolerance) is not None:
            golds, answers = _values(self.gold), _values(answer)
            pairs = zip(golds, answers, strict=False)
            return len(golds) == len(answers) > 0 and all(abs(a - b) <= stated for a, b in pairs)
        gold, said = self.number, value(answer)
        if gold is None or said is None:
            return False
        distance = abs(Fraction(said) - gold)
        return any(
            isinstance(part, Numeric) and 0 < distance <= max(part.absolute, part.relative * abs(gold))
            for part in self.verifiers
        )


def _values(answer: str) -> list[Fraction]:
    """The rational numbers of a list of them, sorted; none of anything else."""
    found = [value(part.strip()) for part in answer.split(",")]
    known = [one for one in found if isinstance(one, Fraction)]
    return sorted(known) if len(known) == len(found) else []


def _body(source: str) -> list[ast.stmt]:
    """The statements of a Python program, none of what is not one."""
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _has(kind: type[ast.AST] | UnionType, source: str) -> bool:
    return any(isinstance(node, kind) for statement in _body(source) for node in ast.walk(statement))


def subjects(env: Environment, tasks: Sequence[Task]) -> Iterator[Subject]:
    """Every task as a subject, the others lending it their answers."""
    solutions = [env.solution(task) for task in tasks]
    shown = [
        _of_a_part(env.verifier, task) if solution is None else solution
        for task, solution in zip(tasks, solutions, strict=True)
    ]
    frames = [
        None if one is None else Frame.of(one, task.reference) for one, task in zip(shown, tasks, strict=True)
    ]
    for task, solution, frame in zip(tasks, solutions, frames, strict=True):
        others = dict.fromkeys(other.answer for other in frames if other and other is not frame)
        if frame:
            others.pop(frame.answer, None)
        yield Subject(
            task=task,
            solution=solution,
            frame=frame,
            others=tuple(others),
            verifiers=tuple(parts_of(env.verifier, task)),
            decide=_second_opinion(env, task),
        )


def parts_of(verifier: Verifier, task: Task) -> Iterator[Verifier]:
    """The verifiers that a verifier is made of, itself where it is made of none."""
    match verifier:
        case AllOf() | WeightedSum():
            parts = list(verifier.verifiers.values())
        case GateThen():
            parts = [verifier.gate, verifier.then]
        case MadeOfVerifiers():
            parts = list(verifier.audit_parts(task))
        case _:
            yield verifier
            return
    for part in parts:
        yield from parts_of(part, task)


def _of_a_part(verifier: Verifier, task: Task) -> str | None:
    """Solutions of the parts of a composed verifier: a completion with another answer is wrong to the whole."""
    known = (part.solution(task) for part in parts_of(verifier, task) if not part.open_ended)
    return next((solution for solution in known if solution is not None), None)


def _second_opinion(env: Environment, task: Task) -> Callable[[str], bool | None] | None:
    for who in (env, env.verifier):
        if isinstance(who, DecidesCompletions):
            return lambda text, who=who: who.audit_decides(task, text)
    return None
