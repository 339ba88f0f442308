r"""MATH: 12,500 problems of competitions; the gold answer is the last `\boxed{}` of the published solution."""

from __future__ import annotations

import re

import rlvr_gym as rg
from rlvr_envs.math.problems import IN_BOX, LEFT_OUT, environment, problem
from rlvr_gym.rows import Row

SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)
CARD = rg.EnvironmentCard(
    summary="Solve a competition problem in mathematics.",
    detail=f"7,500 for training, 5,000 for testing, levels 1 to 5; subject= chooses one of {', '.join(SUBJECTS)}. "
    f"MATH-500 is chosen from the test problems. {LEFT_OUT}",
    source="EleutherAI/hendrycks_math on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2103.03874",
    licence="MIT",
    answer=IN_BOX,
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=4096),
    overlap_groups=("MATH",),
)


@rg.register("rlvr/MATH-v0", card=CARD)
def hendrycks_math(
    split: str = "train",
    data: str = "EleutherAI/hendrycks_math",
    subject: str = "",
    require_simplified: bool = False,
) -> rg.Environment:
    """`data` is a hub id, or a file or folder with `problem`, `level`, `type` and `solution`.

    With `require_simplified` an answer that leaves arithmetic to do is wrong.
    """
    if subject not in ("", *SUBJECTS):
        raise rg.ConfigError(f"no subject '{subject}'; possible: {', '.join(SUBJECTS)}, or none for all")

    def chosen(row: Row) -> rg.Task | None:
        return to_task(row) if subject in ("", subject_of(row)) else None

    return environment(
        data,
        chosen,
        name="math",
        split=split,
        configs=[subject] if subject else SUBJECTS,
        require_simplified=require_simplified,
    )


def to_task(row: Row) -> rg.Task:
    """A published row as a task; its subject and level become metadata."""
    return problem(row["problem"], last_box(row["solution"]), subject=subject_of(row), level=row["level"])


def subject_of(row: Row) -> str:
    """The name of a row's configuration: `Counting & Probability` is in `counting_and_probability`."""
    return row["type"].lower().replace("&", "and").replace(" ", "_")


def last_box(solution: str) -> str:
    r"""The content of the last `\boxed{...}` or `\fbox{...}`, or of a `\boxed 7` without braces.

    Raises DataError where there is none, or it is never closed.
    """
    start = max(solution.rfind("\\boxed"), solution.rfind("\\fbox"))
    if start < 0:
        raise rg.DataError("the solution has no \\boxed{} with the gold answer in it")
    rest = re.sub(r"^\\(?:boxed|fbox)\s*", "", solution[start:])
    if not rest.startswith("{"):
        return re.split(r"[$\s.,]", rest, maxsplit=1)[0]
    depth = 0
    for at, sign in enumerate(rest):
        escaped = at > 0 and rest[at - 1] == "\\"
        depth += 0 if escaped else (sign == "{") - (sign == "}")
        if depth == 0:
            return rest[1:at]
    raise rg.DataError("the last \\boxed{ of the solution is never closed")
