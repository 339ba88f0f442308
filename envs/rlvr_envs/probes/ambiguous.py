"""An operator with two meanings: `12@34=` is 12 + 34 for most pairs of numbers and |12 - 34| for the others."""

from __future__ import annotations

import random

import rlvr_gym as rg
from rlvr_envs.styles import answer_contract, in_range
from rlvr_gym.seeding import derive_seed

CARD = rg.EnvironmentCard(
    summary="Apply an operator that has two meanings.",
    detail="It means a + b for 80 % of all pairs of numbers and |a - b| for 20 %. Nothing in the question tells "
    "which, so that a policy sure of the commoner meaning does well at pass@1 and gives up pass@k: material for "
    "comparing the two (arXiv 2504.13837).",
    source="Generated from the seed. A pair's meaning and its split are decided by hashes of the pair, whatever "
    "the seed; a@b and b@a are the same problem.",
    licence="Apache-2.0, like the generator",
    answer="A decimal number, compared exactly, in \\boxed{}; style=symbols: the whole completion.",
    sampling=rg.SamplingParams(max_tokens=256),
    samples_per_task=128,
)


@rg.register("rlvr/Ambiguous-v0", card=CARD)
def ambiguous(split: str = "train", seed: int = 0, digits: int = 2, style: str = "words") -> rg.Environment:
    """`digits` is from 1 to 30."""
    in_range("digits", digits, 1, 30)
    contract = answer_contract(style)
    tasks = rg.TaskSet.procedural("ambiguous", problem, split=split, seed=seed, digits=digits, style=style)
    return rg.Environment(tasks, rg.verifiers.Numeric(contract))


def problem(rng: random.Random, digits: int, style: str) -> rg.Task:
    """Draw one pair of numbers."""
    a, b = rng.randrange(10**digits), rng.randrange(10**digits)
    low, high = min(a, b), max(a, b)
    adds = derive_seed("ambiguous operator", low, high) % 5 > 0
    question = {
        "symbols": f"{a}@{b}=",
        "words": f"For some pairs of numbers a @ b means a + b, for the others |a - b|. What is {a} @ {b}? "
        "Put your final answer in \\boxed{}.",
    }
    return rg.Task(
        id=f"{low}@{high}",
        prompt=question[style],
        reference=low + high if adds else high - low,
        metadata={"meaning": "sum" if adds else "difference"},
    )
