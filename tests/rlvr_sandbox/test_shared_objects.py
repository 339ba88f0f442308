"""Objects shared by tests and program, beyond the programs of the conformance suite."""

from rlvr_sandbox import AssertTests, BlockingSandbox, Program, ProgramOutcome


def judged(box: BlockingSandbox, source: str, names: str, *tests: str, setup: str = "") -> ProgramOutcome:
    asked = AssertTests(tests=tests, names=tuple(names.split()), setup=setup)
    return box.run(Program(source=source, tests=asked, stop_at_first_failure=False)).outcome


def test_a_program_that_answers_with_plain_data_is_judged_all_the_same(sandbox: BlockingSandbox) -> None:
    """It is never called then, and its tests go on with what they got."""
    assert (
        judged(sandbox, "Stack = list", "Stack", "s = Stack()", "assert s.peek() == 4")
        is ProgramOutcome.FAILED
    )


def test_a_name_that_the_program_lacks_is_no_builtin_instead(sandbox: BlockingSandbox) -> None:
    assert judged(sandbox, "x = 1", "sum", "assert sum([1, 2]) == 3") is ProgramOutcome.INVALID


def test_what_is_no_longer_held_is_forgotten(sandbox: BlockingSandbox) -> None:
    """A hundred thousand lists that come and go cost no more than they must."""
    loop = "for i in range(20_000):\n    assert f([i, [i]]) == [[i], i]"
    assert judged(sandbox, "def f(a): return a[::-1]", "f", loop) is ProgramOutcome.PASSED
