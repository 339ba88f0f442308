"""From what a supervisor reports to a verdict, on reports written by hand."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest
from rlvr_sandbox import (
    AssertTests,
    BadTests,
    CallTest,
    CallTests,
    Limits,
    Program,
    ProgramOutcome,
    Result,
    StdioTest,
    StdioTests,
    Trust,
)
from rlvr_sandbox.image.sides.program import INVALID_STATUS
from rlvr_sandbox.judging.judge import SHOWN_CHARACTERS, Execution, Judging, request

LIMITS = Limits(cpu_seconds=2.0, wall_seconds=8.0, memory_bytes=64 << 20, output_bytes=1000)
THREE_SUMS = StdioTests(
    tests=(
        StdioTest(input="1 2\n", expected="3\n"),
        StdioTest(input="3 4\n", expected="7\n"),
        StdioTest(input="5 6\n", expected="11\n", alternatives=("0b1011\n",)),
    )
)
ADD = CallTests(
    function="add",
    tests=(CallTest(arguments=(1, 2), keywords={"c": 4}, expected=7, alternatives=("seven",)),),
)
TWO_ASSERTS = AssertTests(tests=("assert add(1, 2) == 3", "assert add(3, 4) == 7"), names=("add",))
PASSED = {"outcome": "passed", "reason": ""}


def ended(stdout: bytes = b"", **changes: Any) -> Execution:
    """An execution that nothing is wrong with, but for the `changes`."""
    usual: dict[str, Any] = {
        "stopped": "",
        "status": 0,
        "ended_by_itself": True,
        "tests_status": None,
        "cpu_seconds": 0.25,
        "wall_seconds": 0.5,
        "memory_bytes": 10 << 20,
        "stderr": b"",
        "answer": b"",
    }
    return Execution(stdout=stdout, **{**usual, **changes})


def asserted(*said: Any, **changes: Any) -> Execution:
    """An execution of asserts: the tests' process said that, then the program was ended, as it always is."""
    usual: dict[str, Any] = {
        "status": -signal.SIGKILL,
        "ended_by_itself": False,
        "tests_status": 0,
        "answer": json.dumps(said).encode(),
    }
    return ended(**{**usual, **changes})


def judged(
    tests: Any, *executions: Execution, trust: Trust = Trust.CONTAINER, to_the_end: bool = False
) -> Result:
    program = Program(source="", tests=tests, limits=LIMITS, stop_at_first_failure=not to_the_end)
    judging = Judging(program)
    for execution in executions:
        judging.take(execution)
    return judging.result(backend="docker", trust=trust, retries=1)


def ending(execution: Execution) -> tuple[ProgramOutcome, str]:
    """Judge how a program with one test ended, whose output is right."""
    result = judged(StdioTests(tests=(StdioTest(input="", expected="3\n"),)), execution)
    return result.outcome, result.reason


