import json

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.code import Problem
from tests.rlvr_envs.code_rows import CODE_JSONL, judged_by

GOOD = CODE_JSONL[0]


def test_a_file_of_prompts_and_tests_is_an_environment(write_rows):
    env = rg.make("code-jsonl", data=write_rows(CODE_JSONL))
    assert env.reset(options={"task": 0})[0] == "Read two numbers and print their sum."
    assert [type(Problem.of(task).tests).__name__ for task in env.tasks] == ["Stdio", "Calls", "Asserts"]
    assert env.tasks[0].metadata == {"level": 1}
    assert env.solution(env.tasks[1]) == "```python\ndef add(a, b):\n    return a + b\n```"


def test_starter_code_stands_after_the_prompt(write_rows):
    row = {**CODE_JSONL[1], "starter_code": "def add(a, b):\n    ...\n"}
    assert rg.make("code-jsonl", data=write_rows([row])).tasks[0].text == (
        "Write `def add(a, b)`.\n\nBegin with this code:\n\n```python\ndef add(a, b):\n    ...\n```"
    )


def test_the_names_of_asserts_are_found_or_given(write_rows):
    given = {"kind": "asserts", "tests": ["assert odd(3)"], "names": ["odd"]}
    rows = [CODE_JSONL[2], {"prompt": "?", "tests": given}]
    env = rg.make("code-jsonl", data=write_rows(rows))
    assert [judged_by(task).names for task in env.tasks] == [("odd",), ("odd",)]


def test_limits_and_a_preamble_may_be_given(write_rows):
    row = {**GOOD, "limits": {"cpu_seconds": 1}, "preamble": "import math", "id": 7}
    env = rg.make("code-jsonl", data=write_rows([row]))
    problem = Problem.of(env.tasks["7"])
    assert problem.program("x").limits.cpu_seconds == 1
    assert problem.preamble == "import math"


