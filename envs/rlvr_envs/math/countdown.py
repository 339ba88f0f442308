"""Countdown: make the target out of the given numbers, each used exactly once."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, ValidationError

import rlvr_gym as rg
from rlvr_envs.math.expressions import evaluate
from rlvr_envs.styles import answer_contract, in_range
from rlvr_gym.audit import Attack, Expectation
from rlvr_gym.verifiers import AnswerContract, Marker

CARD = rg.EnvironmentCard(
    summary="Reach a target from given numbers with + - * /.",
    detail="Brackets are allowed, and each of the numbers must be used exactly once.",
    source="Generated from the seed after TinyZero's countdown task (github.com/Jiayi-Pan/TinyZero), which also "
    "asks for each number exactly once. Every problem has a solution without fractions or negative numbers on "
    "the way. Which problems are held out does not depend on the seed.",
    licence="Apache-2.0, like the generator",
    answer="An expression in <answer>, with or without `= target` after it; style=symbols: the whole completion. "
    "It is parsed, never executed, and computed in exact fractions.",
    sampling=rg.SamplingParams(max_tokens=1024),
)


@rg.register("rlvr/Countdown-v0", card=CARD)
def countdown(
    split: str = "train", seed: int = 0, numbers: int = 4, largest: int = 99, style: str = "words"
) -> rg.Environment:
    """`numbers` numbers, from 2 to 8, of 1 to `largest` (10 to 10,000), which is also the largest target."""
    in_range("numbers", numbers, 2, 8)
    in_range("largest", largest, 10, 10_000)
    contract = answer_contract(style, words=Marker.TAG)
    tasks = rg.TaskSet.procedural(
        "countdown", problem, split=split, seed=seed, numbers=numbers, largest=largest, style=style
    )
    return rg.Environment(tasks, Countdown(contract))


class Problem(BaseModel):
    """The numbers, the target, and one solution."""

    model_config = ConfigDict(extra="forbid", strict=True)

    numbers: list[int]
    target: int
    solution: str


def problem(rng: random.Random, numbers: int, largest: int, style: str) -> rg.Task:
    """Draw numbers and combine them at random until the result is a target worth asking for."""
    target, given, solution = 0, [], ""
    while target in (0, *given) or target > largest:
        given = sorted(rng.randint(1, largest) for _ in range(numbers))
        target, solution = _combined(rng, given)
    listed = " ".join(map(str, given))
    question = {
        "symbols": f"{listed}={target}:",
        "words": f"Using the numbers {listed}, write an expression that equals {target}. You can use + - * / and "
        "brackets, and each number must be used exactly once. Give the expression in <answer></answer>, for "
        "example <answer>(1 + 2) / 3</answer>.",
    }
    reference = Problem(numbers=given, target=target, solution=solution)
    return rg.Task(id=f"{listed}={target}", prompt=question[style], reference=reference.model_dump())


def _combined(rng: random.Random, numbers: list[int]) -> tuple[int, str]:
    """The value and text of a random expression over all `numbers`, in positive whole numbers throughout."""
    terms = [(number, str(number)) for number in numbers]
    while len(terms) > 1:
        (a, left), (b, right) = (terms.pop(rng.randrange(len(terms))) for _ in range(2))
        possible = {"+": a + b, "*": a * b}
        if a > b:
            possible["-"] = a - b
        if a % b == 0:
            possible["/"] = a // b
        sign = rng.choice(sorted(possible))
        terms.append((possible[sign], f"({left}{sign}{right})"))
    value, text = terms[0]
    return value, text[1:-1]


class Countdown(rg.Verifier):
    """The final answer is an expression over exactly the given numbers, and its value is the target."""

    def __init__(self, contract: AnswerContract) -> None:
        self.contract = contract

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        """Parse and compute the answer."""
        problem = _reference(task)
        said = self.contract.read_one(completion.text)
        if isinstance(said, rg.Verdict):
            return said
        expression, equals, result = said.partition("=")
        try:
            value, used = evaluate(expression)
        except ValueError as error:
            return rg.Verdict.malformed(str(error))
        except ZeroDivisionError:
            return rg.Verdict.wrong("divides by zero", answer=said)
        if sorted(used) != sorted(problem.numbers):
            return rg.Verdict.wrong(f"uses {used}, not each of {problem.numbers} once", answer=said)
        if value != problem.target:
            return rg.Verdict.wrong(f"is {value}, not {problem.target}", answer=said)
        if equals and result.strip() != str(problem.target):
            return rg.Verdict.wrong(f"claims to be {result.strip()[:20]}, not {problem.target}", answer=said)
        return rg.Verdict.right(answer=said)

    def solution(self, task: rg.Task) -> str:
        """The expression that the problem was made from."""
        return self.contract.write(_reference(task).solution)

    def audit_attacks(self, task: rg.Task) -> Iterator[Attack]:
        """Other spellings of the solution, and expressions that reach the target by breaking the rules."""
        problem = _reference(task)
        right, target = problem.solution, problem.target
        first, *_, last = map(str, problem.numbers)
        spellings = (f"({right})", f"{right} = {target}", right.replace("*", "×"), right.replace("-", "−"))
        broken = {
            "the target itself": f"{target}",
            "a number more": f"{right}+0",
            "a number used twice": f"{right}+{first}-{first}",
            "numbers left out": f"{last}+{target}-{last}",
            "numbers joined": f"{target}+0*{first}{last}",
            "a false result": f"{first}+{last}={target}",
            "another result claimed": f"{right} = {target + 1}",
            "a comment": f"{target} # {right}",
            "no rule of the grammar": f"{right}**1",
        }
        for text in dict.fromkeys(spellings):
            yield attack("another spelling", self.contract.write(text), Expectation.PASS)
        for says, text in broken.items():
            yield attack(says, self.contract.write(text), Expectation.FAIL)


def attack(says: str, text: str, expectation: Expectation) -> Attack:
    """An attack on the rules of the game."""
    return Attack(family="rules of countdown", tries=says, text=text, expectation=expectation)


def _reference(task: rg.Task) -> Problem:
    try:
        return Problem.model_validate(task.reference)
    except ValidationError as error:
        raise rg.VerifierFault(f"task '{task.id}' is not a countdown problem: {error}") from error
