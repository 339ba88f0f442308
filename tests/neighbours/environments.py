"""Environments of every shape, whose judges fail where they are told to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import rlvr_gym as rg

FAULT = "the judge breaks"
"""A completion with this text cannot be judged."""


class Shaky(rg.Verifier):
    """Compares the number in the box, and breaks where a completion says so."""

    def __init__(self) -> None:
        self._numeric = rg.verifiers.Numeric("boxed")

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        if FAULT in completion.text:
            raise rg.VerifierFault("the judge is broken")
        return self._numeric.verify(task, completion)

    def solution(self, task: rg.Task) -> str | None:
        return self._numeric.solution(task)


def _sums(name: str, count: int) -> rg.TaskSet:
    tasks = [
        rg.Task(prompt=f"What is {n} + {n}? Use \\boxed{{}}.", reference=str(2 * n)) for n in range(count)
    ]
    return rg.TaskSet.from_tasks(tasks, name=name)


@rg.register("tests/Sums-v0")
def sums(count: int = 4) -> rg.Environment:
    """One turn."""
    return rg.Environment(_sums("sums", count), Shaky())


class Stuck(Shaky):
    """Has a fifth of a second for a verdict, and takes longer where a completion says so."""

    @property
    def timeout_seconds(self) -> float:
        return 0.2

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        if FAULT in completion.text:
            time.sleep(5)
        return rg.verifiers.Numeric("boxed").verify(task, completion)


@rg.register("tests/Slow-v0")
def slow() -> rg.Environment:
    """One turn, whose judge may get stuck."""
    return rg.Environment(_sums("slow", 4), Stuck())


class Talk(rg.Environment):
    """Answers every turn that has no box, and rewards it."""

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
        if "\\boxed" in replies[-1].text or FAULT in replies[-1].text:
            return None
        said = rg.Message(role="user", content=f"That was turn {len(replies)}. Go on.")
        return rg.Response(messages=(said,), reward=0.25)


@rg.register("tests/Talk-v0")
def talk() -> rg.Environment:
    """Several turns in words."""
    return Talk(_sums("talk", 4), Shaky(), max_turns=3)


@rg.tool
def add(a: int, b: int = 1, unit: Literal["apples", "pears"] | None = None) -> str:
    """Add two numbers.

    Args:
        a: the first number
        b: the second
    """
    return f"{a + b} {unit or ''}".strip()


@rg.tool
def crash(why: str) -> str:
    """Break the environment."""
    raise rg.VerifierFault(why)


@rg.tool
def count(board: rg.State[list[int]]) -> int:
    """Count the calls of this episode."""
    board.append(1)
    return len(board)


@rg.register("tests/Desk-v0")
def desk() -> rg.Environment:
    """Several turns with tools."""
    return rg.Environment(
        _sums("desk", 4), Shaky(), max_turns=4, tools=[add, crash, count], state=lambda task: list[int]()
    )


@rg.tool(name="reset")
def reset() -> str:
    """Begin anew."""
    return "done"


@rg.register("tests/Reset-v0")
def named_reset() -> rg.Environment:
    """A tool with a name that TRL keeps for itself."""
    return rg.Environment(_sums("reset", 2), Shaky(), tools=[reset])


def made(name: str, **options: object) -> rg.Environment:
    """One of these environments."""
    return rg.make(f"tests.neighbours.environments:{name}", **options)


COMPLETIONS = ("\\boxed{0}", "\\boxed{2}", "I do not know.", FAULT)
"""Answers to the first four sums: right, right, malformed, and one that cannot be judged."""
SCORES = (1.0, 1.0, 0.0, None)