def test_a_prompt_may_be_chat_messages(write_rows):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Add."}]
    env = rg.make("code-jsonl", data=write_rows([{**GOOD, "prompt": messages}]))
    assert [m.role for m in env.tasks[0].prompt] == ["system", "user"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "?"}, "no field 'tests'; the row has prompt"),
        ({**GOOD, "tests": {"kind": "unittest"}}, "'unittest'"),
        ({**GOOD, "tests": {"kind": "stdio", "tests": []}, "public": 0}, "there are no tests"),
        ({**GOOD, "tests": {"kind": "stdio", "tests": [{"input": 1, "output": ""}]}}, "valid string"),
        (
            {**GOOD, "tests": {"kind": "asserts", "tests": ["assert f()"]}, "solution": None},
            "need `names`, or a solu",
        ),
        ({**GOOD, "tests": {"kind": "asserts", "tests": ["assert f("]}}, "never closed"),
        ({**GOOD, "public": 5}, "5 tests are public; there are 2"),
        ({**GOOD, "limits": {"seconds": 1}}, "limits.seconds"),
        ({**GOOD, "limits": {"cpu_seconds": -1}}, "cpu_seconds must be positive"),
        (
            {**GOOD, "starter_code": "x", "prompt": [{"role": "user", "content": "?"}]},
            "starter_code goes with",
        ),
    ],
)
def test_a_row_that_cannot_be_judged_is_named_when_the_file_is_loaded(write_rows, row, message):
    path = write_rows([GOOD, row])
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("code-jsonl", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 2: ")


def test_options_that_cannot_work_say_what_would(write_rows):
    path = write_rows([GOOD])
    with pytest.raises(rg.ConfigError, match="blocks must be one of last, only, concatenated, not 'first'"):
        rg.make("code-jsonl", data=path, blocks="first")
    with pytest.raises(rg.ConfigError, match="reward must be 'all' or 'fraction', not 'most'"):
        rg.make("code-jsonl", data=path, reward="most")
    with pytest.raises(rg.ConfigError, match="environment 'code-jsonl' needs 'data'"):
        rg.make("code-jsonl")


def test_fields_of_tests_and_limits_that_hold_nothing_are_left_out(write_rows):
    nothing = {"comparison": None, "packed": None, "names": None, "setup": None, "function": None}
    cases = [{"input": "1\n", "output": "2\n", "alternatives": None, "expected": None}]
    stdio = {**nothing, "kind": "stdio", "tests": [{k: v for k, v in cases[0].items() if k != "expected"}]}
    calls = {**nothing, "kind": "calls", "function": "f", "tests": [{"arguments": None, "expected": None}]}
    asserts = {**nothing, "kind": "asserts", "tests": ["assert f(1) == 2"]}
    limits = {"cpu_seconds": 1.0, "memory_bytes": None}
    rows = [
        {
            "prompt": f"{i}?",
            "tests": tests,
            "solution": "def f(n): return n + 1",
            "limits": limits,
            "public": None,
        }
        for i, tests in enumerate((stdio, calls, asserts, json.dumps(calls)))
    ]
    tasks = rg.make("code-jsonl", data=write_rows(rows), run_solutions=False).tasks
    assert [judged_by(task).tests for task in tasks][1] == judged_by(tasks[3]).tests
    assert judged_by(tasks[1]).tests[0].expected is None
    assert judged_by(tasks[2]).names == ("f",)
    assert Problem.of(tasks[0]).limits == {"cpu_seconds": 1.0}


SPLIT = {
    "prompt": "Print two numbers whose sum is given.",
    "tests": {
        "kind": "stdio",
        "tests": [{"input": "5\n", "output": "0 5\n"}, {"input": "7\n", "output": "0 7\n"}],
        "checker": "sums.py",
    },
    "solution": "print(1, int(input()) - 1)",
    "public": 1,
}
CHECKER = "def check(input, output, expected):\n    return sum(map(int, output.split())) == int(input)\n"


@pytest.mark.usefixtures("runs_programs")
def test_a_checker_stands_in_a_file_beside_the_data(write_rows, tmp_path):
    data = write_rows([SPLIT])
    (tmp_path / "sums.py").write_text(CHECKER)
    env = rg.make("code-jsonl", data=data, limits="scaled")
    for source, reward in (("print(2, int(input()) - 2)", 1.0), ("print(0, 5)", 0.0), ("print('a')", 0.0)):
        env.reset(options={"task": 0})
        assert env.step(f"```python\n{source}\n```")[1] == reward
    before = env.tasks.fingerprint
    (tmp_path / "sums.py").write_text(CHECKER + "\n")
    assert rg.make("code-jsonl", data=data).tasks.fingerprint != before


@pytest.mark.usefixtures("runs_programs")
def test_repair_asks_the_checker_too(write_rows, tmp_path):
    (tmp_path / "sums.py").write_text(CHECKER)
    env = rg.make("repair", tasks="code-jsonl", data=write_rows([SPLIT]))
    env.reset(options={"task": 0})
    observation = env.step("```python\nprint(1, 1)\n```")[0]
    assert "Input: 5\nExpected: 0 5\nGot: 1 1\nHow it ended: failed: the checker refuses it" in observation
    assert env.step("```python\nprint(3, int(input()) - 3)\n```")[1] == 1.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.py", "line 1: the checker 'none.py' cannot be read"),
        ("../sums.py", "line 1: checker must be the name of a file beside the data, not '../sums.py'"),
        (3, "line 1: checker must be the name of a file beside the data, not 3"),
    ],
)
def test_a_checker_that_is_not_there_is_named_when_the_file_is_loaded(write_rows, name, message):
    row = {**SPLIT, "tests": {**SPLIT["tests"], "checker": name}}
    with pytest.raises(rg.DataError, match=message):
        _ = rg.make("code-jsonl", data=write_rows([row])).tasks.size


@pytest.mark.usefixtures("runs_programs")
def test_rows_whose_solutions_do_not_pass_are_left_out_unless_all_are_asked_for(write_rows):
    wrong = {**CODE_JSONL[1], "id": "bad", "solution": "def add(a, b):\n    return a - b"}
    data = write_rows([CODE_JSONL[0], wrong])
    assert rg.make("code-jsonl", data=data, run_solutions=False).tasks.size == 2
    with pytest.warns(UserWarning, match="line 2: task 'bad': its own solution does not pass"):
        assert rg.make("code-jsonl", data=data).tasks.size == 1
    assert rg.make("code-jsonl", data=write_rows(CODE_JSONL)).tasks.size == 3
