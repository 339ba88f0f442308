import json

import pytest

import rlvr_gym as rg
from tests.rlvr_envs.code_rows import APPS, judged_by


def sandbox_tests(write_rows, **published):
    row = {**APPS[1], "input_output": json.dumps({"fn_name": "ordered", **published})}
    (task,) = rg.make("apps", data=write_rows([row]), run_solutions=False).tasks
    return judged_by(task).tests


def test_input_and_output_may_be_lists_of_lines(write_rows):
    task = rg.make("apps", data=write_rows(APPS)).tasks["0"]
    tests = judged_by(task).tests
    assert [(t.input, t.expected) for t in tests] == [("3\n", "3\n3\n"), ("4\n", "4\n4\n")]
    assert "standard input" in task.text


def test_functions_are_called_by_name(write_rows):
    task = rg.make("apps", data=write_rows(APPS)).tasks["1"]
    assert judged_by(task).function == "ordered"
    assert "standard input" not in task.text
    assert "Begin with this code:\n\n```python\ndef ordered(a):" in task.text
    row = {**APPS[1], "starter_code": "class Solution:\n    def ordered(self, a):"}
    (task,) = rg.make("apps", data=write_rows([row]), run_solutions=False).tasks
    assert judged_by(task).function == "Solution.ordered"


def test_values_that_are_all_lists_of_one_may_be_given_bare(write_rows):
    tests = sandbox_tests(write_rows, inputs=[[1], [2]], outputs=[[10], [[20]]])
    assert [(t.expected, t.alternatives) for t in tests] == [([10], (10,)), ([[20]], ([20],))]
    tests = sandbox_tests(write_rows, inputs=[[1], [2]], outputs=[[10], [20, 30]])
    assert [(t.expected, t.alternatives) for t in tests] == [([10], ()), ([20, 30], ())]
    assert sandbox_tests(write_rows, inputs=[[1]], outputs=[True])[0].expected is True


@pytest.mark.parametrize("empty", ["", json.dumps({"inputs": [], "outputs": []})])
def test_rows_without_tests_are_left_out(write_rows, empty):
    tasks = rg.make(
        "apps", data=write_rows([{**APPS[0], "problem_id": 9, "input_output": empty}, *APPS])
    ).tasks
    assert [task.id for task in tasks] == ["0", "1"]


def test_a_difficulty_is_chosen(write_rows):
    tasks = rg.make("apps", data=write_rows(APPS), difficulty="interview").tasks
    assert [task.id for task in tasks] == ["1"]
    with pytest.raises(rg.ConfigError, match="one of introductory, interview, competition, not 'hard'"):
        rg.make("apps", data=write_rows(APPS), difficulty="hard")


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ("{", "line 2: not a task of 'apps'"),
        (json.dumps({"inputs": ["1"], "outputs": []}), "line 2: 1 inputs for 0 outputs"),
        (json.dumps({"fn_name": "a b", "inputs": [[1]], "outputs": [1]}), "line 2: .*'a b' is neither"),
    ],
)
def test_broken_tests_are_named(write_rows, published, message):
    path = write_rows([APPS[0], {**APPS[1], "input_output": published}])
    with pytest.raises(rg.DataError, match=message):
        _ = rg.make("apps", data=path).tasks.size
