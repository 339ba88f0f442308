"""AIME 2024, 2025 and 2026: thirty problems each, whose answers are whole numbers from 0 to 999."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.math.problems import WHOLE_NUMBER, boxed, problem, whole_number
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row


def _card(year: int, source: str, licence: str) -> rg.EnvironmentCard:
    return rg.EnvironmentCard(
        summary=f"Solve a problem of the AIME of {year}.",
        detail="30 problems, of AIME I and II, for testing.",
        source=f"{source} on the Hugging Face hub, or a file in its format given with data=PATH",
        licence=licence,
        answer=WHOLE_NUMBER,
        # As in arXiv 2501.12948; with so few problems a figure is the mean of many samples.
        sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=32768),
        samples_per_task=64,
        overlap_groups=("AIME",),
    )


AIME24 = _card(
    2024,
    "HuggingFaceH4/aime_2024",
    "none stated for this set; MathArena/aime_2024_I and aime_2024_II, which are read as well, are CC-BY-NC-SA-4.0",
)
AIME25 = _card(2025, "MathArena/aime_2025", "CC-BY-NC-SA-4.0")
AIME26 = _card(2026, "MathArena/aime_2026", "CC-BY-NC-SA-4.0")


@rg.register("rlvr/AIME24-v0", card=AIME24)
def aime24(data: str = "HuggingFaceH4/aime_2024") -> rg.Environment:
    """`data` is a hub id, or a file or folder with the fields `problem` and `answer`."""
    return _environment(data, "aime24")


@rg.register("rlvr/AIME25-v0", card=AIME25)
def aime25(data: str = "MathArena/aime_2025") -> rg.Environment:
    """`data` is a hub id, or a file or folder with the fields `problem` and `answer`."""
    return _environment(data, "aime25")


@rg.register("rlvr/AIME26-v0", card=AIME26)
def aime26(data: str = "MathArena/aime_2026") -> rg.Environment:
    """`data` is a hub id, or a file or folder with the fields `problem` and `answer`."""
    return _environment(data, "aime26")


def _environment(data: str, name: str) -> rg.Environment:
    verifier = boxed(require_simplified=True)
    # There is one split to test on, which the hub calls "train".
    return rg.Environment(stored_tasks(data, to_task, verifier, name=name, split="train"), verifier)


def to_task(row: Row) -> rg.Task:
    """A published row as a task; its number in the set is its id."""
    id = row["id"] if "id" in row else row["problem_idx"]
    return problem(row["problem"], whole_number(row["answer"], least=0, most=999), id=id)
