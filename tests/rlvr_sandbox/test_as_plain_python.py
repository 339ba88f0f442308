"""The verdict is plain CPython's: on mutants of published solutions, and on programs written for the purpose."""

from __future__ import annotations

import pytest
from rlvr_sandbox import AssertTests, BlockingSandbox, Limits, Program, Sandbox, SandboxUnavailable

import rlvr_gym as rg
from rlvr_gym.verifiers.code import Problem

from .mutants import mutants, plain_verdict
from .plain_case import Case
from .plain_honest import HONEST
from .plain_honest_classes import CLASSES
from .plain_honest_designs import DESIGNS
from .plain_honest_more import MORE as MORE_HONEST
from .plain_honest_whole import WHOLE
from .plain_wrong import WRONG
from .plain_wrong_more import MORE as MORE_WRONG

# Published solutions hold escapes such as "\\d" in ordinary texts, of which Python warns when it compiles them.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")

CPU_SECONDS = 3
_LIMITS = Limits(cpu_seconds=CPU_SECONDS, wall_seconds=30.0)


def disagreements(box: BlockingSandbox, name: str, data: str, per_task: int, tasks: int | None) -> list[str]:
    """Mutants of the set's solutions on which the sandbox and plain CPython differ; first how many were tried."""
    found, tried = [], 0
    with rg.make(name, data=data) as environment:
        for task in list(environment.tasks)[:tasks]:
            problem = Problem.of(task)
            tests = problem.tests.for_sandbox()
            assert isinstance(tests, AssertTests)
            assert problem.solution is not None
            source = problem.with_preamble(problem.solution)
            for says, mutant in mutants(source, per_task, task.id):
                tried += 1
                result = box.run(Program(source=mutant, tests=tests, limits=_LIMITS))
                plain = plain_verdict(mutant, tests.setup, tests.tests, tests.names, CPU_SECONDS)
                if (result.reward == 1.0) != plain:
                    found.append(
                        f"{task.id}, {says}: here {result.outcome}, plain {plain}: {result.reason[:200]}"
                    )
    return [f"{tried} tried", *found]


@pytest.mark.long
@pytest.mark.parametrize(("name", "file"), [("humaneval", "HumanEval.jsonl.gz"), ("mbpp", "mbpp.jsonl")])
def test_a_sample_of_mutants_is_judged_as_plain_python_judges_it(name, file, real_data) -> None:
    with opened() as box:
        tried, *found = disagreements(box, name, str(real_data / name / file), per_task=2, tasks=60)
    assert found == [], tried


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("name", "file", "per_task"), [("humaneval", "HumanEval.jsonl.gz", 20), ("mbpp", "mbpp.jsonl", 8)]
)
def test_every_mutant_is_judged_as_plain_python_judges_it(name, file, per_task, real_data) -> None:
    with opened() as box:
        tried, *found = disagreements(box, name, str(real_data / name / file), per_task=per_task, tasks=None)
    assert found == [], tried


def opened() -> BlockingSandbox:
    try:
        return Sandbox.open_sync("bubblewrap", slots=1)
    except SandboxUnavailable as error:
        pytest.skip(f"bubblewrap: {error}")


ALL_HONEST = [*HONEST, *MORE_HONEST, *WHOLE, *CLASSES, *DESIGNS]


@pytest.mark.parametrize("case", ALL_HONEST, ids=lambda case: case.names.replace(" ", "-"))
def test_a_right_program_passes_here_and_in_plain_python(sandbox: BlockingSandbox, case: Case) -> None:
    assert plain(case)
    result = sandbox.run(program(case))
    assert result.reward == 1.0, result.reason


@pytest.mark.parametrize("case", [*WRONG, *MORE_WRONG], ids=lambda case: case.names.replace(" ", "-"))
def test_a_wrong_program_fails_here_and_in_plain_python(sandbox: BlockingSandbox, case: Case) -> None:
    assert not plain(case)
    result = sandbox.run(program(case))
    assert result.reward == 0.0, result.outcome


def plain(case: Case) -> bool:
    return plain_verdict(case.source, case.setup, case.tests, tuple(case.names.split()), CPU_SECONDS)


def program(case: Case) -> Program:
    tests = AssertTests(tests=case.tests, names=tuple(case.names.split()), setup=case.setup)
    return Program(source=case.source, tests=tests, limits=_LIMITS)
