import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.base import judge
from rlvr_gym.verifiers.code import (
    Asserts,
    CallCase,
    Calls,
    CodeVerifier,
    Problem,
    Stdio,
    StdioCase,
    first_failure,
    run,
    shared_sandbox,
)

pytestmark = pytest.mark.usefixtures("runs_programs")

DOUBLE = Problem(
    tests=Stdio(tests=tuple(StdioCase(input=f"{n}\n", output=f"{2 * n}\n") for n in (1, 0, -4, 10**30))),
    limits={"cpu_seconds": 1, "wall_seconds": 4, "memory_bytes": 256 << 20, "output_bytes": 1 << 20},
)
RIGHT = "print(2 * int(input()))"


def verdict(text, problem=DOUBLE, **options):
    task = rg.Task(id="t", prompt="?", reference=problem.reference())
    return CodeVerifier(**options).verify(task, rg.Completion(text=text))


def block(source):
    return f"```python\n{source}\n```"


def test_a_program_that_passes_every_test_is_right():
    said = verdict(block(RIGHT))
    assert (said.outcome, said.score, said.detail) == (rg.Outcome.CORRECT, 1.0, "all 4 tests pass")
    assert said.answer == RIGHT


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("print(2)", "1 of 4 tests pass; test 2: failed, wrong output"),
        (
            "print(2 * int(input()) if 0 else 1 / 0)",
            "0 of 4 tests pass; test 1: crashed, exit status 1: ZeroDiv",
        ),
        ("raise SystemExit(3)", "0 of 4 tests pass; test 1: crashed, exit status 3"),
        ("import os; os.abort()", "0 of 4 tests pass; test 1: crashed, died of SIGABRT"),
        ("def double(n", "0 of 4 tests pass; test 1: invalid, not a Python program: SyntaxError"),
        ("x = 'a' * (1 << 40)", "0 of 4 tests pass; test 1: memory, used more than 256 MiB of memory"),
        ("print('a' * (2 << 20))", "0 of 4 tests pass; test 1: output, wrote more than 1048576 bytes"),
    ],
)
def test_any_other_program_is_wrong_and_the_detail_says_how(source, detail):
    said = verdict(block(source))
    assert (said.outcome, said.score) == (rg.Outcome.INCORRECT, 0.0)
    assert said.detail.startswith(detail)


@pytest.mark.parametrize("source", ["while True: pass", "import time; time.sleep(60)"])
def test_a_program_that_overruns_its_time_timed_out(source):
    said = verdict(block(source))
    assert (said.outcome, said.score) == (rg.Outcome.TIMEOUT, 0.0)


def test_the_whole_completion_may_be_the_program_and_is_malformed_where_it_is_none():
    assert verdict(RIGHT).correct
    assert verdict(f"<think>{block('print(1)')}</think>{RIGHT}").correct
    prose = verdict("The program doubles the number.")
    assert prose.outcome is rg.Outcome.MALFORMED
    assert prose.detail.startswith("no fenced block, and the whole text is no program: not a Python program")


@pytest.mark.parametrize("text", ["", f"<think>{block(RIGHT)}</think>", f"```python\n{RIGHT}", block("")])
def test_what_holds_no_program_is_malformed(text):
    assert verdict(text).outcome is rg.Outcome.MALFORMED


def test_of_several_blocks_the_environments_choice_counts():
    two = f"{block('def double(n): return 2 * n')}\n{block('print(double(int(input())))')}"
    assert not verdict(two).correct
    assert verdict(two, blocks="concatenated").correct
    assert verdict(two, blocks="only").outcome is rg.Outcome.MALFORMED


def test_a_fraction_is_the_share_of_tests_that_pass_whichever_come_first():
    positive = block("n = int(input())\nprint(2 * n if n > 0 else 'no')")
    assert verdict(positive).score == 0.0
    assert verdict(positive, reward="fraction").score == 0.5
    assert verdict(block(RIGHT), reward="fraction").score == 1.0
    slow = verdict(block("n = int(input())\nwhile n == -4: pass\nprint(2 * n)"), reward="fraction")
    assert (slow.outcome, slow.score) == (rg.Outcome.TIMEOUT, 0.75)
    assert slow.detail.startswith("3 of 4 tests pass; test 3: timeout")


def test_calls_and_asserts_are_judged():
    calls = Problem(tests=Calls(function="add", tests=(CallCase(arguments=(1, 2), expected=3),)))
    asserts = Problem(tests=Asserts(tests=("assert add(1, 2) == 3",), names=("add",)))
    for problem in (calls, asserts):
        assert verdict(block("def add(a, b): return a + b"), problem).detail == "the test passes"
        assert not verdict(block("def add(a, b): return a - b"), problem).correct
        assert "invalid" in verdict(block("def sub(a, b): return a - b"), problem).detail


