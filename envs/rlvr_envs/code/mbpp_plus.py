"""MBPP+: the sound ones of MBPP's programs, with some thirty-five times the tests."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, FORMAT, asserts
from rlvr_envs.code.plus_tests import LIMITS, before, readable
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import CodeVerifier, Problem

CARD = rg.EnvironmentCard(
    summary="Write a Python function from a sentence and an example; judged by many inputs.",
    detail="378 problems, for testing. The first `shown` of MBPP's own three tests stand in the prompt: 1, as in "
    "EvalPlus. The tests need numpy in the sandbox's image.",
    source="evalplus/mbppplus on the Hugging Face hub, or a file in its format given with data=PATH; arXiv 2305.01210",
    licence="Apache-2.0; MBPP itself CC-BY-4.0",
    answer=f"{ANSWER} Right is a program that passes the published test: equal results, decimals within 1e-6 and of "
    "the same shape.",
    sampling=rg.SamplingParams(temperature=0.0, max_tokens=1024),
)


@rg.register("rlvr/MBPPPlus-v0", card=CARD)
def mbpp_plus(
    split: str = "test", data: str = "evalplus/mbppplus", shown: int = 1, run_solutions: bool = True
) -> rg.Environment:
    """`data` is a hub id or a file; `shown` is how many of MBPP's own tests the prompt shows, 0 to 3.

    `run_solutions` leaves out tasks whose own solution does not pass, and names them, when they are loaded.
    """
    if not 0 <= shown <= 3:
        raise rg.ConfigError(f"shown must be from 0 to 3, not {shown}")

    def to_task(row: Row) -> rg.Task:
        return task_of(row, shown)

    verifier = CodeVerifier(run_solutions=run_solutions)
    return rg.Environment(stored_tasks(data, to_task, verifier, name="mbppplus", split=split), verifier)


def task_of(row: Row, shown: int) -> rg.Task:
    """A published row as a task."""
    solution, imports = (
        row["code"].replace("\r\n", "\n").strip("\n"),
        "\n".join(row.get("test_imports") or ()),
    )
    tests = asserts([readable(row["test"])], solution, setup=imports)
    tests = tests.model_copy(update={"setup": f"{before(row['test'])}\n{tests.setup}"})
    examples = "\n".join(row["test_list"][:shown])
    example = f"\n\nYour code should satisfy:\n\n{examples}" if shown else ""
    return rg.Task(
        id=str(row["task_id"]),
        prompt=f"{row['prompt'].strip()}{example}\n\n{FORMAT}",
        reference=Problem(tests=tests, solution=solution, limits=LIMITS).reference(),
    )