# -- how executions end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({}, ProgramOutcome.PASSED, ""),
        ({"stopped": "wall", "status": -9}, ProgramOutcome.TIMEOUT, "still running after 8 s"),
        ({"cpu_seconds": 2.01}, ProgramOutcome.TIMEOUT, "used more than 2 s of CPU time"),
        ({"cpu_seconds": 2.0}, ProgramOutcome.PASSED, ""),
        (
            {"status": -signal.SIGXCPU, "cpu_seconds": 1.99},
            ProgramOutcome.TIMEOUT,
            "used more than 2 s of CPU time",
        ),
        (
            {"status": -signal.SIGKILL, "cpu_seconds": 3.0},
            ProgramOutcome.TIMEOUT,
            "used more than 2 s of CPU time",
        ),
        ({"stopped": "output", "status": -9}, ProgramOutcome.OUTPUT, "wrote more than 1000 bytes"),
        ({"stopped": "output", "status": 0}, ProgramOutcome.OUTPUT, "wrote more than 1000 bytes"),
        ({"stopped": "memory", "status": -9}, ProgramOutcome.MEMORY, "used more than 64 MiB of memory"),
        ({"memory_bytes": (64 << 20) + 1}, ProgramOutcome.MEMORY, "used more than 64 MiB of memory"),
        ({"memory_bytes": 64 << 20}, ProgramOutcome.PASSED, ""),
        ({"status": -signal.SIGKILL}, ProgramOutcome.MEMORY, "used more than 64 MiB of memory"),
        (
            {"status": 1, "stderr": b"Traceback\nMemoryError\n"},
            ProgramOutcome.MEMORY,
            "used more than 64 MiB of memory",
        ),
        (
            {"status": INVALID_STATUS, "stderr": b"  x =\nSyntaxError: invalid syntax\n"},
            ProgramOutcome.INVALID,
            "not a Python program: SyntaxError: invalid syntax",
        ),
        (
            {"status": 1, "stderr": b"Traceback\nValueError: no\n\n"},
            ProgramOutcome.CRASHED,
            "exit status 1: ValueError: no",
        ),
        ({"status": 3}, ProgramOutcome.CRASHED, "exit status 3"),
        ({"status": -signal.SIGSEGV}, ProgramOutcome.CRASHED, "died of SIGSEGV"),
        ({"status": -99}, ProgramOutcome.CRASHED, "died of signal 99"),
        ({"status": 1, "stderr": b"\xff\xfe"}, ProgramOutcome.CRASHED, "exit status 1: \ufffd\ufffd"),
    ],
)
def test_an_ending_has_one_name_and_a_reason_with_the_limit_in_it(
    changes: dict[str, Any], outcome: ProgramOutcome, reason: str
) -> None:
    assert ending(ended(b"3\n", **changes)) == (outcome, reason)


def test_a_wall_clock_that_ran_out_is_named_before_anything_that_came_of_stopping_it() -> None:
    said = ending(ended(b"3\n", stopped="wall", status=-signal.SIGKILL, memory_bytes=1 << 30))
    assert said == (ProgramOutcome.TIMEOUT, "still running after 8 s")


def test_right_output_does_not_make_up_for_a_bad_end() -> None:
    assert ending(ended(b"3\n", status=1))[0] is ProgramOutcome.CRASHED


# -- stdio ---------------------------------------------------------------------------------------------------


def test_a_program_passes_when_every_output_is_right() -> None:
    result = judged(THREE_SUMS, ended(b"3\n"), ended(b"7\n"), ended(b"0b1011\n"))
    assert (result.outcome, result.reason, result.first_failure) == (ProgramOutcome.PASSED, "", None)
    assert (result.passed, result.total, result.reward, result.fraction) == (3, 3, 1.0, 1.0)


def test_tests_after_the_first_failure_are_skipped_and_count() -> None:
    result = judged(THREE_SUMS, ended(b"3\n"), ended(b"8\n"), ended(b"11\n"))
    assert [test.outcome for test in result.tests] == [
        ProgramOutcome.PASSED,
        ProgramOutcome.FAILED,
        ProgramOutcome.SKIPPED,
    ]
    assert result.tests[2].reason == "an earlier test failed"
    assert (result.outcome, result.reason) == (ProgramOutcome.FAILED, "wrong output")
    assert (result.passed, result.total, result.reward, result.fraction) == (1, 3, 0.0, 1 / 3)


def test_an_execution_after_the_first_failure_changes_nothing() -> None:
    judging = Judging(Program(source="", tests=THREE_SUMS, limits=LIMITS))
    assert not judging.take(ended(b"3\n"))
    assert judging.take(ended(b"8\n"))
    before = judging.result(backend="docker", trust=Trust.CONTAINER, retries=0)
    assert judging.take(ended(b"11\n", cpu_seconds=100.0))
    assert judging.result(backend="docker", trust=Trust.CONTAINER, retries=0) == before


