"""Checkers of problems with many right answers, limits by a task's own solution, and solutions run at loading."""

import json

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.base import judge
from rlvr_gym.verifiers.code import Asserts, CodeVerifier, Problem, Stdio, StdioCase

pytestmark = pytest.mark.usefixtures("runs_programs")

CHECKER = """\
def check(input, output, expected):
    total, (a, b) = int(input), map(int, output.split())
    return a + b == total
"""
SUMS = Stdio(
    tests=tuple(StdioCase(input=f"{n}\n", output=f"0 {n}\n") for n in (5, 7, 9)),
    checker=CHECKER,
)


def task(tests, **stated):
    return rg.Task(id="t", prompt="?", reference=Problem(tests=tests, **stated).reference())


def verdict(source, asked, **options):
    return judge(CodeVerifier(**options), asked, rg.Completion(text=f"```python\n{source}\n```"))


@pytest.mark.parametrize(
    "source",
    ["print(0, int(input()))", "print(1)\nprint(int(input()) - 1)", "n = int(input())\nprint(-n, 2 * n)"],
)
def test_any_output_that_the_checker_accepts_is_right(source):
    said = verdict(source, task(SUMS))
    assert (said.outcome, said.detail) == (rg.Outcome.CORRECT, "all 3 tests pass")


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("print(0, 5)", "1 of 3 tests pass; test 2: failed, the checker refuses it"),
        ("print(1, 1)", "0 of 3 tests pass; test 1: failed, the checker refuses it"),
        ("print('x')", "0 of 3 tests pass; test 1: failed, the checker refuses it: crashed"),
        ("pass", "0 of 3 tests pass; test 1: failed, the checker refuses it: crashed"),
        ("1 / 0", "0 of 3 tests pass; test 1: crashed, exit status 1: ZeroDivisionError"),
        (
            "n = int(input())\nprint(0, n)\nif n == 7: raise SystemExit(1)",
            "1 of 3 tests pass; test 2: crashed, exit status 1",
        ),
        ("print('9' * 6000, '1' * 6000)", "0 of 3 tests pass; test 1: failed, the checker refuses it"),
        (
            "def check(*a): return True\nprint(True)",
            "0 of 3 tests pass; test 1: failed, the checker refuses it",
        ),
    ],
)
def test_what_the_checker_refuses_or_raises_on_is_wrong_and_never_unscored(source, detail):
    said = verdict(source, task(SUMS))
    assert (said.outcome, said.score) == (rg.Outcome.INCORRECT, 0.0)
    assert said.detail.startswith(detail)


def test_the_share_of_outputs_that_a_checker_accepts_is_the_fraction():
    said = verdict("n = int(input())\nprint(0, n if n != 7 else 1)", task(SUMS, public=1), reward="fraction")
    assert said.score == pytest.approx(2 / 3)
    assert {name: part.correct for name, part in said.parts.items()} == {"visible": True, "hidden": False}


def test_a_checker_sees_every_byte_that_was_written_as_text():
    bytewise = (
        "def check(input, output, expected): return output.encode('utf-8', 'surrogateescape') == b'\\xff\\n'"
    )
    asked = task(Stdio(tests=(StdioCase(input="", output=""),), checker=bytewise))
    assert verdict("import sys\nsys.stdout.buffer.write(b'\\xff\\n')", asked).correct
    assert verdict("print('x')", asked).score == 0.0


@pytest.mark.parametrize("returned", ["1", "None", "'yes'", "[True]"])
def test_a_checker_accepts_by_returning_true_alone(returned):
    asked = task(Stdio(tests=(StdioCase(input="", output=""),), checker=f"def check(*a): return {returned}"))
    assert verdict("print(1)", asked).score == 0.0


@pytest.mark.parametrize(
    ("checker", "message"),
    [
        (
            "def check(input, output, expected): return output != expected",
            "the checker refuses the expected output",
        ),
        ("def check(input): return True", "the checker refuses the expected output .*crashed"),
        ("def check(input, output, expected): return 1", "the checker refuses the expected output"),
        ("check = ", "the checker is none: not a Python program"),
        ("def other(): pass", "the checker is none: the program has no check"),
    ],
)
def test_a_broken_checker_is_found_out_when_it_is_loaded(checker, message):
    asked = task(SUMS.model_copy(update={"checker": checker}))
    with pytest.raises((rg.DataError, rg.VerifierFault), match=message):
        CodeVerifier().check(asked)
    CodeVerifier().check(task(SUMS))


def test_a_checker_is_a_part_of_the_task_and_its_absence_is_not():
    assert task(SUMS).content_hash != task(SUMS.model_copy(update={"checker": CHECKER + "\n"})).content_hash
    assert '"checker"' not in json.dumps(task(SUMS.model_copy(update={"checker": ""})).reference)


