"""Repair: a program that fails a public test is shown that test, and may be written again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rlvr_gym as rg
from rlvr_envs.styles import in_range
from rlvr_gym.environments.base import Info
from rlvr_gym.registry import short_name
from rlvr_gym.verifiers import Malformed
from rlvr_gym.verifiers.code import CodeVerifier, Problem, first_failure

CARD = rg.EnvironmentCard(
    summary="Write a program, and repair it when it fails.",
    detail="The tasks of another code environment, named by tasks=. A program that fails a public test is answered "
    "with the first such test, what it gave and what it should have, and may be written again: `max_turns` in all. A "
    "model whose chat template knows tools runs the public tests with the tool `run_public_tests`; its turn without a "
    "call is final.",
    turns=3,
    source="That of the environment that tasks= names, mbpp unless told otherwise; its tasks must have public tests.",
    licence="that of the tasks",
    answer="As the named environment reads it, from the last turn. Hidden tests decide: all of them, the public ones "
    "included, must pass. A program that passes the public tests is final.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=2048),
    samples_per_task=4,
)


@rg.register("rlvr/Repair-v0", card=CARD)
def repair(tasks: str = "mbpp", data: str = "", split: str = "train", max_turns: int = 3) -> rg.Environment:
    """`tasks` names a code environment, `data` and `split` are its options; without `data`, its own."""
    in_range("max_turns", max_turns, 2, 20)
    base = rg.make(tasks, split=split, **({"data": data} if data else {}))
    if not isinstance(base.verifier, CodeVerifier) or base.max_turns > 1:
        raise rg.ConfigError(
            f"repair needs an environment of single turns that asks for programs, such as mbpp or code-jsonl; "
            f"'{short_name(tasks)}' is none"
        )
    return Repair(base.tasks, base.verifier, max_turns=max_turns)


class Repair(rg.Environment):
    """Answers a program that fails a public test with that test."""

    own_protocol = True

    def __init__(self, tasks: rg.TaskSet, programs: CodeVerifier, *, max_turns: int) -> None:
        seconds, calls = programs.timeout_seconds, max_turns - 1
        super().__init__(
            tasks,
            programs,
            max_turns=max_turns,
            tools=[rg.tool(timeout_seconds=seconds)(self.run_public_tests)],
            limits=rg.EpisodeLimits(calls=calls, seconds=calls * seconds),
            state=lambda task: task,
        )
        self.programs = programs

    def run_public_tests(self, program: str, task: rg.State[rg.Task]) -> str:
        """Run the whole program against the public tests, and be shown the first that it fails.

        Args:
            program: the program, as in your answer but without a block around it
        """
        problem = Problem.of(task)
        source = problem.with_preamble(program)
        result = self.programs.judged(task, problem, source, public_only=True)
        if result.passed == result.total:
            return f"It passes the public tests: {result.total}."
        return f"It does not pass this test.\n\n{first_failure(result)}"

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, Info]:
        """Begin an episode. Raises DataError for a task without public tests."""
        begun = super().reset(seed=seed, options=options)
        assert self.task is not None
        if not Problem.of(self.task).public:
            raise rg.DataError(f"task '{self.task.id}' has no public tests: there is nothing to repair by")
        return begun

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str | None:
        """The first public test that the latest program fails; None once it passes them, or where tests are calls."""
        if self.native_tools:
            return None
        left = self.max_turns - len(replies)
        problem = Problem.of(task)
        read = self.programs.read(problem, replies[-1].text)
        if isinstance(read, Malformed):
            return f"I could not read a program: {read.reason}. {_again(left)}"
        result = self.programs.judged(task, problem, read.source, public_only=True)
        if result.passed == result.total:
            return None
        return f"Your program does not pass this test.\n\n{first_failure(result)}\n\n{_again(left)}"


def _again(left: int) -> str:
    attempts = f"{left} attempt{'s' * (left != 1)}"
    return f"Repair it and write the whole program again, in one ```python block. You have {attempts} left."
