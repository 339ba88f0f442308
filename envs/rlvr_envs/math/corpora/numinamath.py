"""NuminaMath 1.5: 900,000 problems of competitions and schools, of which those with an answer are trained on."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.math.problems import IN_BOX, LEFT_OUT, environment, problem
from rlvr_gym.rows import Row

CARD = rg.EnvironmentCard(
    summary="Solve a problem in mathematics, from school to olympiads.",
    detail="Of 896,215 rows, for training; source= chooses those of one source, such as olympiads or amc_aime. "
    "Questions with options, whose letters are guessed, are not used, nor are rows that the set calls invalid, or "
    f"proofs. {LEFT_OUT}",
    source="AI-MO/NuminaMath-1.5 on the Hugging Face hub, or a file in its format given with data=PATH",
    licence="Apache-2.0",
    answer=IN_BOX,
    sampling=rg.SamplingParams(temperature=1.0, top_p=1.0, max_tokens=8192),
    overlap_groups=("AIME", "AMC", "MATH", "GSM8K", "olympiads"),
)
NO_ANSWER = ("", "proof", "notfound")


@rg.register("rlvr/NuminaMath-v0", card=CARD)
def numinamath(data: str = "AI-MO/NuminaMath-1.5", source: str = "") -> rg.Environment:
    """`data` is a hub id, or a file or folder with `problem`, `answer`, `question_type`, `source` and the marks of
    validity, `problem_is_valid` and `solution_is_valid`.
    """

    def chosen(row: Row) -> rg.Task | None:
        return to_task(row) if source in ("", row["source"]) else None

    return environment(data, chosen, name="numinamath")


def to_task(row: Row) -> rg.Task | None:
    """A published row as a task; None for a question with options, a proof, and a row that is called invalid."""
    valid = row["problem_is_valid"] == row["solution_is_valid"] == "Yes"
    if not valid or row["question_type"] in ("MCQ", "proof") or (row["answer"] or "").strip() in NO_ANSWER:
        return None
    return problem(row["problem"], row["answer"], source=row["source"], problem_type=row["problem_type"])