def test_alternatives_are_as_right_as_what_is_expected():
    values = Problem(tests=Calls(function="f", tests=(CallCase(expected=[3], alternatives=(3, "three")),)))
    assert [
        verdict(block(f"def f(): return {v}"), values).score for v in ("[3]", "3", "'three'", "4", "True")
    ] == [
        1.0,
        1.0,
        1.0,
        0.0,
        0.0,
    ]
    outputs = Problem(tests=Stdio(tests=(StdioCase(input="", output="1 2\n", alternatives=("2 1\n",)),)))
    assert [verdict(block(f"print('{v}')"), outputs).score for v in ("1 2", "2 1", "1 1")] == [1.0, 1.0, 0.0]


PARTLY_SHOWN = DOUBLE.model_copy(update={"public": 1})


def test_tests_that_may_be_shown_and_tests_that_may_not_are_told_apart():
    shown_only = verdict(block("print(2)"), PARTLY_SHOWN)
    assert shown_only.outcome is rg.Outcome.INCORRECT
    assert shown_only.parts["visible"].correct
    assert shown_only.parts["hidden"] == rg.Verdict.wrong("0 of 3 tests pass")
    assert all(part.correct for part in verdict(block(RIGHT), PARTLY_SHOWN).parts.values())
    assert verdict(block(RIGHT)).parts == {}


CALLS = Problem(tests=Calls(function="double", tests=(CallCase(arguments=(3,), expected=6),)))
ANYTHING = "class Yes:\n    def __eq__(self, other): return True\n\ndef double(n):\n    return Yes()"


@pytest.mark.parametrize(
    ("problem", "source"), [(DOUBLE, RIGHT), (CALLS, "def double(n): return 2 * n"), (CALLS, ANYTHING)]
)
def test_no_program_passes_tests_that_contradict_each_other(problem, source):
    impossible = CodeVerifier().impossible(rg.Task(id="t", prompt="?", reference=problem.reference()))
    assert impossible is not None
    assert impossible.id == "t (impossible)"
    contradicted = Problem.of(impossible)
    assert len(contradicted.tests.tests) == 2
    assert not verdict(block(source), contradicted).correct


def test_asserts_are_not_contradicted():
    task = rg.Task(
        prompt="?", reference=Problem(tests=Asserts(tests=("assert f()",), names=("f",))).reference()
    )
    assert CodeVerifier().impossible(task) is None


def test_a_base_model_goes_on_where_the_preamble_stops():
    problem = Problem(
        tests=Asserts(tests=("assert add(1, 2) == 3",), names=("add",)), preamble="def add(a, b):\n"
    )
    said = verdict("    return a + b\n\nprint(input())", problem, continues=True)
    assert said.correct
    assert said.answer == "def add(a, b):\n    return a + b\n\n"
    assert not verdict("    return a - b", problem, continues=True).correct


def test_a_solution_that_quotes_a_fence_can_be_written():
    quoting = 'TEXT = """\n```\n"""\n' + RIGHT
    problem = DOUBLE.model_copy(update={"solution": quoting})
    task = rg.Task(prompt="?", reference=problem.reference())
    solution = CodeVerifier().solution(task)
    assert solution == f"````python\n{quoting}\n````"
    assert verdict(solution, problem).correct


def test_a_task_that_states_no_problem_is_unscored():
    said = judge(CodeVerifier(), rg.Task(id="t", prompt="?", reference="42"), rg.Completion(text="x"))
    assert said.outcome is rg.Outcome.UNSCORED
    assert "task 't' cannot be judged: the reference" in said.detail


def test_tests_that_judge_nothing_leave_the_sample_unscored():
    problem = Problem(tests=Asserts(tests=("assert 1 + 1 == 2",), names=("add",)))
    said = judge(
        CodeVerifier(),
        rg.Task(prompt="?", reference=problem.reference()),
        rg.Completion(text=block("add = 1")),
    )
    assert said.outcome is rg.Outcome.UNSCORED
    assert "the tests never call the program" in said.detail


def test_all_threads_share_one_sandbox_and_get_their_own_verdicts():
    with ThreadPoolExecutor(12) as threads:
        sandboxes = set(threads.map(lambda _: id(shared_sandbox()), range(24)))
        scores = list(threads.map(lambda n: verdict(block(f"print({2 * n})"), one(n)).score, range(60)))
        wrong = list(threads.map(lambda n: verdict(block(f"print({2 * n + 1})"), one(n)).score, range(60)))
    assert len(sandboxes) == 1
    assert (set(scores), set(wrong)) == ({1.0}, {0.0})


def one(n):
    return Problem(tests=Stdio(tests=(StdioCase(input="", output=f"{2 * n}\n"),)))


