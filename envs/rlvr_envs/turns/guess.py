"""Guess a number from hints: the smallest multi-turn environment."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import rlvr_gym as rg
from rlvr_envs.styles import in_range
from rlvr_gym.seeding import derive_seed
from rlvr_gym.verifiers import AnswerContract, Exact, Malformed, Marker

CARD = rg.EnvironmentCard(
    summary="Find a number by guesses that are answered with a hint.",
    detail="The number is from 1 to `high`; each wrong guess is answered with 'higher' or 'lower', and there are at "
    "most `max_turns` of them. A model whose chat template knows tools asks with the tool `guess`, and "
    "gives the number in its last turn.",
    turns=7,
    source="Generated from the seed. Which numbers are held out does not depend on the seed.",
    licence="Apache-2.0, like the generator",
    answer="One whole number in exactly one \\boxed{} per turn. A turn without it, or with several, is told so and "
    "is used up. Right is an episode whose last guess is the number.",
    sampling=rg.SamplingParams(max_tokens=128),
)


@rg.register("rlvr/Guess-v0", card=CARD)
def guess(split: str = "train", seed: int = 0, high: int = 100, max_turns: int = 7) -> rg.Environment:
    """`high` is from 10 to a million; seven turns are enough for 100 by halving."""
    in_range("high", high, 10, 1_000_000)
    in_range("max_turns", max_turns, 2, 100)
    tasks = rg.TaskSet.procedural("guess", problem, split=split, seed=seed, high=high, max_turns=max_turns)
    return Guess(tasks, high=high, max_turns=max_turns)


CONTRACT = AnswerContract(Marker.BOXED, strict=True)


def problem(rng: random.Random, high: int, max_turns: int) -> rg.Task:
    """Draw the number. It stands in the id as a hash, because ids are shown beside the prompt."""
    number = rng.randint(1, high)
    return rg.Task(
        id=f"{high}-{derive_seed('guess', high, number):016x}",
        prompt=f"I am thinking of a whole number from 1 to {high}. You have {max_turns} guesses; after each I say "
        "whether the number is higher or lower. Put one guess in \\boxed{} each time.",
        reference=number,
    )


@rg.tool(name="guess")
def ask(number: int, task: rg.State[rg.Task]) -> str:
    """Ask whether the number is higher or lower than one that you name.

    Args:
        number: your guess
    """
    return hint(task, number) or f"The number is {number}."


def hint(task: rg.Task, guessed: int) -> str | None:
    """Say on which side of a guess the number is; None where it is the number."""
    number = int(str(task.reference))
    return (
        None
        if guessed == number
        else f"The number is {'higher' if number > guessed else 'lower'} than {guessed}."
    )


class Guess(rg.Environment):
    """Answers each guess with a hint."""

    own_protocol = True

    def __init__(self, tasks: rg.TaskSet, *, high: int, max_turns: int) -> None:
        super().__init__(
            tasks,
            Exact(CONTRACT),
            max_turns=max_turns,
            tools=[ask],
            limits=rg.EpisodeLimits(calls=max_turns - 1),
            state=lambda task: task,
        )
        self.high = high

    def prompt(self, task: rg.Task, *, native_tools: bool) -> tuple[rg.Message, ...]:
        """Ask for guesses by the tool, if there is one, and for the number in the end."""
        if not native_tools:
            return task.prompt
        asked = (
            f"I am thinking of a whole number from 1 to {self.high}. You have {self.max_turns - 1} guesses with the "
            f"tool `{ask.name}`. Then give the number in \\boxed{{}}."
        )
        return (rg.Message(role="user", content=asked),)

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str | None:
        """The hint for the latest guess; None once it is the number, or where guesses are calls."""
        if self.native_tools:
            return None
        left = self.max_turns - len(replies)
        read = CONTRACT.read(replies[-1].text)
        if isinstance(read, Malformed) or not re.fullmatch(r"[1-9][0-9]{0,8}", read.text, re.ASCII):
            return f"I could not read one guess. Put one whole number in \\boxed{{}}. Guesses left: {left}."
        told = hint(task, int(read.text))
        return None if told is None else f"{told} Guesses left: {left}."
