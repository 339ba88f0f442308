"""LiveCodeBench: contest problems, dated, so that a model can be tested on what came after its training data."""

from __future__ import annotations

import json
import re

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, FORMAT, IMPORTED, STDIO_FORMAT, ask
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import CallCase, Calls, CodeVerifier, Problem, Stdio, StdioCase

CARD = rg.EnvironmentCard(
    summary="Solve a programming contest's problem.",
    detail="From AtCoder, LeetCode and Codeforces; after= and before= choose by the contest's date (ISO, the first "
    "inclusive, the second not).",
    source="data=PATH, a file of livecodebench/code_generation_lite as published (test.jsonl to test6.jsonl, which "
    "together are release v6), or a folder of them; the pickled texts inside are read and never loaded. "
    "arXiv 2403.07974",
    licence="the contests' own",
    answer=f"{ANSWER} Right is a program that passes all public and private tests; numbers written as decimals may "
    "differ by 1e-6. What LeetCode imports for a method is there already.",
    sampling=rg.SamplingParams(temperature=0.2, top_p=0.95, max_tokens=4096),
    samples_per_task=10,
)


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+)?")


@rg.register("rlvr/LiveCodeBench-v0", card=CARD)
def livecodebench(data: str, split: str = "test", after: str = "", before: str = "") -> rg.Environment:
    """`after` and `before` are dates such as 2024-08-01; empty ones choose nothing."""
    for name, given in (("after", after), ("before", before)):
        if given and not _DATE.fullmatch(given):
            raise rg.ConfigError(f"{name} must be a date such as 2024-08-01, not '{given}'")

    def chosen(row: Row) -> rg.Task | None:
        date = str(row["contest_date"])
        wanted = date >= after and (not before or date < before)
        return to_task(row) if wanted else None

    verifier = CodeVerifier()
    return rg.Environment(stored_tasks(data, chosen, verifier, name="livecodebench", split=split), verifier)


def to_task(row: Row) -> rg.Task:
    """A published row as a task; where it comes from becomes its metadata."""
    public = json.loads(row["public_test_cases"])
    function = json.loads(row.get("metadata") or "{}").get("func_name")
    tests = _calls(function, public, row) if function else _stdio(public, row)
    return rg.Task(
        id=row["question_id"],
        prompt=ask(
            row["question_content"],
            FORMAT if function else STDIO_FORMAT,
            starter_code=row.get("starter_code") or "",
        ),
        reference=Problem(tests=tests, public=len(public), preamble=IMPORTED if function else "").reference(),
        metadata={
            key: str(row.get(key, ""))
            for key in ("platform", "contest_id", "contest_date", "difficulty", "question_title")
        },
    )


def _stdio(public: list[Row], row: Row) -> Stdio:
    return Stdio(
        tests=tuple(StdioCase(input=test["input"], output=test["output"]) for test in public),
        packed=row.get("private_test_cases") or "",
        comparison="floats",
    )


def _calls(function: str, public: list[Row], row: Row) -> Calls:
    return Calls(
        function=f"Solution.{function}",
        tests=tuple(CallCase.of_text(test["input"], test["output"]) for test in public),
        packed=row.get("private_test_cases") or "",
        float_tolerance=1e-6,
    )
