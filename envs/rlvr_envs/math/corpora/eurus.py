"""Eurus-2: 455,000 problems of NuminaMath with checked answers, to train on; its programs are left to the code sets."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.math.problems import IN_BOX, LEFT_OUT, environment, problem
from rlvr_gym.rows import Row

SPLITS = {"train": "train", "test": "validation"}
CARD = rg.EnvironmentCard(
    summary="Solve a problem in mathematics, from school to olympiads.",
    detail="455,261 problems for training, 1,024 for testing (the hub's split 'validation'). The published system "
    f"prompt, a format of its own, is not shown. Programs are left out. {LEFT_OUT}",
    source="PRIME-RL/Eurus-2-RL-Data on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2502.01456",
    licence="MIT",
    answer=IN_BOX,
    sampling=rg.SamplingParams(temperature=1.0, top_p=1.0, max_tokens=8192),
    overlap_groups=("AIME", "AMC", "MATH", "GSM8K", "olympiads"),
)
INSTRUCTION = "Present the answer in LaTex format: \\boxed{Your answer}"


@rg.register("rlvr/Eurus-2-v0", card=CARD)
def eurus_2(split: str = "train", data: str = "PRIME-RL/Eurus-2-RL-Data") -> rg.Environment:
    """`data` is a hub id, or a file or folder with `prompt`, `ability`, `reward_model` and `data_source`."""
    if split not in SPLITS:
        raise rg.ConfigError(f"no split '{split}'; possible: {', '.join(SPLITS)}")
    return environment(data, to_task, name="eurus-2", split=SPLITS[split])


def to_task(row: Row) -> rg.Task | None:
    """A published row as a task; None for a program."""
    if row["ability"] != "math":
        return None
    question = row["prompt"][-1]["content"].strip().removesuffix(INSTRUCTION)
    return problem(question, row["reward_model"]["ground_truth"], source=row["data_source"])
