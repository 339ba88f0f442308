"""APPS: programming problems from interviews and contests, with tests collected from the web."""

from __future__ import annotations

import json
from typing import Any

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, FORMAT, IMPORTED, STDIO_FORMAT, ask
from rlvr_envs.sources import stored_tasks
from rlvr_gym.files import JsonObject
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import CallCase, Calls, CodeVerifier, Problem, Stdio, StdioCase

CARD = rg.EnvironmentCard(
    summary="Solve a problem from an interview or a contest.",
    detail="5,000 for training, 5,000 for testing, of three difficulties; difficulty= chooses one. Rows without tests "
    "are left out. The published tests are known to accept some wrong programs and to refuse some right ones.",
    source="data=PATH, train.jsonl or test.jsonl of codeparrot/apps; arXiv 2105.09938",
    licence="MIT",
    answer=f"{ANSWER} Right is a program that passes all tests; numbers written as decimals may differ by 1e-6. Of "
    "functions whose expected values are all published as lists of one, the value alone is right as well.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=4096),
    samples_per_task=4,
)
DIFFICULTIES = ("introductory", "interview", "competition")


@rg.register("rlvr/APPS-v0", card=CARD)
def apps(
    data: str, split: str = "train", difficulty: str = "", reward: str = "all", run_solutions: bool = True
) -> rg.Environment:
    """`difficulty` is introductory, interview or competition; `reward` is all, or fraction.

    `run_solutions` leaves out tasks whose first solution does not pass, and names them, when they are loaded.
    """
    if difficulty and difficulty not in DIFFICULTIES:
        raise rg.ConfigError(f"difficulty must be one of {', '.join(DIFFICULTIES)}, not '{difficulty}'")

    def chosen(row: Row) -> rg.Task | None:
        wanted = row["input_output"] and difficulty in ("", row["difficulty"])
        return to_task(row) if wanted else None

    verifier = CodeVerifier(reward=reward, run_solutions=run_solutions)
    return rg.Environment(stored_tasks(data, chosen, verifier, name="apps", split=split), verifier)


def to_task(row: Row) -> rg.Task | None:
    """A published row as a task, None where its list of tests is empty."""
    published = json.loads(row["input_output"])
    if not published["inputs"]:
        return None
    if len(published["inputs"]) != len(published["outputs"]):
        raise rg.DataError(f"{len(published['inputs'])} inputs for {len(published['outputs'])} outputs")
    starter = row.get("starter_code") or ""
    function = published.get("fn_name")
    solutions = json.loads(row.get("solutions") or "[]")
    return rg.Task(
        id=str(row.get("problem_id", row.get("id"))),
        prompt=ask(row["question"], FORMAT if function else STDIO_FORMAT, starter_code=starter),
        reference=Problem(
            tests=_calls(function, published, starter) if function else _stdio(published),
            preamble=IMPORTED if function else "",
            solution=solutions[0] if solutions else None,
        ).reference(),
        metadata={"difficulty": row["difficulty"], "url": row.get("url") or ""},
    )


def _stdio(published: JsonObject) -> Stdio:
    pairs = zip(published["inputs"], published["outputs"], strict=True)
    return Stdio(
        tests=tuple(StdioCase(input=_text(given), output=_text(wanted)) for given, wanted in pairs),
        comparison="floats",
    )


def _text(published: str | list[Any]) -> str:
    """Input or output as text; some rows have a list of lines."""
    return published if isinstance(published, str) else "\n".join(map(str, published)) + "\n"


def _calls(function: str, published: JsonObject, starter_code: str) -> Calls:
    wrapped = all(isinstance(wanted, list) and len(wanted) == 1 for wanted in published["outputs"])
    pairs = zip(published["inputs"], published["outputs"], strict=True)
    return Calls(
        function=f"Solution.{function}" if "class Solution" in starter_code else function,
        tests=tuple(
            CallCase(arguments=tuple(given), expected=wanted, alternatives=(wanted[0],) if wrapped else ())
            for given, wanted in pairs
        ),
        float_tolerance=1e-6,
    )