def test_all_tests_are_run_on_request_and_the_first_failure_is_the_one_reported() -> None:
    runs = ended(b"3\n"), ended(b"8\n", stderr=b"second"), ended(b"x", status=1, stderr=b"third")
    result = judged(THREE_SUMS, *runs, to_the_end=True)
    assert [test.outcome for test in result.tests] == [
        ProgramOutcome.PASSED,
        ProgramOutcome.FAILED,
        ProgramOutcome.CRASHED,
    ]
    assert (result.outcome, result.stderr) == (ProgramOutcome.FAILED, "second")
    failure = result.first_failure
    assert failure is not None
    assert (failure.index, failure.input, failure.expected, failure.got) == (1, "3 4\n", "7\n", "8\n")


def test_without_a_failure_the_last_execution_is_shown() -> None:
    result = judged(THREE_SUMS, ended(b"3\n"), ended(b"7\n"), ended(b"11\n", stderr=b"a note"))
    assert (result.stdout, result.stderr) == ("11\n", "a note")


def test_a_result_adds_up_times_and_keeps_the_most_memory() -> None:
    result = judged(
        THREE_SUMS,
        ended(b"3\n", cpu_seconds=0.25, wall_seconds=1.0, memory_bytes=5),
        ended(b"7\n", cpu_seconds=1.5, wall_seconds=2.0, memory_bytes=9),
        ended(b"11\n", cpu_seconds=0.5, wall_seconds=4.0, memory_bytes=7),
    )
    assert (result.cpu_seconds, result.wall_seconds, result.slowest_cpu_seconds) == (2.25, 7.0, 1.5)
    assert (result.peak_memory_bytes, result.backend, result.retries) == (9, "docker", 1)
    assert [test.cpu_seconds for test in result.tests] == [0.25, 1.5, 0.5]
    assert [test.wall_seconds for test in result.tests] == [1.0, 2.0, 4.0]


def test_a_checker_decides_in_the_place_of_a_comparison() -> None:
    seen = []

    def divides(given: str, expected: str, got: str) -> bool:
        seen.append((given, expected, got))
        return int(given) % int(got) == 0

    tests = StdioTests(tests=(StdioTest(input="12", expected="any"),), checker=divides)
    assert judged(tests, ended(b"4")).outcome is ProgramOutcome.PASSED
    assert judged(tests, ended(b"5")).outcome is ProgramOutcome.FAILED
    assert judged(tests, ended(b"4", status=1)).outcome is ProgramOutcome.CRASHED
    assert seen == [("12", "any", "4"), ("12", "any", "5")]  # a crash is not the checker's to judge


def test_output_that_is_no_text_is_compared_all_the_same() -> None:
    assert judged(THREE_SUMS, ended(b"3\xff\n")).outcome is ProgramOutcome.FAILED


# -- calls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "reason", "got"),
    [
        (b'{"value": 7}', ProgramOutcome.PASSED, "", ""),
        (b'{"value": "seven"}', ProgramOutcome.PASSED, "", ""),
        (b'{"value": ["list", 7]}', ProgramOutcome.FAILED, "wrong value", "[7]"),
        (b'{"value": true}', ProgramOutcome.FAILED, "wrong value", "True"),
        (b'{"value": ["handle", 0, "Any"]}', ProgramOutcome.FAILED, "wrong value", "<Any object>"),
        (b'{"missing": "add"}', ProgramOutcome.INVALID, "the program has no add", ""),
        (b"", ProgramOutcome.CRASHED, "ended without returning a value", ""),
        (b'{"value": 7', ProgramOutcome.CRASHED, "ended without returning a value", ""),
        (b"[7]", ProgramOutcome.CRASHED, "ended without returning a value", ""),
        (b'{"values": 7}', ProgramOutcome.CRASHED, "ended without returning a value", ""),
        (b"[" * 100_000, ProgramOutcome.CRASHED, "ended without returning a value", ""),
    ],
)
def test_a_call_is_judged_by_the_value_that_came_back(
    answer: bytes, outcome: ProgramOutcome, reason: str, got: str
) -> None:
    result = judged(ADD, ended(answer=answer))
    assert (result.outcome, result.reason) == (outcome, reason)
    if outcome is not ProgramOutcome.PASSED:
        assert result.first_failure is not None
        assert (result.first_failure.input, result.first_failure.expected) == ("add(1, 2, c=4)", "7")
        assert result.first_failure.got == got


