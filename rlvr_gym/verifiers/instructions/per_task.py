"""Several instructions of a task at once, judged strictly and loosely, and the accuracies that IFEval reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal, final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome, Verdict
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.instructions.catalogue import build
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, response_of, unusable

Mode = Literal["strict", "loose"]


class Instruction(BaseModel):
    """One instruction as a task stores it: the id of its kind, and that kind's arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class Instructed(BaseModel):
    """The reference of a task with instructions; `solution` is a response that follows all, where one is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instructions: tuple[Instruction, ...] = Field(min_length=1)
    solution: str | None = None


@final
class Instructions(Verifier):
    """The response follows every instruction of the task's reference, an `Instructed`.

    `verdict.parts` has one verdict per instruction under its id (`id#2` for the second of a kind), each with
    the parts `strict` and `loose`, so that one run gives both; which of them counts is `mode`.

    Args:
        mode: `strict` judges the response as it is, `loose` the best of IFEval's eight variants.
        score: what a response is worth that follows some instructions only: nothing with `prompt`, the share
            of those that it follows with `instruction`.
    """

    open_ended = True

    def __init__(self, mode: Mode = "strict", *, score: Literal["prompt", "instruction"] = "prompt") -> None:
        if mode not in ("strict", "loose"):
            raise ConfigError(f"mode must be 'strict' or 'loose', not {mode!r}")
        if score not in ("prompt", "instruction"):
            raise ConfigError(f"score must be 'prompt' or 'instruction', not {score!r}")
        self.mode: Mode = mode
        self.score = score

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Judge the response by every instruction."""
        constraints = constraints_of(task)
        response = response_of(completion.text)
        reason = unusable(response)
        judged = [self._part(constraint, response, reason) for constraint in constraints]
        parts = dict(zip(_names(constraints), judged, strict=True))
        short = {name: part.detail for name, part in parts.items() if not part.correct}
        if reason is not None:
            return Verdict.malformed(reason).model_copy(update={"parts": parts})
        if not short:
            return Verdict.right().model_copy(update={"parts": parts})
        share = 1 - len(short) / len(parts) if self.score == "instruction" else 0.0
        detail = "; ".join(f"{name}: {fault}" for name, fault in short.items())
        return Verdict.wrong(detail, score=share).model_copy(update={"parts": parts})

    def solution(self, task: Task) -> str | None:
        """The reference's, where it has one."""
        return _reference(task).solution

    def check(self, task: Task) -> None:
        """Raise VerifierFault where an instruction of the reference is none, or its solution does not follow them."""
        constraints_of(task)
        super().check(task)

    def _part(self, constraint: Constraint, response: str, reason: Fault) -> Verdict:
        strict = reason or constraint.find_fault(response)
        loose = reason or (strict and constraint.loose_fault(response))
        said = {"strict": _verdict(strict), "loose": _verdict(loose)}
        return said[self.mode].model_copy(update={"parts": said})


def constraints_of(task: Task) -> list[Constraint]:
    """The constraints of a task's reference. Raises VerifierFault where it holds others than there are."""
    try:
        return [build(each.id, each.arguments) for each in _reference(task).instructions]
    except ConfigError as error:
        raise VerifierFault(f"task '{task.id}': {error}") from error


class Accuracies(BaseModel):
    """Accuracies over several responses: of whole prompts, of single instructions, and by kind of instruction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: float
    instruction: float
    by_kind: dict[str, float]


def accuracies(verdicts: Iterable[Verdict], *, mode: Mode) -> Accuracies:
    """Compute IFEval's four accuracies from verdicts of `Instructions` in either mode; unscored ones are left out."""
    prompts: list[bool] = []
    kinds: dict[str, list[bool]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.outcome is Outcome.UNSCORED:
            continue
        followed = {name: part.parts[mode].correct for name, part in verdict.parts.items()}
        prompts.append(all(followed.values()))
        for name, each in followed.items():
            kinds[name.partition("#")[0]].append(each)
    if not prompts:
        raise ConfigError("no scored verdicts to take accuracies of")
    return Accuracies(
        prompt=fmean(prompts),
        instruction=fmean(each for kind in kinds.values() for each in kind),
        by_kind={kind: fmean(each) for kind, each in sorted(kinds.items())},
    )


def _reference(task: Task) -> Instructed:
    try:
        return Instructed.model_validate(task.reference)
    except ValidationError as error:
        raise VerifierFault(f"task '{task.id}' has no instructions to judge by: {error}") from error


def _verdict(fault: Fault) -> Verdict:
    return Verdict.right() if fault is None else Verdict.wrong(fault)


def _names(constraints: Sequence[Constraint]) -> list[str]:
    seen: dict[str, int] = defaultdict(int)
    names: list[str] = []
    for constraint in constraints:
        seen[constraint.id] += 1
        again = seen[constraint.id]
        names.append(constraint.id if again == 1 else f"{constraint.id}#{again}")
    return names
