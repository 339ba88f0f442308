"""BigCodeBench: its test cases decide, and libraries that the sandbox lacks are named first."""

import pytest

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut
from rlvr_gym.verifiers.code import Asserts, Problem
from rlvr_gym.verifiers.code.packages import lacking
from tests.rlvr_envs.plus_rows import BIGCODEBENCH

pytestmark = pytest.mark.usefixtures("runs_programs")
LACKING = {
    **BIGCODEBENCH[0],
    "task_id": "BigCodeBench/9",
    "libs": "['no_such_library', 'sklearn_of_no_such', 'os']",
}


@pytest.fixture
def judge(write_rows):
    def judged(program, **options):
        env = rg.make("bigcodebench", data=write_rows(BIGCODEBENCH), **options)
        return env.verifier.verify(
            env.tasks["BigCodeBench/9000"], rg.Completion(text=f"```python\n{program}\n```")
        )

    return judged


@pytest.mark.parametrize("trust", ["split", "in_process"])
@pytest.mark.parametrize(
    ("body", "score"),
    [
        ("import numpy\n    return float(numpy.mean(numbers))", 1.0),
        ("return sum(numbers) / len(numbers) if numbers else float('nan')", 1.0),
        ("return sum(numbers) / max(1, len(numbers))", 0.0),
        ("return None", 0.0),
        ("import unittest\n    raise unittest.SkipTest('not today')", 0.0),
    ],
)
def test_all_test_cases_must_pass_and_none_be_skipped(judge, trust, body, score):
    assert judge(f"def task_func(numbers):\n    {body}", trust=trust).score == score


def test_a_verdict_that_the_program_could_forge_says_so(judge):
    program = "import numpy as np\ndef task_func(numbers):\n    return float(np.mean(numbers))"
    assert judge(program).detail == "the test passes"
    assert judge(program, trust="in_process").detail.endswith(
        "in the program's own process, which could forge it"
    )


def test_prompts_ask_in_words_or_show_the_docstring(write_rows):
    data = write_rows(BIGCODEBENCH)
    asked = rg.make("bigcodebench", data=data).tasks[0].text
    assert asked.startswith(
        "The mean of a list of numbers, as a float.\nYou should write self-contained code"
    )
    shown = rg.make("bigcodebench", data=data, style="complete").tasks[0].text
    assert shown.startswith("Complete this Python function:\n\n```python\nimport numpy as np\n")


def test_libraries_that_the_sandbox_lacks_are_named_before_anything_is_judged(write_rows):
    data = write_rows([*BIGCODEBENCH, LACKING])
    message = (
        "1 of 3 problems use libraries that the sandbox lacks: no_such_library, sklearn_of_no_such; build an image "
        "with them: rlvr sandbox build --packages numpy,no_such_library,sklearn_of_no_such"
    )
    with pytest.raises(rg.DataError, match=message):
        _ = rg.make("bigcodebench", data=data).tasks.size
    with pytest.warns(TasksLeftOut, match=message):
        assert rg.make("bigcodebench", data=data, packages="present").tasks.size == 2
    assert lacking(["json", "numpy", "no_such_library"]) == ["no_such_library"]


def test_other_tasks_keep_their_references(write_rows):
    split, forged = (
        rg.make("bigcodebench", data=write_rows(BIGCODEBENCH), trust=trust).tasks[0]
        for trust in ("split", "in_process")
    )
    assert "in_process" not in str(split.reference)
    tests = Problem.of(forged).tests
    assert isinstance(tests, Asserts)
    assert tests.in_process


@pytest.mark.parametrize("libs", ["numpy", "7", "["])
def test_a_row_without_a_list_of_libraries_is_named(write_rows, libs):
    with pytest.raises(rg.DataError, match="libs is no list of names"):
        _ = rg.make("bigcodebench", data=write_rows([{**BIGCODEBENCH[0], "libs": libs}])).tasks.size