def test_a_value_from_a_program_that_ended_badly_is_worth_nothing() -> None:
    assert judged(ADD, ended(answer=b'{"value": 7}', status=1)).outcome is ProgramOutcome.CRASHED


# -- asserts -------------------------------------------------------------------------------------------------


def test_asserts_pass_when_their_process_says_so_of_each() -> None:
    result = judged(TWO_ASSERTS, asserted(PASSED, PASSED))
    assert (result.outcome, result.passed, result.trust) == (ProgramOutcome.PASSED, 2, Trust.CONTAINER)


@pytest.mark.parametrize(
    ("said", "outcome", "reason"),
    [
        ({"outcome": "failed", "reason": "assertion failed"}, ProgramOutcome.FAILED, "assertion failed"),
        ({"outcome": "invalid", "reason": "NameError: add"}, ProgramOutcome.INVALID, "NameError: add"),
        ({"outcome": "crashed", "reason": "ValueError: no"}, ProgramOutcome.CRASHED, "ValueError: no"),
        (
            {"outcome": "bad_tests", "reason": "it calls nothing"},
            ProgramOutcome.UNSCORED,
            "the tests cannot judge: it calls nothing",
        ),
        (
            {"outcome": "gone", "reason": "it has ended"},
            ProgramOutcome.CRASHED,
            "the program ended during the test: it has ended",
        ),
        ({"outcome": "PASSED"}, ProgramOutcome.CRASHED, "the program ended during the test: "),
        ({}, ProgramOutcome.CRASHED, "the program ended during the test: "),
    ],
)
def test_what_the_tests_process_says_of_a_test_is_its_outcome(
    said: dict[str, str], outcome: ProgramOutcome, reason: str
) -> None:
    result = judged(TWO_ASSERTS, asserted(PASSED, said))
    assert (result.tests[1].outcome, result.tests[1].reason) == (outcome, reason)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.passed == 1


def test_nonsense_is_the_reason_whether_the_program_then_ends_by_itself_or_is_stopped() -> None:
    gone = {"outcome": "gone", "reason": "it said what is no message: a message of 206 bytes"}
    endings = [{}, *({"status": status, "ended_by_itself": True} for status in (0, 1, INVALID_STATUS))]
    results = [judged(TWO_ASSERTS, asserted(PASSED, gone, **ending)) for ending in endings]
    reasons = {(result.tests[1].outcome, result.tests[1].reason) for result in results}
    assert reasons == {(ProgramOutcome.CRASHED, f"the program ended during the test: {gone['reason']}")}


@pytest.mark.parametrize(
    "execution",
    [
        asserted(PASSED),
        asserted(PASSED, PASSED, PASSED),
        asserted(),
        asserted(PASSED, "passed"),
        asserted(PASSED, PASSED, tests_status=1),
        asserted(PASSED, PASSED, tests_status=-signal.SIGKILL),
        asserted(PASSED, PASSED, tests_status=None),
        asserted(answer=json.dumps([PASSED, PASSED]).encode()[:-1]),
        asserted(answer=b""),
        asserted(answer=b'{"outcome": "passed"}'),
        asserted(answer=b"[" * 100_000),
    ],
)
def test_a_report_that_is_not_whole_passes_nothing(execution: Execution) -> None:
    result = judged(TWO_ASSERTS, execution, to_the_end=True)
    assert {test.outcome for test in result.tests} == {ProgramOutcome.CRASHED}
    assert result.reason == "the tests ended without a verdict"


