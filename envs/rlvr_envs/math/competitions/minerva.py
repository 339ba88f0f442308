"""Minerva: 272 problems of courses in the sciences, many of which ask for a number in a unit."""

from __future__ import annotations

import re

import rlvr_gym as rg
from rlvr_envs.math.problems import LEFT_OUT, answer, environment, problem
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.math.forms.units import parse_unit

CARD = rg.EnvironmentCard(
    summary="Solve a problem of a university course in science.",
    detail="272 problems of MIT OpenCourseWare, for testing: astronomy, chemistry, dynamics, differential equations, "
    f"relativity. {LEFT_OUT}",
    source="math-ai/minervamath on the Hugging Face hub, or a file in its format given with data=PATH; chosen in "
    "arXiv 2206.14858",
    licence="none stated; the courses are CC-BY-NC-SA-4.0",
    answer="A number or an expression in \\boxed{}, compared for mathematical equivalence. The unit that the question "
    "asks for may be left out; in another unit of that kind the number must be the converted one. Numbers are compared "
    "as they are, not rounded.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=32768),
    samples_per_task=4,
    overlap_groups=("Minerva",),
)


@rg.register("rlvr/Minerva-v0", card=CARD)
def minerva(data: str = "math-ai/minervamath") -> rg.Environment:
    """`data` is a hub id, or a file or folder with the fields `question` and `answer`."""
    return environment(data, to_task, name="minerva", split="test")


def to_task(row: Row) -> rg.Task:
    """A published row as a task: a number gets the unit that the question asks for."""
    gold = answer(row["answer"]).removeprefix("np.")
    number = _NUMBER.fullmatch(gold)
    unit = asked_unit(row["question"]) if number else None
    if number and number[2]:
        gold = f"{number[1]} \\times 10^{{{int(number[2])}}}"
    return problem(row["question"], f"{gold} \\text{{ {unit}}}" if unit else gold)


_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?:e([+-]?\d+))?", re.ASCII | re.IGNORECASE)
_PART = re.compile(r"\bSubproblem \d+:")
_ASKED = re.compile(r"\bin\s+(?:units?\s+of\s+)?", re.IGNORECASE)
_LATEX = re.compile(r"\\(?:mathrm|text|operatorname|cdot|times)\b|[${}~\\]")
_MOST_WORDS = 6


def asked_unit(question: str) -> str | None:
    """The unit of measure that the last part of a question asks for: `in cm`, `in units of ergs per second`."""
    part = _PART.split(question)[-1]
    units = [_unit_at(part[asked.end() :]) for asked in _ASKED.finditer(part)]
    return next((unit for unit in reversed(units) if unit), None)


def _unit_at(text: str) -> str | None:
    """The longest beginning of a text that is a unit of measure."""
    text = re.split(r"[,;?)]|\.(?:\s|$)", text, maxsplit=1)[0]
    words = _LATEX.sub(" ", text).replace("^ ", "^").split()[:_MOST_WORDS]
    longest, said = None, None
    for count in range(1, len(words) + 1):
        read = parse_unit(" ".join(words[:count]))
        if read and read[0] == 1 and read[1].dimension and not read[1].things and read != longest:
            longest, said = read, " ".join(words[:count])
    return said
