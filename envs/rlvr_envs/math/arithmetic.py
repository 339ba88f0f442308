"""Whole-number arithmetic: `34+12=` or "What is 34 + 12?"."""

from __future__ import annotations

import operator
import random

import rlvr_gym as rg
from rlvr_envs.styles import answer_contract, in_range

CARD = rg.EnvironmentCard(
    summary="Add, subtract or multiply two whole numbers.",
    detail="Numbers have up to `digits` digits; `operations` says which signs there are.",
    source="Generated from the seed. Which problems are held out does not depend on the seed, and a+b and "
    "b+a are the same problem.",
    licence="Apache-2.0, like the generator",
    answer="A decimal number, compared exactly, in \\boxed{}; style=symbols: the whole completion. "
    "Echoing the question earns nothing.",
    sampling=rg.SamplingParams(max_tokens=256),
)

OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@rg.register("rlvr/Arithmetic-v0", card=CARD)
def arithmetic(
    split: str = "train", seed: int = 0, digits: int = 2, operations: str = "+", style: str = "words"
) -> rg.Environment:
    """`operations` lists the operations to draw from, such as `+-*`; `digits` is from 1 to 30."""
    in_range("digits", digits, 1, 30)
    if not operations or set(operations) - set(OPERATIONS):
        raise rg.ConfigError(f"operations must be some of {''.join(OPERATIONS)}, not '{operations}'")
    contract = answer_contract(style)
    tasks = rg.TaskSet.procedural(
        "arithmetic", problem, split=split, seed=seed, digits=digits, operations=operations, style=style
    )
    return rg.Environment(tasks, rg.verifiers.Numeric(contract))


def problem(rng: random.Random, digits: int, operations: str, style: str) -> rg.Task:
    """Draw one problem."""
    a, b = rng.randrange(10**digits), rng.randrange(10**digits)
    sign = rng.choice(operations)
    first, second = (a, b) if sign == "-" else (min(a, b), max(a, b))
    question = {
        "symbols": f"{a}{sign}{b}=",
        "words": f"What is {a} {sign} {b}? Put your final answer in \\boxed{{}}.",
    }
    return rg.Task(id=f"{first}{sign}{second}", prompt=question[style], reference=OPERATIONS[sign](a, b))
