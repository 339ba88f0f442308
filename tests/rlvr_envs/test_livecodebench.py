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


@pytest.mark.parametrize("date", ["August", "01.08.2024", "2024-8-1", "2024"])
def test_what_is_no_date_is_refused_before_anything_is_read(date):
    with pytest.raises(rg.ConfigError, match=f"after must be a date such as 2024-08-01, not '{date}'"):
        rg.make("livecodebench", data="nowhere.jsonl", after=date)


def test_private_tests_as_plain_json_are_read(write_rows):
    row = {**LIVECODEBENCH[0], "private_test_cases": '[{"input": "1", "output": "2", "testtype": "stdin"}]'}
    (task,) = rg.make("livecodebench", data=write_rows([row])).tasks
    assert len(judged_by(task).tests) == 2


def as_published(held, protocol=4):
    """Private tests as the published files have them: a pickle, zlib, base64."""
    return base64.b64encode(zlib.compress(pickle.dumps(held, protocol=protocol))).decode()


def test_rows_as_published_hold_a_pickled_text_and_are_read(write_rows):
    private = [json.dumps([{"input": "7 3\n", "output": "7\n", "testtype": "stdin"}])]
    private += [json.dumps([{"input": "[4]\n1", "output": "4", "testtype": "functional"}])]
    rows = [
        {**row, "private_test_cases": as_published(text)}
        for row, text in zip(LIVECODEBENCH, private, strict=True)
    ]
    stdio, calls = rg.make("livecodebench", data=write_rows(rows)).tasks
    assert [(test.input, test.expected) for test in judged_by(stdio).tests] == [
        ("1 2\n", "2\n"),
        ("7 3\n", "7\n"),
    ]
    assert [test.arguments for test in judged_by(calls).tests] == [([1, 2, 3], 2), ([4], 1)]


def test_private_tests_that_would_run_code_are_refused_with_their_row(write_rows, tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = write_rows([LIVECODEBENCH[1], {**LIVECODEBENCH[0], "private_test_cases": as_published(Attack())}])
    with pytest.raises(rg.DataError, match="line 2: task '1873_A': the packed tests are a Python pickle"):
        _ = rg.make("livecodebench", data=path).tasks.size
    assert not (tmp_path / "ran").exists()


def test_a_folder_of_the_published_files_is_one_set(write_rows, tmp_path):
    for name, row in zip(("test", "test2"), LIVECODEBENCH, strict=True):
        write_rows([row], name=f"lite/{name}.jsonl")
    tasks = rg.make("livecodebench", data=str(tmp_path / "lite")).tasks
    assert sorted(task.id for task in tasks) == ["1873_A", "3000"]


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
