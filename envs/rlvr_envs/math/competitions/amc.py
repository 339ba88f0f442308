"""AMC 2023: forty problems whose answers are whole numbers."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.math.problems import WHOLE_NUMBER, boxed, problem, whole_number
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row

CARD = rg.EnvironmentCard(
    summary="Solve a problem of the AMC 12 of 2023.",
    detail="40 problems, for testing; those that gave options ask for the value, or for a number made of it.",
    source="math-ai/amc23 on the Hugging Face hub, or a file in its format given with data=PATH",
    licence="none stated; the problems are the Mathematical Association of America's",
    answer=f"{WHOLE_NUMBER} The published 27.0 is 27.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=32768),
    samples_per_task=16,
    overlap_groups=("AMC",),
)


@rg.register("rlvr/AMC23-v0", card=CARD)
def amc23(data: str = "math-ai/amc23") -> rg.Environment:
    """`data` is a hub id, or a file or folder with the fields `question` and `answer`."""
    verifier = boxed(require_simplified=True)
    return rg.Environment(stored_tasks(data, to_task, verifier, name="amc23", split="test"), verifier)


def to_task(row: Row) -> rg.Task:
    """A published row as a task."""
    return problem(row["question"], whole_number(row["answer"]), id=row.get("id", ""))
