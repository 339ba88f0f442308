"""MBPP: mostly basic Python programs, described in a sentence and tested by assertions."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.code.code_tasks import ANSWER, FORMAT, asserts
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.code import CodeVerifier, Problem

SPLITS = {
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}
"""The published splits, by task id: one file holds all of them."""

CARD = rg.EnvironmentCard(
    summary="Write a Python function from a sentence and an example.",
    detail="374 for training, 90 for validation, 500 for testing. The first `shown` of each task's three tests stand "
    "in the prompt; all three decide. Published figures mostly show three: a program can then be a table of them.",
    source="google-research-datasets/mbpp on the Hugging Face hub (config full), or a file in its format, or in that "
    "of the sanitized config, given with data=PATH; arXiv 2108.07732",
    licence="CC-BY-4.0",
    answer=f"{ANSWER} Right is a program that passes all published tests.",
    sampling=rg.SamplingParams(temperature=0.5, top_p=0.95, max_tokens=1024),
    samples_per_task=16,
)


@rg.register("rlvr/MBPP-v0", card=CARD)
def mbpp(
    split: str = "train",
    data: str = "google-research-datasets/mbpp",
    shown: int = 1,
    run_solutions: bool = True,
) -> rg.Environment:
    """`data` is a hub id or a file with all splits; `shown` is how many tests the prompt shows, 0 to 3.

    `run_solutions` leaves out tasks whose own solution does not pass, and names them, when they are loaded.
    """
    if split not in SPLITS:
        raise rg.ConfigError(f"mbpp has the splits {', '.join(SPLITS)}, not '{split}'")
    if not 0 <= shown <= 3:
        raise rg.ConfigError(f"shown must be from 0 to 3, not {shown}")

    def to_task(row: Row) -> rg.Task | None:
        return task_of(row, shown) if row["task_id"] in SPLITS[split] else None

    verifier = CodeVerifier(run_solutions=run_solutions)
    tasks = stored_tasks(data, to_task, verifier, name="mbpp", split=split, config="full")
    tasks.has_splits = True  # also in a file
    return rg.Environment(tasks, verifier)


def task_of(row: Row, shown: int) -> rg.Task:
    """A published row as a task. The sanitized rows name some fields otherwise."""
    solution = row["code"].replace("\r\n", "\n")
    setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or ())
    tests = asserts(row["test_list"], solution, setup=setup.replace("\r\n", "\n"))
    examples = "\n".join(row["test_list"][:shown])
    example = f"\n\nYour code should satisfy:\n\n{examples}" if shown else ""
    return rg.Task(
        id=str(row["task_id"]),
        prompt=f"{(row.get('text') or row['prompt']).strip()}{example}\n\n{FORMAT}",
        reference=Problem(tests=tests, public=shown, solution=solution).reference(),
    )
