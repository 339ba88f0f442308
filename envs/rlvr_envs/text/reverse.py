"""Reverse a string of digits: `1230>` or "Write the digits of 1230 in reverse order"."""

from __future__ import annotations

import random

import rlvr_gym as rg
from rlvr_envs.styles import answer_contract, in_range
from rlvr_gym.verifiers import AnswerContract, Exact, Malformed
from rlvr_gym.verifiers.exact import gold_text

CARD = rg.EnvironmentCard(
    summary="Write a string of digits in reverse order.",
    source="Generated from the seed. Which strings are held out does not depend on the seed.",
    licence="Apache-2.0, like the generator",
    answer="All digits, leading zeros included, in \\boxed{}; style=symbols: the whole completion. "
    "reward=exact is all or nothing; reward=per_digit gives the share of right positions, for models that "
    "begin at zero.",
    sampling=rg.SamplingParams(max_tokens=256),
)


@rg.register("rlvr/Reverse-v0", card=CARD)
def reverse(
    split: str = "train", seed: int = 0, digits: int = 4, reward: str = "exact", style: str = "words"
) -> rg.Environment:
    """`digits` is from 2 to 100, `reward` is `exact` or `per_digit`."""
    in_range("digits", digits, 2, 100)
    verifiers = {"exact": Exact, "per_digit": PerDigit}
    if reward not in verifiers:
        raise rg.ConfigError(f"reward must be 'exact' or 'per_digit', not '{reward}'")
    tasks = rg.TaskSet.procedural("reverse", problem, split=split, seed=seed, digits=digits, style=style)
    return rg.Environment(tasks, verifiers[reward](answer_contract(style)))


def problem(rng: random.Random, digits: int, style: str) -> rg.Task:
    """Draw one string of digits."""
    string = "".join(rng.choice("0123456789") for _ in range(digits))
    question = {
        "symbols": f"{string}>",
        "words": f"Write the digits of {string} in reverse order, leading zeros included. "
        "Put your final answer in \\boxed{}.",
    }
    return rg.Task(id=string, prompt=question[style], reference=string[::-1])


class PerDigit(rg.Verifier):
    """The share of positions, counted from the left, that hold the right character.

    The share is of the longer of answer and reference: what is written past the end costs as much as what
    is left out, so that no answer of the wrong length is right and none gains by going on.
    """

    def __init__(self, contract: AnswerContract) -> None:
        self.contract = contract

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        """Compare position by position."""
        gold = gold_text(task)
        read = self.contract.read(completion.text)
        if isinstance(read, Malformed):
            return rg.Verdict.malformed(read.reason)
        if read.text == gold:
            return rg.Verdict.right(answer=read.text)
        right = sum(said == wanted for said, wanted in zip(read.text, gold, strict=False))
        share = right / max(len(read.text), len(gold))
        return rg.Verdict.wrong(f"{right} of {len(gold)} digits are right", answer=read.text, score=share)

    def solution(self, task: rg.Task) -> str:
        """The reference, marked as the final answer."""
        return self.contract.write(gold_text(task))