def test_a_program_that_went_away_is_called_what_it_died_of() -> None:
    gone = {"outcome": "gone", "reason": "it has ended"}
    died = {"status": -signal.SIGSEGV, "ended_by_itself": True}
    result = judged(TWO_ASSERTS, asserted(PASSED, gone, **died))
    assert (result.tests[1].outcome, result.reason) == (ProgramOutcome.CRASHED, "died of SIGSEGV")
    result = judged(TWO_ASSERTS, asserted(gone, gone, status=-signal.SIGXCPU, ended_by_itself=True))
    assert result.outcome is ProgramOutcome.TIMEOUT


def test_asserts_stopped_by_the_clock_are_timeouts_without_a_report() -> None:
    result = judged(TWO_ASSERTS, asserted(stopped="wall", tests_status=-signal.SIGKILL, answer=b""))
    assert (result.outcome, result.passed) == (ProgramOutcome.TIMEOUT, 0)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"cpu_seconds": 2.5}, ProgramOutcome.TIMEOUT),
        ({"memory_bytes": 65 << 20}, ProgramOutcome.MEMORY),
        ({"stopped": "output"}, ProgramOutcome.OUTPUT),
    ],
)
def test_asserts_that_hold_do_not_pass_a_program_beyond_its_limits(
    changes: dict[str, Any], outcome: ProgramOutcome
) -> None:
    result = judged(TWO_ASSERTS, asserted(PASSED, PASSED, **changes))
    assert (result.outcome, result.passed) == (outcome, 0)


def test_asserts_that_hold_pass_though_the_program_ended_badly_afterwards() -> None:
    result = judged(TWO_ASSERTS, asserted(PASSED, PASSED, status=1, ended_by_itself=True))
    assert result.outcome is ProgramOutcome.PASSED  # it answered right; its end is no part of its answers


def test_a_failed_assert_shows_the_last_call_and_what_it_returned() -> None:
    failed = {"outcome": "failed", "reason": "assertion failed", "input": "add(3, 4)", "got": "8"}
    failure = judged(TWO_ASSERTS, asserted(PASSED, failed)).first_failure
    assert failure is not None
    assert (failure.index, failure.input, failure.expected, failure.got) == (
        1,
        "add(3, 4)",
        "assert add(3, 4) == 7",
        "8",
    )


def test_one_test_that_cannot_judge_leaves_the_whole_program_unscored() -> None:
    failed, bad = (
        {"outcome": "failed", "reason": "no"},
        {"outcome": "bad_tests", "reason": "it calls nothing"},
    )
    result = judged(TWO_ASSERTS, asserted(failed, bad), to_the_end=True)
    assert (result.outcome, result.reward, result.fraction) == (ProgramOutcome.UNSCORED, None, None)


# -- asserts in one process with the program -----------------------------------------------------------------

IN_PROCESS = AssertTests(tests=TWO_ASSERTS.tests, names=("add",), in_process=True)


def test_asserts_beside_the_program_are_marked_as_such() -> None:
    report = ended(answer=json.dumps([PASSED, PASSED]).encode())
    assert judged(IN_PROCESS, report).outcome is ProgramOutcome.PASSED
    assert judged(IN_PROCESS, report, trust=Trust.MICROVM).trust is Trust.IN_PROCESS
    assert judged(IN_PROCESS, report, trust=Trust.UNSAFE).trust is Trust.UNSAFE


def test_asserts_beside_the_program_count_only_when_it_ended_well() -> None:
    answer = json.dumps([PASSED, PASSED]).encode()
    result = judged(IN_PROCESS, ended(answer=answer, status=1, tests_status=0))
    assert (result.outcome, result.passed) == (ProgramOutcome.CRASHED, 0)
    assert judged(IN_PROCESS, ended()).reason == "the tests ended without a verdict"


