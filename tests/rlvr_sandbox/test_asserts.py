"""Tests of assert style: what a program cannot get out of by what it says of itself."""

import pytest
from rlvr_sandbox import AssertTests, BlockingSandbox, Program, ProgramOutcome


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
