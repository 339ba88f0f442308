"""CodeContests: problems of programming contests with many tests, generated ones among them."""

from __future__ import annotations

from typing import Any

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, STDIO_FORMAT, ask
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import CodeVerifier, Problem, Stdio, StdioCase

CARD = rg.EnvironmentCard(
    summary="Solve a programming contest's problem.",
    detail="13,328 for training, 117 for validation, 165 for testing. Problems that read or write files are left out.",
    source="data=PATH, a .parquet or .jsonl file of deepmind/code_contests (or its hub id); arXiv 2203.07814",
    licence="CC-BY-4.0",
    answer=f"{ANSWER} Right is a program that passes all public, private and generated tests; numbers written as "
    "decimals may differ by 1e-6. Twice the contest's time is allowed, and never less than 5 seconds.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=4096),
    samples_per_task=10,
)
PYTHON3 = 3
"""The code for Python 3 in `solutions.language`."""
MIB = 1 << 20


@rg.register("rlvr/Code_Contests-v0", card=CARD)
def code_contests(
    data: str, split: str = "train", reward: str = "all", run_solutions: bool = True
) -> rg.Environment:
    """`reward` is all, or fraction for the share of tests that pass.

    `run_solutions` leaves out tasks whose first solution in Python 3 does not pass, and names them, when they are
    loaded.
    """
    verifier = CodeVerifier(reward=reward, run_solutions=run_solutions)
    return rg.Environment(stored_tasks(data, to_task, verifier, name="code_contests", split=split), verifier)


def to_task(row: Row) -> rg.Task | None:
    """A published row as a task, None where the program would have to read or write files."""
    if row.get("input_file") or row.get("output_file"):
        return None
    public = _cases(row["public_tests"])
    hidden = [case for key in ("private_tests", "generated_tests") for case in _cases(row.get(key))]
    if not public and not hidden:
        return None
    return rg.Task(
        id=row["name"],
        prompt=ask(row["description"], STDIO_FORMAT),
        reference=Problem(
            tests=Stdio(tests=(*public, *hidden), comparison="floats"),
            public=len(public),
            solution=_solution(row),
            limits=_limits(row),
        ).reference(),
        metadata={key: row[key] for key in ("source", "difficulty", "cf_rating") if key in row},
    )


def _cases(published: dict[str, list[str]] | None) -> list[StdioCase]:
    if not published:
        return []
    pairs = zip(published["input"], published["output"], strict=True)
    return [StdioCase(input=given, output=wanted) for given, wanted in pairs]


def _solution(row: Row) -> str | None:
    published: dict[str, list[Any]] = row.get("solutions") or {"language": [], "solution": []}
    pairs = zip(published["language"], published["solution"], strict=True)
    return next((source for language, source in pairs if language in (PYTHON3, "PYTHON3")), None)


def _limits(row: Row) -> dict[Any, int | float]:
    time = row.get("time_limit") or {}
    seconds = (time.get("seconds") or 0) + (time.get("nanos") or 0) / 1e9
    cpu_seconds = max(5.0, 2 * seconds)
    return {
        "cpu_seconds": cpu_seconds,
        "wall_seconds": 4 * cpu_seconds,
        "memory_bytes": max(512 * MIB, int(row.get("memory_limit_bytes") or 0)),
    }
