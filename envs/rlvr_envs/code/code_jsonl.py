"""Programming tasks of one's own, from a file of prompts and tests."""

from __future__ import annotations

import json
from pathlib import Path

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, asserts, fenced
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import CodeVerifier, Problem

CARD = rg.EnvironmentCard(
    summary="Whatever program a file of your own asks for.",
    detail="Each row has a `prompt` (text or chat messages) and `tests` of the kind stdio, calls or asserts; it may "
    "have `starter_code`, a `solution`, `limits`, and `public` tests that may be shown. Where many outputs are right, "
    "the tests name a `checker`: a file beside the data with a function `check(input, output, expected) -> bool`, "
    "which runs in the sandbox.",
    source="data=PATH, a .jsonl, .jsonl.gz or .parquet file (or a hub id)",
    licence="the file's own",
    answer=f"{ANSWER} Of several blocks, blocks=last, only or concatenated decides. Prompts are shown as they stand, "
    "with the starter code after them: they must say where the program goes.",
)
OWN = ("prompt", "tests", "starter_code", "solution", "limits", "public", "preamble", "id")


@rg.register("rlvr/Code-JSONL-v0", card=CARD)
def code_jsonl(
    data: str,
    split: str = "train",
    blocks: str = "last",
    reward: str = "all",
    limits: str = "stated",
    run_solutions: bool = True,
) -> rg.Environment:
    """`blocks` is last, only or concatenated; `reward` is all, or fraction for the share of tests that pass.

    `limits` is stated, or scaled to what each row's solution takes here. `run_solutions` leaves out rows
    whose own solution does not pass, and names them, when they are loaded.
    """
    verifier = CodeVerifier(blocks=blocks, reward=reward, limits=limits, run_solutions=run_solutions)
    folder = Path(data).expanduser() if Path(data).expanduser().is_dir() else Path(data).expanduser().parent

    def with_checker(row: Row) -> rg.Task:
        return to_task(row, folder)

    return rg.Environment(stored_tasks(data, with_checker, verifier, name=data, split=split), verifier)


def to_task(row: Row, folder: Path) -> rg.Task:
    """A row as a task; fields of the row's own become its metadata. `folder` is where checkers are."""
    prompt, starter = row["prompt"], row.get("starter_code")
    if starter:
        if not isinstance(prompt, str):
            raise rg.DataError("starter_code goes with a prompt that is text; write it into the messages")
        prompt = f"{prompt}\n\nBegin with this code:\n\n{fenced(starter)}"
    stated = {
        key: row[key] for key in ("solution", "limits", "public", "preamble") if row.get(key) is not None
    }
    return rg.Task(
        id=str(row["id"]) if row.get("id") is not None else "",
        prompt=prompt,
        reference=Problem.model_validate({"tests": _tests(row, folder), **stated}).reference(),
        metadata={key: value for key, value in row.items() if key not in OWN},
    )


def _tests(row: Row, folder: Path) -> object:
    """The row's tests, which may be JSON text; the names that asserts take from the program are found if not given."""
    tests = json.loads(row["tests"]) if isinstance(row["tests"], str) else row["tests"]
    if isinstance(tests, dict) and tests.get("checker"):
        return {**tests, "checker": _checker(tests["checker"], folder)}
    if not isinstance(tests, dict) or tests.get("kind") != "asserts" or tests.get("names"):
        return tests
    if not row.get("solution"):
        raise rg.DataError("tests of the kind asserts need `names`, or a solution that defines them")
    found = asserts(tests["tests"], row["solution"], setup=tests.get("setup") or "")
    return found.model_dump()


def _checker(name: object, folder: Path) -> str:
    """The source of a checker, a file that stands beside the data."""
    if not isinstance(name, str) or Path(name).name != name:
        raise rg.DataError(f"checker must be the name of a file beside the data, not {name!r}")
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise rg.DataError(f"the checker '{name}' cannot be read from {folder}: {error}") from error
