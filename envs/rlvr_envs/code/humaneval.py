"""HumanEval: functions to be written from their signature and docstring."""

from __future__ import annotations

import ast
import io

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, FORMAT, fenced, parsed
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import Asserts, CodeVerifier, Problem

CARD = rg.EnvironmentCard(
    summary="Write a function from its signature and docstring.",
    detail="164 problems, for testing. style=chat asks for the function in a fenced block; style=continue shows the "
    "published prompt as it stands, for base models that go on from there.",
    source="openai/openai_humaneval on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2107.03374",
    licence="MIT",
    answer=f"{ANSWER} style=continue: the rest of the function; what follows the function is cut off. Imports and "
    "helper functions of the prompt are there already. Right is a program that passes the published test.",
    sampling=rg.SamplingParams(temperature=0.8, top_p=0.95, max_tokens=1024),
    samples_per_task=16,
)


@rg.register("rlvr/HumanEval-v0", card=CARD)
def humaneval(
    split: str = "test",
    data: str = "openai/openai_humaneval",
    style: str = "chat",
    run_solutions: bool = True,
) -> rg.Environment:
    """`data` is a hub id or a file; `style` is `chat` or `continue`.

    `run_solutions` leaves out tasks whose own solution does not pass, and names them, when they are loaded.
    """
    if style not in ("chat", "continue"):
        raise rg.ConfigError(f"style must be 'chat' or 'continue', not '{style}'")
    verifier = CodeVerifier(continues=style == "continue", run_solutions=run_solutions)
    to_task = continued_task if style == "continue" else chat_task
    return rg.Environment(stored_tasks(data, to_task, verifier, name="humaneval", split=split), verifier)


def chat_task(row: Row) -> rg.Task:
    """A published row, asking for the whole function."""
    prompt, given = row["prompt"], given_code(row)
    problem = Problem(
        tests=tests(row), preamble=given, solution=prompt[len(given) :] + row["canonical_solution"]
    )
    return rg.Task(
        id=row["task_id"],
        prompt=f"Complete this Python function:\n\n{fenced(prompt)}\n\n{FORMAT}",
        reference=problem.reference(),
    )


def continued_task(row: Row) -> rg.Task:
    """A published row, to be gone on with."""
    problem = Problem(tests=tests(row), preamble=row["prompt"], solution=row["canonical_solution"])
    return rg.Task(id=row["task_id"], prompt=row["prompt"], reference=problem.reference())


def tests(row: Row) -> Asserts:
    """The published test. It calls helper functions of the prompt, which are never the program's."""
    name = row["entry_point"]
    return Asserts(tests=(f"{row['test']}\n\ncheck({name})\n",), names=(name,), setup=given_code(row))


def given_code(row: Row) -> str:
    """Imports and helper functions of the prompt, before the function that is asked for."""
    last = parsed(f"{row['prompt']}    pass\n").body[-1]
    if not isinstance(last, ast.FunctionDef) or last.name != row["entry_point"]:
        raise rg.DataError(f"the prompt does not end with the function '{row['entry_point']}'")
    first_line = min([last.lineno, *(decorator.lineno for decorator in last.decorator_list)])
    return "".join(io.StringIO(row["prompt"], newline="").readlines()[: first_line - 1])