def test_a_program_beside_its_tests_cannot_say_that_they_cannot_judge() -> None:
    bad = {"outcome": "bad_tests", "reason": "it calls nothing"}
    result = judged(IN_PROCESS, ended(answer=json.dumps([PASSED, bad]).encode()))
    assert (result.outcome, result.passed, result.reward) == (ProgramOutcome.FAILED, 1, 0.0)


# -- long texts ----------------------------------------------------------------------------------------------


def test_long_output_is_shown_by_its_end_and_a_failure_by_both_ends() -> None:
    long = b"a" * 5000 + b"z" * 5000
    result = judged(THREE_SUMS, ended(long, stderr=b"first" + b"e" * 20_000 + b"last"))
    assert result.stdout == "z" * SHOWN_CHARACTERS
    assert len(result.stderr) == SHOWN_CHARACTERS
    assert result.stderr.endswith("last")
    assert result.first_failure is not None
    assert result.first_failure.got == f"{'a' * 2000} ... 6000 more characters ... {'z' * 2000}"


def test_text_of_just_the_length_that_is_shown_is_left_alone() -> None:
    result = judged(THREE_SUMS, ended(b"x" * SHOWN_CHARACTERS))
    assert result.first_failure is not None
    assert result.first_failure.got == "x" * SHOWN_CHARACTERS


def test_an_end_of_output_that_begins_within_a_letter_is_still_text() -> None:
    result = judged(THREE_SUMS, ended("é".encode() * 10_001 + b"x"))
    assert result.stdout == "é" * (SHOWN_CHARACTERS - 1) + "x"


# -- what goes into the sandbox ------------------------------------------------------------------------------


def test_expected_outputs_do_not_go_into_the_sandbox() -> None:
    tests = StdioTests(tests=(StdioTest(input="given", expected="s3cret", alternatives=("s3cret too",)),))
    calls = CallTests(
        function="f", tests=(CallTest(arguments=("given",), expected="s3cret", alternatives=("s3cret too",)),)
    )
    for each in (tests, calls):
        header, blobs = request(Program(source="source", tests=each), frozenset())
        assert b"given" in b"".join(blobs)
        assert b"s3cret" not in json.dumps(header).encode() + b"".join(blobs)


def test_only_packages_that_the_program_imports_and_the_sandbox_has_are_preloaded() -> None:
    def preloaded(source: str, packages: frozenset[str]) -> list[str]:
        return request(Program(source=source, tests=THREE_SUMS), packages)[0]["preload"]

    has = frozenset({"numpy"})
    assert preloaded("import os, numpy as np", has) == ["numpy"]
    assert preloaded("def f():\n    from numpy.linalg import norm", has) == ["numpy"]
    assert preloaded("import numpy", frozenset()) == []
    assert preloaded("print('numpy')", has) == []


@pytest.mark.parametrize("source", ["\n" * 250_000, "import" + " " * 250_000, "import " + "a, " * 80_000])
def test_a_program_that_is_long_to_read_does_not_hold_up_its_judge(source: str) -> None:
    started = time.process_time()
    request(Program(source=f"{source}x", tests=THREE_SUMS), frozenset({"numpy"}))
    assert time.process_time() - started < 5.0


def test_integers_of_more_digits_than_python_writes_are_compared_and_shown() -> None:
    tests = CallTests(function="f", tests=(CallTest(arguments=(2,), expected=1 << 20_000),))
    for value, outcome in ((1 << 20_000, ProgramOutcome.PASSED), (1, ProgramOutcome.FAILED)):
        answer = json.dumps({"value": ["int", hex(value)]}).encode()
        assert judged(tests, ended(answer=answer)).outcome is outcome


def test_arguments_that_are_no_json_are_bad_tests() -> None:
    tests = CallTests(function="f", tests=(CallTest(arguments=({1, 2},), expected=1),))
    with pytest.raises(BadTests, match="the arguments of f are no JSON values"):
        request(Program(source="", tests=tests), frozenset())
