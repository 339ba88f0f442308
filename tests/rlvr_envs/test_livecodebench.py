import base64
import json
import pickle
import zlib

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.code import Problem
from tests.rlvr_envs.code_rows import LIVECODEBENCH, judged_by


@pytest.fixture
def env(write_rows):
    return rg.make("livecodebench", data=write_rows(LIVECODEBENCH))


def test_problems_of_contests_read_standard_input(env):
    task = env.tasks["1873_A"]
    assert task.text.startswith("Print the larger of two numbers.\n\nThe program reads from standard input")
    problem = Problem.of(task)
    tests = judged_by(task).tests
    assert [(t.input, t.expected) for t in tests] == [("1 2\n", "2\n"), ("7 3\n", "7\n"), ("0 -1\n", "0\n")]
    assert problem.public == 1


def test_problems_of_leetcode_call_a_method(env):
    task = env.tasks["3000"]
    assert "Begin with this code:\n\n```python\nclass Solution:\n    def largest(" in task.text
    problem = Problem.of(task)
    tests = judged_by(task)
    assert tests.function == "Solution.largest"
    assert [(t.arguments, t.expected) for t in tests.tests] == [(([1, 2, 3], 2), 5), (([4], 1), 4)]
    assert problem.public == 1


def test_methods_may_use_what_leetcode_imports_for_them(env):
    task = env.tasks["3000"]
    source = (
        "class Solution:\n    def largest(self, numbers: List[int], k: int) -> int:\n"
        "        assert gcd(4, 6) == 2 and pow(2, 3, 5) == 3\n        return sum(nlargest(k, deque(numbers)))"
    )
    assert env.verifier.verify(task, rg.Completion(text=f"```python\n{source}\n```")).score == 1.0


def test_where_a_problem_comes_from_is_its_metadata(env):
    assert env.tasks[0].metadata == {
        "platform": "codeforces",
        "contest_id": "1873",
        "contest_date": "2023-08-21T00:00:00",
        "difficulty": "easy",
        "question_title": "A. Short Sort",
    }


@pytest.mark.parametrize(
    ("dates", "ids"),
    [
        ({"after": "2024-01-01"}, ["3000"]),
        ({"before": "2024-01-01"}, ["1873_A"]),
        ({"after": "2023-08-21", "before": "2024-09-01"}, ["1873_A"]),
        ({"after": "2024-09-01"}, ["3000"]),
    ],
)
def test_problems_are_chosen_by_date(write_rows, dates, ids):
    tasks = rg.make("livecodebench", data=write_rows(LIVECODEBENCH), **dates).tasks
    assert [task.id for task in tasks] == ids


def test_private_tests_as_plain_json_are_read(write_rows):
    row = {**LIVECODEBENCH[0], "private_test_cases": '[{"input": "1", "output": "2", "testtype": "stdin"}]'}
    (task,) = rg.make("livecodebench", data=write_rows([row])).tasks
    assert len(judged_by(task).tests) == 2


def test_private_tests_that_are_a_pickle_are_refused_by_name(write_rows):
    pickled = base64.b64encode(zlib.compress(pickle.dumps(json.dumps([])))).decode()
    path = write_rows([LIVECODEBENCH[1], {**LIVECODEBENCH[0], "private_test_cases": pickled}])
    with pytest.raises(rg.DataError, match="line 2: task '1873_A': the packed tests are a Python pickle"):
        _ = rg.make("livecodebench", data=path).tasks.size


def test_no_solution_is_known(env):
    assert [env.solution(task) for task in env.tasks] == [None, None]


@pytest.mark.parametrize(
    ("returned", "score"),
    [
        ("[sum(numbers) / len(numbers)]", 1.0),
        ("[sum(numbers) / len(numbers) + 9e-7]", 1.0),
        ("(0.6000000000000001 / 3,)", 1.0),
        ("[sum(numbers) / len(numbers) + 2e-6]", 0.0),
        ("sum(numbers) / len(numbers)", 0.0),
        ("['0.2']", 0.0),
    ],
)
def test_decimals_that_a_method_returns_may_differ_by_a_millionth(write_rows, returned, score):
    tests = json.dumps([{"input": "[0.1, 0.2, 0.3]", "output": "[0.2]", "testtype": "functional"}])
    row = {**LIVECODEBENCH[1], "public_test_cases": tests, "private_test_cases": tests}
    env = rg.make("livecodebench", data=write_rows([row]))
    source = f"class Solution:\n    def largest(self, numbers):\n        return {returned}"
    assert env.verifier.verify(env.tasks[0], rg.Completion(text=f"```python\n{source}\n```")).score == score
