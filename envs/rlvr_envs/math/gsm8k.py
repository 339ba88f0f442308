"""GSM8K: grade-school word problems with whole-number answers."""

from __future__ import annotations

import re

import rlvr_gym as rg
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers import AnswerContract, Marker

CARD = rg.EnvironmentCard(
    summary="Solve a grade-school word problem.",
    detail="A few steps of arithmetic each; 7,473 for training, 1,319 for testing.",
    source="openai/gsm8k on the Hugging Face hub (config main), or a file in its format given with data=PATH; "
    "arXiv 2110.14168",
    licence="MIT",
    answer="A number in \\boxed{}, compared by value with what stands after #### in the published solution.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=1024),
    overlap_groups=("GSM8K",),
)


@rg.register("rlvr/GSM8K-v0", card=CARD)
def gsm8k(
    split: str = "train", data: str = "openai/gsm8k", require_simplified: bool = False
) -> rg.Environment:
    """`data` is a hub id, or a file or folder with the fields `question` and `answer`.

    With `require_simplified` an answer that leaves arithmetic to do is wrong.
    """
    verifier = rg.verifiers.Math(AnswerContract(Marker.BOXED), require_simplified=require_simplified)
    return rg.Environment(
        stored_tasks(data, to_task, verifier, name="gsm8k", split=split, config="main"), verifier
    )


def to_task(row: Row) -> rg.Task:
    """A published row as a task."""
    _, marker, gold = row["answer"].rpartition("####")
    gold = gold.strip().replace(",", "")
    if not marker:
        raise rg.DataError("the answer has no '#### ' with the gold answer after it")
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", gold, re.ASCII):
        raise rg.DataError(f"expected a number after '####', found {gold!r}")
    prompt = f"{row['question'].strip()}\n\nReason step by step, and put your final answer in \\boxed{{}}."
    return rg.Task(prompt=prompt, reference=gold)
