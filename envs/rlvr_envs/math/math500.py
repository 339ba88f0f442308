"""MATH-500: five hundred competition problems held out of the MATH dataset."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers import AnswerContract, Marker

CARD = rg.EnvironmentCard(
    summary="Solve a competition problem in mathematics.",
    detail="From algebra to precalculus, levels 1 to 5; 500 problems, for testing.",
    source="HuggingFaceH4/MATH-500 on the Hugging Face hub, or a file in its format given with data=PATH; chosen "
    "in arXiv 2305.20050 from MATH, arXiv 2103.03874",
    licence="MIT",
    answer="An expression in \\boxed{}, compared for mathematical equivalence.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=4096),
    samples_per_task=4,
    overlap_groups=("MATH",),
)


@rg.register("rlvr/MATH500-v0", card=CARD)
def math500(
    split: str = "test", data: str = "HuggingFaceH4/MATH-500", require_simplified: bool = False
) -> rg.Environment:
    """`data` is a hub id, or a file or folder with `problem`, `answer`, `subject`, `level` and `unique_id`.

    With `require_simplified` an answer that leaves arithmetic to do is wrong.
    """
    verifier = rg.verifiers.Math(AnswerContract(Marker.BOXED), require_simplified=require_simplified)
    return rg.Environment(stored_tasks(data, to_task, verifier, name="math500", split=split), verifier)


def to_task(row: Row) -> rg.Task:
    """A published row as a task; `subject` and `level` become its metadata."""
    if not row["answer"].strip():
        raise rg.DataError("the gold answer is empty")
    prompt = f"{row['problem'].strip()}\n\nReason step by step, and put your final answer in \\boxed{{}}."
    return rg.Task(
        id=row["unique_id"],
        prompt=prompt,
        reference=row["answer"],
        metadata={"subject": row["subject"], "level": row["level"]},
    )
