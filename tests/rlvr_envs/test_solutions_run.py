"""Tasks whose own solution does not pass are named when they are loaded, in every environment that has solutions."""

import json
import subprocess
import sys

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


SETTINGS = {"mbpp": {"shown": 1}}


@pytest.mark.parametrize("name", WRONG)
def test_a_solution_that_does_not_pass_is_named_at_loading_unless_that_is_turned_off(write_rows, name):
    data, settings = write_rows([WRONG[name]]), SETTINGS.get(name, {})
    with pytest.raises(rg.DataError, match=r"line 1: task '.*': its own solution does not pass: 0 of "):
        _ = rg.make(name, data=data, **settings).tasks.size
    assert rg.make(name, data=data, run_solutions=False, **settings).tasks.size == 1


def test_a_refused_task_is_left_out_and_named_and_cannot_be_asked_for(write_rows):
    data = write_rows([{**WRONG["humaneval"], "task_id": "HumanEval/1"}, *HUMANEVAL])
    tasks = rg.make("humaneval", data=data).tasks
    everything = rg.make("humaneval", data=data, run_solutions=False).tasks
    left_out = (
        r"'humaneval': 1 of 3 tasks are left out, as they cannot be judged: .*, line 1: task 'HumanEval/1': its own "
        r"solution does not pass: 0 of 1"
    )
    with pytest.warns(UserWarning, match=left_out):
        assert tasks.size == 2
    assert [task.id for task in tasks] == ["HumanEval/1000", "HumanEval/1001"]
    assert tasks.fingerprint != everything.fingerprint == tasks.unchecked().fingerprint
    with pytest.raises(KeyError, match="is left out: its own solution does not pass"):
        tasks.find("HumanEval/1")


def test_one_task_is_judged_alone_and_a_refused_one_cannot_be_asked_for(write_rows):
    refused = {**HUMANEVAL[0], "canonical_solution": "    return 7\n", "task_id": "HumanEval/2"}
    tasks = rg.make("humaneval", data=write_rows([refused, *HUMANEVAL])).tasks
    assert tasks["HumanEval/1001"].id == "HumanEval/1001"  # with a warning about another it would be an error
    tasks = rg.make("humaneval", data=write_rows([refused, *HUMANEVAL])).tasks
    with pytest.raises(KeyError, match="is left out: its own solution does not pass"):
        tasks.find("HumanEval/2")


def test_no_more_tasks_are_named_than_one_can_read(write_rows):
    wrong = [{**WRONG["humaneval"], "task_id": f"HumanEval/{i}"} for i in range(7)]
    with pytest.warns(UserWarning, match=r"7 of 9 tasks are left out.*'HumanEval/4'.*; and 2 more$") as told:
        assert rg.make("humaneval", data=write_rows([*wrong, *HUMANEVAL])).tasks.size == 2
    assert "HumanEval/5" not in str(told[0].message)


@pytest.mark.parametrize("name", RIGHT)
def test_solutions_that_pass_are_loaded(write_rows, name):
    data = write_rows(RIGHT[name])
    assert rg.make(name, data=data).tasks.size == rg.make(name, data=data, run_solutions=False).tasks.size


def test_a_base_models_solution_is_run_as_it_continues_the_prompt(write_rows):
    assert rg.make("humaneval", data=write_rows(HUMANEVAL), style="continue").tasks.size == 2


LOADING = """
import sys, threading, rlvr_gym as rg
env = rg.make("humaneval", data=sys.argv[1])
tasks = [env.tasks["HumanEval/1000"]] if sys.argv[2] == "one" else list(env.tasks)
print(len(tasks), any(thread.name.startswith("sandbox-slot") for thread in threading.enumerate()))
"""


def loading(data, what):
    command = [sys.executable, "-W", "error", "-c", LOADING, data, what]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_a_second_load_starts_no_sandbox_and_a_changed_task_does(write_rows, tmp_path, monkeypatch):
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "cache"))
    data = write_rows(HUMANEVAL)
    assert loading(data, "all") == ["2", "True"]
    assert loading(data, "all") == ["2", "False"]
    changed = {**HUMANEVAL[1], "canonical_solution": "    return 0.5 * x\n"}
    data = write_rows([HUMANEVAL[0], changed])
    assert loading(data, "one") == ["1", "False"]
    assert loading(data, "all") == ["2", "True"]
    (file,) = (tmp_path / "cache" / "solutions").iterdir()
    file.write_text("{torn")
    assert loading(data, "all") == ["2", "True"]
    assert len(json.loads(file.read_text())) == 2


def test_looking_at_tasks_runs_no_solution(write_rows, capsys):
    refused = {**WRONG["humaneval"], "task_id": "HumanEval/2000"}
    tasks = rg.make("humaneval", data=write_rows([refused])).tasks
    assert tasks.unchecked()[0].id == "HumanEval/2000"
    with pytest.raises(rg.DataError, match="holds no tasks"):
        _ = tasks[0]


COMMAND = """
import sys, rlvr_gym as rg
from rlvr_gym.cli.loudness import choose
choose(quiet=sys.argv[2] == "quiet", verbose=False)
print(rg.make("humaneval", data=sys.argv[1]).tasks.size)
"""


@pytest.mark.parametrize("loudness", ["usual", "quiet"])
def test_a_command_says_in_a_line_of_its_own_which_tasks_are_left_out(write_rows, loudness):
    data = write_rows([{**WRONG["humaneval"], "task_id": "HumanEval/3000"}, *HUMANEVAL])
    command = [sys.executable, "-c", COMMAND, data, loudness]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    assert said.stdout == "2\n"
    if loudness == "quiet":
        assert said.stderr == ""
    else:
        (line,) = said.stderr.splitlines()
        assert line.startswith("'humaneval': 1 of 3 tasks are left out, as they cannot be judged: ")
        assert "task 'HumanEval/3000': its own solution does not pass" in line
