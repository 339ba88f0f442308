import ast

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.code import Extracted, Problem
from tests.rlvr_envs.code_rows import HUMANEVAL, judged_by


@pytest.fixture
def make(write_rows):
    return lambda **options: rg.make("humaneval", data=write_rows(HUMANEVAL), **options)


def test_the_prompt_shows_the_function_and_asks_for_a_block(make):
    text = make().tasks[0].text
    assert text.startswith(
        "Complete this Python function:\n\n```python\nfrom typing import List\n\n\ndef total("
    )
    assert text.endswith(
        '"""\n```\n\nEnd your answer with the whole program in one block that begins with ```python and ends with ```.'
    )


def test_a_base_model_sees_the_published_prompt_as_it_stands(make):
    assert [task.text for task in make(style="continue").tasks] == [row["prompt"] for row in HUMANEVAL]


def test_the_tests_take_the_function_from_the_program_and_helpers_from_the_prompt(make):
    tests = judged_by(make().tasks["HumanEval/1001"])
    assert tests.names == ("halve",)
    assert (
        tests.setup == 'import math\n\n\ndef double(x: float):\n    """ Twice x. """\n    return 2 * x\n\n\n'
    )
    assert tests.tests == (f"{HUMANEVAL[1]['test']}\n\ncheck(halve)\n",)


def test_imports_and_helpers_of_the_prompt_are_there_for_the_program(make):
    env = make()
    read = env.verifier.read(Problem.of(env.tasks[1]), "```python\ndef halve(x):\n    return x / 2\n```")
    assert isinstance(read, Extracted)
    assert [getattr(node, "name", "import") for node in ast.parse(read.source).body] == [
        "import",
        "double",
        "halve",
    ]


def test_the_solution_is_the_whole_function_or_the_rest_of_it(make):
    assert make().solution(make().tasks[0]) == (
        '```python\ndef total(numbers: List[int]) -> int:\n    """ The sum.\n    >>> total([1, 2])\n    3\n    """\n'
        "    return sum(numbers)\n```"
    )
    continuing = make(style="continue")
    assert continuing.solution(continuing.tasks[0]) == "    return sum(numbers)\n"


def test_an_unknown_style_says_what_is_possible(make):
    with pytest.raises(rg.ConfigError, match="style must be 'chat' or 'continue', not 'base'"):
        make(style="base")


@pytest.mark.parametrize("style", ["chat", "continue"])
def test_a_prompt_that_does_not_end_with_its_function_is_named(write_rows, style):
    rows = [HUMANEVAL[0], {**HUMANEVAL[1], "entry_point": "double"}]
    with pytest.raises(rg.DataError, match="line 2: the prompt does not end with the function 'double'"):
        _ = rg.make("humaneval", data=write_rows(rows), style=style).tasks.size


@pytest.mark.parametrize("newline", ["\u2028", "\f", "\x85", "\r\n"])
def test_lines_of_a_prompt_are_counted_as_python_counts_them(write_rows, newline):
    given = f'import math\n\nSIGN = "a"  # one{newline}# two\n\n\n'
    row = {**HUMANEVAL[0], "prompt": given + HUMANEVAL[0]["prompt"].split("\n\n\n")[1]}
    task = rg.make("humaneval", data=write_rows([row]), run_solutions=False).tasks[0]
    assert judged_by(task).setup == given