def test_no_program_answers_an_impossible_task_of_a_checker():
    asked = CodeVerifier().impossible(task(SUMS))
    assert asked is not None
    assert verdict("print(0, int(input()))", asked).score == 0.0


SLOW = (
    "import time\nbegan = time.process_time()\nwhile time.process_time() - began < {}: pass\nprint(input())"
)
ECHO = Stdio(tests=(StdioCase(input="1\n", output="1\n"),))


def test_scaled_limits_allow_ten_times_what_the_solution_takes():
    stated = {"cpu_seconds": 0.2, "wall_seconds": 10}
    asked = task(ECHO, solution=SLOW.format(0.4), limits=stated)
    assert verdict(SLOW.format(0.4), asked).outcome is rg.Outcome.TIMEOUT
    assert verdict(SLOW.format(0.4), asked, limits="scaled").correct
    quick = task(ECHO, solution="print(input())", limits={"cpu_seconds": 9, "wall_seconds": 20})
    assert verdict(SLOW.format(2.5), quick, limits="scaled").outcome is rg.Outcome.TIMEOUT
    assert verdict(SLOW.format(2.5), quick).correct
    unknown = task(ECHO, limits=stated)
    assert verdict(SLOW.format(0.4), unknown, limits="scaled").outcome is rg.Outcome.TIMEOUT


def test_a_solution_that_does_not_pass_gives_no_limits_and_no_zeros():
    said = verdict("print(input())", task(ECHO, solution="print(2)"), limits="scaled")
    assert said.outcome is rg.Outcome.UNSCORED
    assert "task 't': its own solution does not pass: wrong output" in said.detail


@pytest.mark.parametrize(
    ("tests", "solution", "message"),
    [
        (ECHO, "print(2)", "task 't': its own solution does not pass: 0 of 1 tests pass; test 1: failed"),
        (
            Asserts(tests=("assert f(1) == 3",), names=("f",)),
            "def f(n): return n + 1",
            "task 't': its own solution does not pass",
        ),
        (
            Asserts(tests=("assert g(1) == 2",), names=("f",)),
            "def f(n): return n + 1",
            "task 't': the sandbox has no verdict: the tests cannot judge|task 't': its own solution does not pass",
        ),
        (
            Asserts(tests=("assert True",), names=("f",)),
            "def f(n): return n + 1",
            "task 't': the sandbox has no verdict: the tests cannot judge",
        ),
    ],
)
def test_solutions_that_do_not_pass_are_named_when_the_tasks_are_loaded(tests, solution, message):
    asked = task(tests, solution=solution)
    tasks = loaded([asked], CodeVerifier())
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = tasks.size
    assert "line 1: task 't'" in str(raised.value)
    assert loaded([asked], CodeVerifier(run_solutions=False)).size == 1


def loaded(tasks, verifier):
    rows = [(f"line {number}", {"task": each}) for number, each in enumerate(tasks, start=1)]
    return rg.TaskSet.from_rows(
        lambda: rows, lambda row: row["task"], name="mine", split="x", verifier=verifier
    )


def test_solutions_that_pass_are_loaded_and_tasks_without_one_too():
    asked = [
        task(ECHO, solution="print(input())"),
        task(SUMS, solution="print(1, int(input()) - 1)"),
        task(ECHO),
    ]
    tasks = [each.model_copy(update={"id": str(number)}) for number, each in enumerate(asked)]
    assert loaded(tasks, CodeVerifier()).take(None) == tasks
    continued = task(
        Asserts(tests=("assert f(1) == 2",), names=("f",)),
        preamble="def f(n):\n",
        solution="    return n + 1\n",
    )
    assert loaded([continued], CodeVerifier(continues=True)).size == 1


@pytest.mark.parametrize("limits", ["stated", "scaled"])
def test_a_solution_out_of_time_is_named_as_such(limits):
    slow = task(
        ECHO, solution="while True: pass", limits={"cpu_seconds": 0.2 if limits == "stated" else 0.02}
    )
    said = CodeVerifier(limits=limits).unjudgeable([slow])
    assert "its own solution does not pass" in said["t"]
    assert "used more than 0.2 s of CPU time" in said["t"]


def test_tests_that_no_program_can_be_judged_by_are_named_through_a_composed_verifier():
    judged = {"program": CodeVerifier(), "short": rg.verifiers.FunctionVerifier(lambda task, said: True)}
    vain = task(Asserts(tests=("assert True",), names=("f",)), solution="def f(n): return n")
    for verifier in (
        rg.verifiers.AllOf(judged),
        rg.verifiers.GateThen(judged["short"], judged["program"]),
        rg.verifiers.WeightedSum({name: (part, 1.0) for name, part in judged.items()}),
    ):
        assert "the tests cannot judge" in verifier.unjudgeable([vain])["t"]


def test_unknown_limits_say_what_is_possible():
    with pytest.raises(rg.ConfigError, match="limits must be 'stated' or 'scaled', not 'mine'"):
        CodeVerifier(limits="mine")
