"""A verifier for the reasoning itself: each step is judged, and says where in the completion it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol, final

from rlvr_gym.errors import ConfigError
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome, Verdict
from rlvr_gym.verifiers.answers import visible_spans
from rlvr_gym.verifiers.attacks import Attack, Expectation
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.equations import check_equations

MAX_CHARACTERS = 100_000

Separator = Literal["line", "paragraph", "tag"]

_BETWEEN: dict[Separator, re.Pattern[str]] = {
    "line": re.compile(r"([^\n]+)"),
    "paragraph": re.compile(r"([^\s][^\n]*+(?:\n[^\S\n]*+[^\s][^\n]*+)*+)"),
    "tag": re.compile(r"<step>((?:(?!</?step>).)*+)</step>", re.DOTALL),
}
_SEEN = re.compile(r"\w")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a completion's reasoning, and where in the completion's text it begins and ends."""

    text: str
    start: int
    end: int


class StepJudge(Protocol):
    """Judges one step of a completion."""

    @property
    def timeout_seconds(self) -> float:
        """Time limit of one step."""
        ...

    def judge_step(self, task: Task, steps: Sequence[Step], index: int) -> Verdict | None:
        """Judge `steps[index]`, given those before it; None if it claims nothing that can be judged.

        Must not depend on later steps. Otherwise keeps the contract of `Verifier.verify`.
        """
        ...


@final
class Equations:
    """A `StepJudge` for arithmetic: a step is right when every equation between numbers in it holds.

    Judged are equations whose sides are written in digits and signs only (`12 * 3 = 36`, `1/2 + 1/3 = 5/6`), also in
    chains, by the rules of `Math`: a decimal may be short of digits only from the sixth on. Equations with letters or
    units next to their numbers, and equations between bare numbers (`5 = 5`), are passed over; steps without any other
    are not judged.
    """

    timeout_seconds = 5.0

    def judge_step(self, task: Task, steps: Sequence[Step], index: int) -> Verdict | None:
        """Check the equations of one step."""
        checked = check_equations(steps[index].text)
        if checked.false is not None:
            return Verdict.wrong(f"{checked.false} does not hold")
        return Verdict.right() if checked.count else None


