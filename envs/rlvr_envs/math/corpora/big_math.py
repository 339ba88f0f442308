"""Big-Math: 250,000 problems with verified answers and the rate at which a model solved each, to train on."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.math.problems import IN_BOX, LEFT_OUT, environment, problem
from rlvr_gym.rows import Row

CARD = rg.EnvironmentCard(
    summary="Solve a problem in mathematics, from school to olympiads.",
    detail="251,122 problems, for training; source= chooses those of one set they were taken from, such as MATH or "
    "olympiads, and min_solve_rate= and max_solve_rate= those that Llama 3.1 8B solved so often. "
    f"{LEFT_OUT}",
    source="SynthLabsAI/Big-Math-RL-Verified on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2502.17387",
    licence="Apache-2.0",
    answer=IN_BOX,
    sampling=rg.SamplingParams(temperature=1.0, top_p=1.0, max_tokens=8192),
    overlap_groups=("AIME", "AMC", "MATH", "GSM8K", "olympiads"),
)


@rg.register("rlvr/Big-Math-v0", card=CARD)
def big_math(
    data: str = "SynthLabsAI/Big-Math-RL-Verified",
    source: str = "",
    min_solve_rate: float = 0.0,
    max_solve_rate: float = 1.0,
) -> rg.Environment:
    """`data` is a hub id, or a file or folder with `problem`, `answer`, `source`, `domain` and `llama8b_solve_rate`.

    `min_solve_rate` and `max_solve_rate` bound the published solve rate, both included; where one of them is given,
    problems without a rate are left out.
    """
    if not 0 <= min_solve_rate <= max_solve_rate <= 1:
        raise rg.ConfigError(
            f"expected 0 <= min_solve_rate <= max_solve_rate <= 1, not {min_solve_rate} and {max_solve_rate}"
        )
    any_rate = (min_solve_rate, max_solve_rate) == (0.0, 1.0)

    def chosen(row: Row) -> rg.Task | None:
        rate = row["llama8b_solve_rate"]
        wanted = any_rate or (rate is not None and min_solve_rate <= rate <= max_solve_rate)
        return to_task(row) if wanted and source in ("", row["source"]) else None

    return environment(data, chosen, name="big-math")


def to_task(row: Row) -> rg.Task:
    """A published row as a task; its source, domains and solve rate become metadata."""
    return problem(
        row["problem"],
        row["answer"],
        source=row["source"],
        domain=row["domain"],
        solve_rate=row["llama8b_solve_rate"],
    )