def test_what_is_told_of_a_failure_is_enough_to_repair_it():
    wrong = first_failure(run(DOUBLE.program("print(2)")))
    assert wrong == "Input: 0\nExpected: 0\nGot: 2\nHow it ended: failed: wrong output"
    crashed = first_failure(run(DOUBLE.program("n = int(input())\nprint(n / 0)")))
    assert crashed.startswith(
        "Input: 1\nExpected: 2\nHow it ended: crashed: exit status 1: ZeroDivisionError"
    )
    assert crashed.endswith("ZeroDivisionError: division by zero")


def test_a_verdict_holds_nothing_that_differs_from_run_to_run():
    said = [verdict(block("class X: pass\nraise ValueError(X())")) for _ in range(4)]
    assert said[0].detail.endswith("ValueError: <__main__.X object at 0x...>")
    assert said.count(said[0]) == 4


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_a_sandbox_of_its_own():
    assert verdict(block(RIGHT)).correct
    child = os.fork()
    if not child:
        os._exit(0 if verdict(block(RIGHT)).correct and not verdict(block("print(0)")).correct else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert verdict(block(RIGHT)).correct


PROGRAM = """
import sys
import rlvr_gym as rg
from rlvr_gym.verifiers.base import judge
from rlvr_gym.verifiers.code import CodeVerifier, Problem, Stdio, StdioCase
assert "rlvr_sandbox" not in sys.modules
problem = Problem(tests=Stdio(tests=(StdioCase(input="", output="1"),)))
task = rg.Task(prompt="?", reference=problem.reference())
print(judge(CodeVerifier(), task, rg.Completion(text="```python\\nprint(1)\\n```")).detail)
"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "the test passes"),
        ({"RLVR_SANDBOX_SLOTS": "1"}, "the test passes"),
        (
            {"RLVR_SANDBOX_SLOTS": "many"},
            "RLVR_SANDBOX_SLOTS must be a number of programs, at least 1, not 'many'",
        ),
        ({"RLVR_SANDBOX": "chroot"}, "no program can be run here: "),
        ({"RLVR_SANDBOX": "docker", "DOCKER_HOST": "unix:///nowhere.sock"}, "no program can be run here: "),
    ],
)
def test_the_sandbox_is_opened_when_the_first_program_comes_as_the_machine_says(settings, said):
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert said in ran.stdout
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("tests", "holds"),
    [
        (Calls(function="Solution.add", tests=(CallCase(arguments=(1,), expected=2),)), "class Solution:"),
        (Calls(function="add", tests=(CallCase(arguments=(1,), expected=2),)), "def add("),
        (Stdio(tests=(StdioCase(input="1", output="2"),)), "range(1000)"),
    ],
    ids=["method", "function", "output"],
)
def test_cheating_programs_are_tried_where_no_solution_is_known_and_none_passes(tests, holds):
    task = rg.Task(prompt="?", reference=Problem(tests=tests).reference())
    attacks = list(CodeVerifier().audit_attacks(task))
    assert len(attacks) >= 20
    assert any(holds in attack.text for attack in attacks)
    for attack in attacks:
        said = CodeVerifier().verify(task, rg.Completion(text=attack.text))
        assert (said.correct, said.scored) == (False, True), attack.tries


def test_a_known_solution_shows_the_audit_what_to_try():
    solved = DOUBLE.model_copy(update={"solution": RIGHT})
    assert not list(CodeVerifier().audit_attacks(rg.Task(prompt="?", reference=solved.reference())))


@pytest.mark.parametrize(
    ("source", "given", "wanted"),
    [
        ("print(10 ** int(input()))", "5000\n", "1" + "0" * 5000 + "\n"),
        ("print(int(input()) % 9)", "1" + "0" * 5000 + "\n", "1\n"),
        ("import sys\nprint(len(str(int(sys.stdin.read()) ** 2)))", "9" * 6000, "12000"),
    ],
)
def test_integers_of_many_digits_are_read_and_written_as_in_a_contest(source, given, wanted):
    problem = Problem(tests=Stdio(tests=(StdioCase(input=given, output=wanted),), comparison="floats"))
    assert verdict(block(source), problem).correct
    assert verdict(block(source.replace("print(", "print(1, ")), problem).score == 0.0


def test_functions_write_integers_of_many_digits_too():
    called = Problem(tests=Calls(function="f", tests=(CallCase(arguments=(5000,), expected=5001),)))
    asserted = Problem(tests=Asserts(tests=("assert f(5000) == 5001",), names=("f",)))
    for problem in (called, asserted):
        assert verdict(block("def f(n):\n    return len(str(10 ** n))"), problem).correct
        assert verdict(block("def f(n):\n    return len(str(10 ** n)) + 1"), problem).score == 0.0
