"""HumanEval+: HumanEval's functions with some eighty times the tests."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.code import humaneval
from rlvr_envs.code.code_tasks import ANSWER
from rlvr_envs.code.plus_tests import LIMITS, before, readable
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import Asserts, CodeVerifier, Problem

CARD = rg.EnvironmentCard(
    summary="Write a function from its signature and docstring; judged by many inputs.",
    detail="164 problems, for testing, with 764 tests each in the mean. style=chat asks for the function in a fenced "
    "block; style=continue shows the published prompt as it stands. The tests need numpy in the sandbox's image.",
    source="evalplus/humanevalplus on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2305.01210",
    licence="Apache-2.0; HumanEval itself MIT",
    answer=f"{ANSWER} style=continue: the rest of the function. Right is a program that passes the published test: "
    "equal results, decimals within 1e-6 and of the same shape.",
    sampling=rg.SamplingParams(temperature=0.0, max_tokens=1024),
)


@rg.register("rlvr/HumanEvalPlus-v0", card=CARD)
def humaneval_plus(
    split: str = "test",
    data: str = "evalplus/humanevalplus",
    style: str = "chat",
    run_solutions: bool = True,
) -> rg.Environment:
    """`data` is a hub id or a file; `style` is `chat` or `continue`.

    `run_solutions` leaves out tasks whose own solution does not pass, and names them, when they are loaded.
    """
    if style not in ("chat", "continue"):
        raise rg.ConfigError(f"style must be 'chat' or 'continue', not '{style}'")
    verifier = CodeVerifier(continues=style == "continue", run_solutions=run_solutions)
    plain = humaneval.continued_task if style == "continue" else humaneval.chat_task

    def to_task(row: Row) -> rg.Task:
        return with_plus_tests(plain({**row, "test": readable(row["test"])}))

    return rg.Environment(stored_tasks(data, to_task, verifier, name="humanevalplus", split=split), verifier)


def with_plus_tests(task: rg.Task) -> rg.Task:
    """A task of HumanEval's format whose test compares by EvalPlus's helpers."""
    problem = Problem.of(task)
    assert isinstance(problem.tests, Asserts)
    (test,) = problem.tests.tests
    tests = problem.tests.model_copy(update={"setup": f"{before(test)}\n{problem.tests.setup}"})
    return task.model_copy(
        update={"reference": problem.model_copy(update={"tests": tests, "limits": LIMITS}).reference()}
    )
