"""Tests of assert style: what a program cannot get out of by what it says of itself."""

import pytest
from rlvr_sandbox import AssertTests, BlockingSandbox, Limits, Program, ProgramOutcome


@pytest.mark.parametrize(
    "tests",
    [
        AssertTests(tests=("assert f(4) == 2",), names=("f",), setup="half = f(2).real"),
        AssertTests(tests=("assert f(4) == 2",), names=("f",)),
    ],
)
def test_a_function_that_is_called_an_exception_has_a_verdict_all_the_same(
    sandbox: BlockingSandbox, tests: AssertTests
) -> None:
    result = sandbox.run(Program(source="class f(Exception): pass", tests=tests))
    assert result.outcome in (ProgramOutcome.FAILED, ProgramOutcome.CRASHED)


def test_a_setup_that_fails_by_itself_is_nobodys_wrong_answer(sandbox: BlockingSandbox) -> None:
    tests = AssertTests(tests=("assert f(4) == 2",), names=("f",), setup="import no_such_module")
    result = sandbox.run(Program(source="def f(x): return x // 2", tests=tests))
    assert result.outcome is ProgramOutcome.UNSCORED
    assert "the setup fails" in result.reason


@pytest.mark.parametrize(
    "source",
    [
        "open('/tmp/notes', 'w').close()",
        "try:\n    for n in range(9):\n        open(f'/tmp/{n}', 'wb').write(b'x' * (60 << 20))\nexcept OSError: pass",
    ],
)
def test_a_program_that_leaves_the_setup_no_room_has_a_verdict_all_the_same(
    sandbox: BlockingSandbox, source: str
) -> None:
    setup = "with open('/tmp/notes', 'w') as notes: notes.write('x' * 100_000)"
    tests = AssertTests(tests=("assert f(4) == 2",), names=("f",), setup=setup)
    result = sandbox.run(Program(source=f"{source}\ndef f(x): return 0", tests=tests))
    assert result.outcome is ProgramOutcome.FAILED


@pytest.mark.parametrize("handled", ["raise TimeoutError", "raise KeyError", "pass"])
def test_an_endless_call_that_an_alarm_of_the_tests_is_to_break_off_ends_with_the_programs_limits(
    sandbox: BlockingSandbox, handled: str
) -> None:
    setup = f"import signal\ndef late(*_): {handled}\nsignal.signal(signal.SIGALRM, late)\nsignal.setitimer(0, 0.1)"
    tests = AssertTests(tests=("try: f()\nexcept Exception: pass",), names=("f",), setup=setup)
    limits = Limits(cpu_seconds=1.0, wall_seconds=10.0)
    result = sandbox.run(Program(source="def f():\n    while True: pass", tests=tests, limits=limits))
    assert result.outcome is ProgramOutcome.TIMEOUT
