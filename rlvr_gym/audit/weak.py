"""Three verifiers that should not be trusted, kept as examples of what an audit finds.

They are registered when this module is imported: `rlvr audit rlvr_gym.audit.weak:weak/Substring-v0`.
"""

from __future__ import annotations

import random
import re

from rlvr_gym.environments.base import Environment
from rlvr_gym.registry import register
from rlvr_gym.tasks import Task, TaskSet
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers import Verifier


class SubstringMatch(Verifier):
    """Right is what holds the gold anywhere: a list of all numbers does."""

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Look for the gold in the text."""
        return Verdict.right() if str(task.reference) in completion.text else Verdict.wrong()

    def solution(self, task: Task) -> str:
        """The gold in a box."""
        return f"\\boxed{{{task.reference}}}"


class AnyMatch(Verifier):
    """Right is where any of the boxes holds the gold: so many boxes, so many guesses."""

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Look into every box."""
        boxes = re.findall(r"\\boxed\{([^{}]*)\}", completion.text)
        return Verdict.right() if str(task.reference) in boxes else Verdict.wrong()

    def solution(self, task: Task) -> str:
        """The gold in a box."""
        return f"\\boxed{{{task.reference}}}"


class InProcessTests(Verifier):
    """Right is a program that passes the tests, which are run beside it: it can reach everything that they can.

    Never call this on text that you do not trust; an audit calls it in a process that may be lost.
    """

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Run the program and compare what its function returns."""
        found = re.search(r"```python\n(.*?)```", completion.text, re.DOTALL)
        if not found:
            return Verdict.malformed("no program")
        scope: dict[str, object] = {}
        try:
            exec(found[1], scope)
            function = scope["double"]
            assert callable(function)
            for number in (0, 3, 14):
                expected = 2 * number
                if function(number) != expected:
                    return Verdict.wrong(f"double({number}) is not {expected}")
        except Exception as error:  # noqa: BLE001 - whatever a program raises, it is wrong
            return Verdict.wrong(f"{type(error).__name__}: {error}")
        return Verdict.right()

    def solution(self, task: Task) -> str:
        """A program that does double."""
        return "```python\ndef double(number):\n    return 2 * number\n```"


@register("weak/Substring-v0")
def substring() -> Environment:
    """Sums judged by a search for the gold."""
    return Environment(TaskSet.procedural("weak sums", _sum), SubstringMatch())


@register("weak/AnyMatch-v0")
def any_match() -> Environment:
    """Sums judged by any of several boxes."""
    return Environment(TaskSet.procedural("weak sums", _sum), AnyMatch())


@register("weak/InProcess-v0")
def in_process() -> Environment:
    """A program judged by tests in its own process."""
    task = Task(id="double", prompt="Write a Python function double(number) in a fenced block.")
    return Environment(TaskSet.from_tasks([task], name="weak programs"), InProcessTests())


def _sum(rng: random.Random) -> Task:
    a, b = rng.randrange(1000), rng.randrange(1000)
    prompt = f"What is {a} + {b}? Put your final answer in \\boxed{{}}."
    return Task(id=f"{min(a, b)}+{max(a, b)}", prompt=prompt, reference=a + b)
