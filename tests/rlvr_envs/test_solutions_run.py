"""Tasks whose own solution does not pass are named when they are loaded, in every environment that has solutions."""

import json

import pytest

import rlvr_gym as rg
from tests.rlvr_envs.code_rows import APPS, CODE_CONTESTS, HUMANEVAL, MBPP

pytestmark = pytest.mark.usefixtures("runs_programs")

UNJUDGED = {
    "text": "Write a function that returns a number.",
    "code": "def number():\n    return 1",
    "task_id": 601,
    "test_setup_code": "",
    "test_list": ["assert number() == 2"],
    "challenge_test_list": [],
}
WRONG = {
    "humaneval": {**HUMANEVAL[0], "canonical_solution": "    return 0\n"},
    "mbpp": UNJUDGED,
    "apps": {**APPS[0], "solutions": json.dumps(["print(0)"])},
    "code_contests": {**CODE_CONTESTS[0], "solutions": {"language": [3], "solution": ["print('no')"]}},
}
RIGHT = {
    "humaneval": HUMANEVAL,
    "mbpp": [{**row, "task_id": 601 + i} for i, row in enumerate(MBPP)],
    "apps": APPS,
    "code_contests": CODE_CONTESTS,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_solution_that_does_not_pass_is_named_at_loading_where_that_is_asked_for(write_rows, name):
    options = {"shown": 1} if name == "mbpp" else {}
    data = write_rows([WRONG[name]])
    assert rg.make(name, data=data, **options).tasks.size == 1
    with pytest.raises(rg.DataError, match=r"line 1: task '.*': its own solution does not pass: 0 of "):
        _ = rg.make(name, data=data, run_solutions=True, **options).tasks.size


@pytest.mark.parametrize("name", RIGHT)
def test_solutions_that_pass_are_loaded(write_rows, name):
    data = write_rows(RIGHT[name])
    assert rg.make(name, data=data, run_solutions=True).tasks.size == rg.make(name, data=data).tasks.size


def test_a_base_models_solution_is_run_as_it_continues_the_prompt(write_rows):
    data = write_rows(HUMANEVAL)
    assert rg.make("humaneval", data=data, style="continue", run_solutions=True).tasks.size == 2