@final
class Steps(Verifier):
    """Every step of the reasoning is right; a completion with some wrong steps is worth the share that is right.

    `verdict.parts` has one verdict per judged step, `step 1` and so on, whose `span` says where in the completion it
    stands: a trainer with `reward.steps` pays each step at its last token. Says nothing about the final answer:
    combine it with a verifier that does (`AllOf`, `WeightedSum`).

    Text that thinks (`<think>`) is no step: what is rewarded there learns to hide. A step that says again what an
    earlier one said is wrong, whatever the judge says, since repeating a right step would earn its reward again. Text
    that claims nothing belongs to the next step that does. A completion without a judged step, with more than
    `most` or longer than `MAX_CHARACTERS` is malformed, and one single step that is worth nothing: writing no
    steps pays no better than writing wrong ones.

    Args:
        judge: judges each step.
        by: what a step is: a line, a paragraph (between blank lines), or what stands in `<step>...</step>`.
        most: how many steps a completion may have.
    """

    open_ended = True

    def __init__(self, judge: StepJudge, *, by: Separator = "line", most: int = 64) -> None:
        refuse_impossible(by, most)
        self.judge, self.most = judge, most
        self.by: Separator = by

    @property
    def timeout_seconds(self) -> float:
        """The time limits of all steps together."""
        return max(60.0, self.most * self.judge.timeout_seconds)

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Judge every step."""
        text = completion.text
        if len(text) > MAX_CHARACTERS:
            return without_steps(f"longer than {MAX_CHARACTERS:,} characters", text)
        steps = list(self.split(text))
        if len(steps) > self.most:
            return without_steps(f"{len(steps)} steps, and {self.most} are the most", text)
        parts = step_parts(steps, [self.judge.judge_step(task, steps, index) for index in range(len(steps))])
        if not parts:
            return without_steps("no step that could be judged", text)
        return _whole(parts)

    def split(self, text: str) -> Iterator[Step]:
        """The steps of a completion, judged or not, in order. Takes time linear in the length of `text`."""
        yield from split_steps(text, self.by)

    def audit_attacks(self, task: Task) -> Iterable[Attack]:
        """Ways to be paid for steps without taking them."""
        opening, closing = ("<step>", "</step>") if self.by == "tag" else ("", "\n\n")
        right, wrong = f"{opening}1 + 1 = 2{closing}", f"{opening}1 + 1 = 3{closing}"
        for tries, text in {
            "one right step, many times over": right * 40,
            "more steps than there may be": "".join(
                f"{opening}{n} + 1 = {n + 1}{closing}" for n in range(self.most + 1)
            ),
            "right steps, thought and not said": f"<think>{right}</think>",
            "a wrong step after a right one": right + wrong,
            "a right step after a wrong one": wrong + right,
        }.items():
            yield Attack(family="step farming", tries=tries, text=text, expectation=Expectation.FAIL)


def refuse_impossible(by: Separator, most: int) -> None:
    """Raise ConfigError for steps that are told apart in no known way, and for none at all."""
    if by not in _BETWEEN:
        raise ConfigError(f"by must be one of {', '.join(_BETWEEN)}, not {by!r}")
    if most < 1:
        raise ConfigError(f"most must be at least 1, not {most}")


def split_steps(text: str, by: Separator) -> Iterator[Step]:
    """The steps of a text, in order, without what it thinks. Takes time linear in its length."""
    for start, end in visible_spans(text):
        for found in _BETWEEN[by].finditer(text, start, end):
            if _SEEN.search(found[1]):
                yield Step(text=found[1], start=found.start(), end=found.end())


def step_parts(steps: Sequence[Step], verdicts: Sequence[Verdict | None]) -> dict[str, Verdict]:
    """The parts of a verdict on steps, each with its span: a step said again is wrong, whatever its verdict says.

    What was not judged (None) belongs to the next step that was.
    """
    parts: dict[str, Verdict] = {}
    said: set[str] = set()
    begins: int | None = None
    for step, verdict in zip(steps, verdicts, strict=True):
        begins = step.start if begins is None else begins
        if verdict is None:
            continue
        words = " ".join(step.text.casefold().split())
        if words in said and verdict.scored:
            verdict = Verdict.wrong("says again what an earlier step said")
        said.add(words)
        parts[f"step {len(parts) + 1}"] = verdict.model_copy(update={"span": (begins, step.end)})
        begins = None
    return parts


def without_steps(why: str, text: str) -> Verdict:
    """The verdict on a completion whose steps cannot be judged: one step that is worth nothing."""
    step = Verdict.malformed(why).model_copy(update={"span": (0, len(text))})
    return Verdict.malformed(why).model_copy(update={"parts": {"step 1": step}})


def _whole(parts: dict[str, Verdict]) -> Verdict:
    faults = {name: part for name, part in parts.items() if not part.scored}
    short = {name: part for name, part in parts.items() if not part.correct}
    some = islice((faults or short).items(), 5)
    detail = "; ".join(f"{name}: {part.detail or part.outcome}" for name, part in some)
    if faults:
        return Verdict.unscored(detail).model_copy(update={"parts": parts})
    if not short:
        return Verdict.right(f"all {len(parts)} steps hold").model_copy(update={"parts": parts})
    score = sum(part.score or 0.0 for part in parts.values()) / len(parts)
    timed_out = any(part.outcome is Outcome.TIMEOUT for part in parts.values())
    outcome = Outcome.TIMEOUT if timed_out else Outcome.INCORRECT
    return Verdict(outcome=outcome, score=score, detail=detail, parts=parts)
