"""DeepScaleR: 40,000 problems of competitions with their answers, to train on."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.math.problems import IN_BOX, LEFT_OUT, environment, problem
from rlvr_gym.rows import Row

CARD = rg.EnvironmentCard(
    summary="Solve a competition problem in mathematics.",
    detail="About 40,000 problems, for training: of the AIME up to 2023 and the AMC before 2023, of Omni-MATH and "
    f"STILL. {LEFT_OUT}",
    source="agentica-org/DeepScaleR-Preview-Dataset on the Hugging Face hub, or a file in its format given with "
    "data=PATH",
    licence="MIT",
    answer=IN_BOX,
    # As in the first stage of the published training.
    sampling=rg.SamplingParams(temperature=0.6, top_p=1.0, max_tokens=8192),
    overlap_groups=("AIME", "AMC", "MATH", "olympiads"),
)


@rg.register("rlvr/DeepScaleR-v0", card=CARD)
def deepscaler(
    data: str = "agentica-org/DeepScaleR-Preview-Dataset", require_simplified: bool = False
) -> rg.Environment:
    """`data` is a hub id, or a file or folder with the fields `problem` and `answer`.

    With `require_simplified` an answer that leaves arithmetic to do is wrong.
    """
    return environment(data, to_task, name="deepscaler", require_simplified=require_simplified)


def to_task(row: Row) -> rg.Task:
    """A published row as a task."""
    return problem(row["problem"], row["answer"])
