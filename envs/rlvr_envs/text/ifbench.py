"""IFBench: prompts with instructions of kinds that nobody trains on."""

from __future__ import annotations

from typing import Literal

import rlvr_gym as rg
from rlvr_envs.sources import stored_tasks
from rlvr_envs.text import ifeval
from rlvr_gym.rows import Row

CARD = rg.EnvironmentCard(
    summary="Follow instructions on how to write, of rare kinds.",
    detail="58 kinds in some 300 prompts, for testing: counts, ratios, words, sentences, formats, copying. Of them, "
    "`words:start_verb` cannot be judged here: a row with it is refused by name.",
    source="allenai/IFBench_test on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2507.02833",
    licence="ODC-BY-1.0",
    answer="Everything outside of the thinking. Every instruction must be followed (score=instruction: the share that "
    "is counts), in one of the response's eight variants, as published, or, with mode=strict, in the response as it "
    "is. What is written about is not judged.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=4096),
)


@rg.register("rlvr/IFBench-v0", card=CARD)
def ifbench(
    data: str = "allenai/IFBench_test",
    mode: Literal["strict", "loose"] = "loose",
    score: Literal["prompt", "instruction"] = "prompt",
) -> rg.Environment:
    """`data` is a hub id, or a file or folder with `key`, `prompt`, `instruction_id_list` and `kwargs`."""
    verifier = rg.verifiers.instructions.Instructions(mode, score=score)
    # There is one split to test on, which the hub calls "train", as it calls every only split.
    return rg.Environment(stored_tasks(data, to_task, verifier, name="ifbench", split="train"), verifier)


def to_task(row: Row) -> rg.Task:
    """A published row as a task; kinds about one question take no arguments, whatever is stored."""
    ids = row["instruction_id_list"]
    given = [
        {} if "".join(ids[place : place + 1]).startswith("custom:") else arguments
        for place, arguments in enumerate(row["kwargs"])
    ]
    return ifeval.to_task({**row, "kwargs": given})
