"""IFEval: 541 prompts with instructions that a program can check."""

from __future__ import annotations

from typing import Literal

import rlvr_gym as rg
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row

CARD = rg.EnvironmentCard(
    summary="Follow instructions on how to write.",
    detail="One to three of 25 kinds in each of 541 prompts, for testing: length, keywords, format, language, case.",
    source="google/IFEval on the Hugging Face hub, or a file in its format given with data=PATH; arXiv 2311.07911",
    licence="Apache-2.0",
    answer="Everything outside of the thinking. Every instruction must be followed (score=instruction: the share that "
    "is counts), in the response as it is, or, with mode=loose, in one of its eight variants. What is written about "
    "is not judged.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=2048),
)


@rg.register("rlvr/IFEval-v0", card=CARD)
def ifeval(
    data: str = "google/IFEval",
    mode: Literal["strict", "loose"] = "strict",
    score: Literal["prompt", "instruction"] = "prompt",
) -> rg.Environment:
    """`data` is a hub id, or a file or folder with `key`, `prompt`, `instruction_id_list` and `kwargs`."""
    verifier = rg.verifiers.instructions.Instructions(mode, score=score)
    # There is one split to test on, which the hub calls "train", as it calls every only split.
    return rg.Environment(stored_tasks(data, to_task, verifier, name="ifeval", split="train"), verifier)


def to_task(row: Row) -> rg.Task:
    """A published row as a task; arguments that are None, which fill the hub's columns, are left out."""
    ids, arguments = row["instruction_id_list"], row["kwargs"]
    if not ids or len(ids) != len(arguments):
        raise rg.DataError(f"{len(ids)} instructions with the arguments of {len(arguments)}")
    instructions = [
        {"id": id, "arguments": {name: value for name, value in given.items() if value is not None}}
        for id, given in zip(ids, arguments, strict=True)
    ]
    return rg.Task(
        id=str(row["key"]),
        prompt=row["prompt"],
        reference={"instructions": instructions},
        metadata={"instructions": ids},
    )
