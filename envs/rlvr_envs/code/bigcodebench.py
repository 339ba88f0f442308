"""BigCodeBench: functions that put many libraries to use, tested by unittest."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, FORMAT, fenced
from rlvr_gym.errors import TasksLeftOut
from rlvr_gym.rows import Row, hub_rows, reader_of
from rlvr_gym.verifiers.code import Asserts, CodeVerifier, Problem
from rlvr_gym.verifiers.code.packages import lacking
from rlvr_gym.verifiers.code.problems import Limit

CARD = rg.EnvironmentCard(
    summary="Write a function that uses several libraries.",
    detail="1,140 problems, for testing (bigcode/bigcodebench-hard: 148), of 139 libraries. style=instruct asks in "
    "words, style=complete shows the docstring. Libraries that the sandbox's image lacks are named before anything is "
    "judged: packages=all refuses the set and says how to build the image, packages=present leaves those problems out "
    "by name. trust=in_process runs the tests in the program's own process, as published, which many of them need: a "
    "hostile program can forge such a verdict, so use it for no training.",
    source="bigcode/bigcodebench on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2406.15877",
    licence="Apache-2.0",
    answer=f"{ANSWER} Right is a program with which all published test cases pass, none of them skipped.",
    sampling=rg.SamplingParams(temperature=0.0, max_tokens=1280),
)
LIMITS: dict[Limit, int | float] = {"cpu_seconds": 60.0, "wall_seconds": 240.0, "memory_bytes": 2 << 30}
DISTRIBUTIONS = {
    "Crypto": "pycryptodome",
    "Levenshtein": "python-Levenshtein",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "flask_login": "flask-login",
    "flask_mail": "flask-mail",
    "flask_restful": "flask-restful",
    "flask_wtf": "flask-wtf",
    "mpl_toolkits": "matplotlib",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "wordcloud": "wordcloud",
    "yaml": "pyyaml",
}
"""Names that pip has for libraries whose import has another."""
_RUN = """

import unittest as _unittest

_result = _unittest.TestResult()
_unittest.defaultTestLoader.loadTestsFromTestCase(TestCases).run(_result)
assert _result.testsRun > 0, "no test case was run"
_wrong = [*_result.failures, *_result.errors, *_result.skipped]
assert not _wrong, f"{_wrong[0][0]}: {_wrong[0][1]}"[:2000]
assert _result.wasSuccessful()
"""


@rg.register("rlvr/BigCodeBench-v0", card=CARD)
def bigcodebench(
    split: str = "v0.1.4",
    data: str = "bigcode/bigcodebench",
    style: Literal["instruct", "complete"] = "instruct",
    packages: Literal["all", "present"] = "all",
    trust: Literal["split", "in_process"] = "split",
    run_solutions: bool = True,
) -> rg.Environment:
    """`data` is a hub id or a file; `split` is the release; `style`, `packages` and `trust` are as the card says.

    `run_solutions` leaves out tasks whose own solution does not pass, and names them, when they are loaded.
    """

    def to_task(row: Row) -> rg.Task:
        return task_of(row, style, in_process=trust == "in_process")

    verifier = CodeVerifier(run_solutions=run_solutions)
    tasks = rg.TaskSet.from_rows(
        lambda: _with_packages(_rows(data, split), packages),
        to_task,
        name="bigcodebench",
        split=split,
        verifier=verifier,
    )
    return rg.Environment(tasks, verifier)


def task_of(row: Row, style: str, *, in_process: bool = False) -> rg.Task:
    """A published row as a task."""
    prompt = (
        row["instruct_prompt"].strip()
        if style == "instruct"
        else f"Complete this Python function:\n\n{fenced(row['complete_prompt'])}"
    )
    tests = Asserts(tests=(row["test"] + _RUN,), names=(row["entry_point"],), in_process=in_process)
    solution = row["code_prompt"].rstrip("\n") + "\n" + row["canonical_solution"]
    return rg.Task(
        id=row["task_id"],
        prompt=f"{prompt}\n\n{FORMAT}",
        reference=Problem(tests=tests, solution=solution, limits=LIMITS).reference(),
        metadata={"libraries": libraries(row)},
    )


def libraries(row: Row) -> list[str]:
    """The libraries beside Python's own that a row says it uses."""
    try:
        named = ast.literal_eval(row["libs"])
        return sorted(set(map(str, named)) - sys.stdlib_module_names)
    except (ValueError, SyntaxError, TypeError) as error:
        raise rg.DataError(f"libs is no list of names: {row['libs']!r}") from error


def _rows(data: str, split: str) -> Iterator[tuple[str, Row]]:
    path = Path(data).expanduser()
    if data.endswith((".jsonl", ".jsonl.gz", ".parquet")) or path.is_file():
        return reader_of(path)(path)
    return hub_rows(data, None, split)


def _with_packages(rows: Iterator[tuple[str, Row]], packages: str) -> Iterator[tuple[str, Row]]:
    """The rows whose libraries the sandbox has; where some are lacking, an error or a warning names them."""
    listed = list(rows)
    needed = {place: libraries(row) for place, row in listed}
    missing = set(lacking(sorted({name for names in needed.values() for name in names})))
    without = [place for place, names in needed.items() if missing.intersection(names)]
    if without:
        named = sorted(DISTRIBUTIONS.get(name, name) for name in missing)
        said = (
            f"{len(without):,} of {len(listed):,} problems use libraries that the sandbox lacks: "
            f"{', '.join(sorted(missing))}; build an image with them: rlvr sandbox build --packages numpy,"
            f"{','.join(named)}"
        )
        if packages == "all":
            raise rg.DataError(f"{said}; or leave these problems out with packages=present")
        warnings.warn(f"'bigcodebench': {said}", TasksLeftOut, stacklevel=2)
    yield from (pair for pair in listed if pair[0] not in set(without))
