"""Shared parts of the sets of problems in mathematics: how one is asked, its gold answer, and its environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pydantic import JsonValue

import rlvr_gym as rg
from rlvr_envs.sources import sifted_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers import AnswerContract, Marker

FORMAT = "Reason step by step, and put your final answer in \\boxed{}."
IN_BOX = "An expression in \\boxed{}, compared for mathematical equivalence."
WHOLE_NUMBER = (
    "A whole number in \\boxed{}, compared by value. An expression that leaves arithmetic to do is wrong."
)
LEFT_OUT = "Rows that cannot be judged are left out and named; a question that stands there again is dropped."


def problem(question: str, gold: object, *, id: object = "", **metadata: JsonValue) -> rg.Task:
    """A problem as a task whose answer goes into a box. Raises DataError where there is no question or no answer."""
    if not question.strip():
        raise rg.DataError("the question is empty")
    return rg.Task(
        id=str(id),
        prompt=f"{question.strip()}\n\n{FORMAT}",
        reference=answer(gold),
        metadata=metadata,
    )


def answer(gold: object) -> str:
    """A gold answer as text; a decimal that is whole, such as 27.0, without its zeros. Raises DataError for none."""
    text = "" if gold is None or isinstance(gold, bool) else str(gold).strip()
    if not text or text == "nan":
        raise rg.DataError("there is no gold answer")
    whole = re.fullmatch(r"(-?\d+)\.0+", text, re.ASCII)
    return whole[1] if whole else text


def whole_number(gold: object, *, least: int | None = None, most: int | None = None) -> str:
    """A gold answer that must be a whole number between two bounds. Raises DataError for any other."""
    text = answer(gold)
    if not re.fullmatch(r"-?\d+", text, re.ASCII):
        raise rg.DataError(f"expected a whole number as the gold answer, found {text!r}")
    number = int(text)
    if (least is not None and number < least) or (most is not None and number > most):
        raise rg.DataError(f"expected a gold answer from {least} to {most}, found {number}")
    return str(number)


def boxed(*, require_simplified: bool = False) -> rg.Verifier:
    """The verifier of all these sets."""
    return rg.verifiers.Math(AnswerContract(Marker.BOXED), require_simplified=require_simplified)


def environment(
    data: str,
    to_task: Callable[[Row], rg.Task | None],
    *,
    name: str,
    split: str = "train",
    configs: Sequence[str | None] = (None,),
    require_simplified: bool = False,
) -> rg.Environment:
    """The environment of a large set: rows that cannot be used are left out and named."""
    verifier = boxed(require_simplified=require_simplified)
    tasks = sifted_tasks(data, to_task, verifier, name=name, split=split, configs=configs)
    return rg.Environment(tasks, verifier)
