import pytest
from rlvr_envs.turns.repair import Repair

import rlvr_gym as rg
from tests.rlvr_envs.code_rows import CODE_JSONL, HUMANEVAL, MBPP

pytestmark = pytest.mark.usefixtures("runs_programs")

RIGHT = "```python\nprint(sum(map(int, input().split())))\n```"
OVERFITTED = "```python\nprint(3)\n```"
WRONG = "```python\na, b = map(int, input().split())\nprint(a - b)\n```"


@pytest.fixture
def env(write_rows):
    env = rg.make("repair", tasks="code-jsonl", data=write_rows(CODE_JSONL), max_turns=3)
    env.reset(options={"task": 0})
    return env


def test_a_program_that_fails_a_public_test_is_shown_that_test(env):
    observation, reward, terminated, truncated, _ = env.step(WRONG)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert observation == (
        "Your program does not pass this test.\n\nInput: 1 2\nExpected: 3\nGot: -1\nHow it ended: failed: wrong output"
        "\n\nRepair it and write the whole program again, in one ```python block. You have 2 attempts left."
    )
    assert env.step(RIGHT)[1:4] == (1.0, True, False)


def test_hidden_tests_decide_and_are_never_shown(env):
    observation, reward, terminated, _, info = env.step(OVERFITTED)
    assert (observation, reward, terminated) == ("", 0.0, True)
    assert info["verdict"].detail == "1 of 2 tests pass; test 2: failed, wrong output"


def test_a_crash_is_shown_with_what_python_said(env):
    observation = env.step("```python\nprint(undefined)\n```")[0]
    assert "How it ended: crashed: exit status 1: NameError: name 'undefined' is not defined" in observation
    assert "print(undefined)" in observation


def test_a_turn_without_a_program_is_told_so_and_used_up(env):
    observation = env.step("```python\nprint(1")[0]
    assert observation.startswith("I could not read a program: the last fenced block is never closed.")
    assert observation.endswith("You have 2 attempts left.")
    assert env.step("```python\n```")[0].endswith("You have 1 attempt left.")
    _, reward, terminated, truncated, info = env.step("")
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["verdict"].outcome is rg.Outcome.MALFORMED


def test_the_last_attempt_is_judged_as_it_stands(env):
    for _ in range(2):
        env.step(WRONG)
    _, reward, terminated, truncated, info = env.step(WRONG)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["verdict"].outcome is rg.Outcome.INCORRECT


def test_asserts_and_calls_are_shown_as_well(write_rows):
    env = rg.make("repair", tasks="code-jsonl", data=write_rows(CODE_JSONL))
    env.reset(options={"task": 1})
    assert (
        "Input: add(1, 2)\nExpected: 3\nGot: -1\n"
        in env.step("```python\ndef add(a, b): return a - b\n```")[0]
    )
    env.reset(options={"task": 2})
    said = env.step("```python\ndef odd(n): return 'a' * (n - 3)\n```")[0]
    assert "Input: odd(3)\nExpected: assert odd(3)\nGot: ''\n" in said


def test_the_tool_runs_the_program_that_is_judged(write_rows):
    rows = [{**row, "preamble": "import operator"} for row in CODE_JSONL]
    env = rg.make("repair", tasks="code-jsonl", data=write_rows(rows))
    program = "def add(a, b): return operator.add(a, b)"
    assert isinstance(env, Repair)
    assert env.run_public_tests(program, env.tasks.take(2)[1]).startswith("It passes the public tests")


def test_any_code_environment_with_public_tests_will_do(write_rows):
    env = rg.make("repair", data=write_rows(MBPP))
    env.reset(options={"task": "974"})
    assert "assert sum(1, 2) == 3" in env.step("```python\ndef sum(a, b):\n    return a - b\n```")[0]
    solution = env.solution(env.tasks["974"])
    assert solution is not None
    assert env.step(solution)[1:4] == (1.0, True, False)


def test_tasks_without_public_tests_are_refused_when_an_episode_begins(write_rows):
    env = rg.make("repair", tasks="humaneval", data=write_rows(HUMANEVAL), split="test")
    with pytest.raises(rg.DataError, match="task 'HumanEval/1000' has no public tests"):
        env.reset(options={"task": 0})


def test_what_asks_for_no_program_cannot_be_repaired():
    with pytest.raises(rg.ConfigError, match=r"repair needs an environment of .*; 'arithmetic' is none"):
        rg.make("repair", tasks="arithmetic")
    with pytest.raises(rg.ConfigError, match="max_turns must be from 2 to 20, not 1"):
        rg.make("repair", max_turns=1)


def test_where_no_program_can_be_run_the_episode_is_unscored(env, monkeypatch):
    monkeypatch.setenv("RLVR_SANDBOX", "nonsense")
    _, reward, terminated, _, info = env.step(WRONG)
    assert (reward, terminated, info["scored"]) == (0.0, True, False)
    assert info["verdict"].detail.startswith("no program can be run here")
