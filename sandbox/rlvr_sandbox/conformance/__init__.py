"""Attacks that must not fool a sandbox, and honest programs that it must not refuse: to run against any backend.

    from rlvr_sandbox import Sandbox, conformance

    with Sandbox.open_sync(my_backend, slots=1) as sandbox:
        assert conformance.complaints(sandbox) == []

A sandbox is anything with `run(program) -> Result`. Let it have one slot: some attacks leave traps for the
next program, which must run where they did.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

from rlvr_sandbox.conformance.cases import BLAMED, Attack, Honest, stdio
from rlvr_sandbox.conformance.honest import asserts as honest_asserts
from rlvr_sandbox.conformance.honest import calls as honest_calls
from rlvr_sandbox.conformance.honest import computing as honest_computing
from rlvr_sandbox.conformance.honest import machine as honest_machine
from rlvr_sandbox.conformance.honest import objects as honest_objects
from rlvr_sandbox.conformance.honest import sharing as honest_sharing
from rlvr_sandbox.conformance.honest import stdio as honest_stdio
from rlvr_sandbox.conformance.machine import accounting, bombs, escapes, huge_answers, leftovers
from rlvr_sandbox.conformance.verdicts import (
    always_equal,
    early_exit,
    forged_answers,
    forged_verdicts,
    malformed,
    reaching_in,
    reading_the_tests,
    saying_yes,
    tampering,
    weak_comparisons,
)
from rlvr_sandbox.programs import Limits, Program
from rlvr_sandbox.results import ProgramOutcome, Result

__all__ = [
    "ATTACKS",
    "BLAMED",
    "FAMILIES",
    "HONEST",
    "HONEST_FAMILIES",
    "Attack",
    "Honest",
    "Runs",
    "complaint_about_attack",
    "complaint_about_honest",
    "complaints",
    "lacks",
]

FAMILIES: dict[str, tuple[Attack, ...]] = {
    "early exit": early_exit.ATTACKS,
    "forged verdicts": forged_verdicts.ATTACKS,
    "forged answers": forged_answers.ATTACKS,
    "always equal": always_equal.ATTACKS,
    "saying yes": saying_yes.ATTACKS,
    "weak comparisons": weak_comparisons.ATTACKS,
    "reaching in": reaching_in.ATTACKS,
    "tampering": tampering.ATTACKS,
    "reading the tests": reading_the_tests.ATTACKS,
    "leftovers": leftovers.ATTACKS,
    "bombs": bombs.ATTACKS,
    "accounting": accounting.ATTACKS,
    "huge answers": huge_answers.ATTACKS,
    "escapes": escapes.ATTACKS,
    "malformed": malformed.ATTACKS,
}
ATTACKS = tuple(attack for family in FAMILIES.values() for attack in family)

HONEST_FAMILIES: dict[str, tuple[Honest, ...]] = {
    "stdio": honest_stdio.HONEST,
    "computing": honest_computing.HONEST,
    "machine": honest_machine.HONEST,
    "calls": honest_calls.HONEST,
    "asserts": honest_asserts.HONEST,
    "objects": honest_objects.HONEST,
    "sharing": honest_sharing.HONEST,
}
HONEST = tuple(honest for family in HONEST_FAMILIES.values() for honest in family)

GRACE_SECONDS = 20.0
"""The time that judging an attack may take beyond the wall-clock limits of its executions."""


class Runs(Protocol):
    """The part of a sandbox that the suite needs."""

    def run(self, program: Program) -> Result:
        """Judge one program."""
        ...


def complaints(
    sandbox: Runs, attacks: Iterable[Attack] = ATTACKS, honest: Iterable[Honest] = HONEST
) -> list[str]:
    """Everything that is wrong with `sandbox`: what fooled or broke it, and what it refused wrongly."""
    found = [complaint_about_attack(sandbox, attack) for attack in attacks]
    found += [complaint_about_honest(sandbox, each) for each in honest if not lacks(sandbox, each.modules)]
    return [complaint for complaint in found if complaint]


def complaint_about_attack(sandbox: Runs, attack: Attack) -> str | None:
    """Return the way in which `attack` succeeded; None where it did not.

    It succeeds when one of its tests passes, when there is no verdict on it, when judging it takes far
    longer than its limits allow, or when an honest program that runs next does not pass.
    """
    for program in attack.before:
        sandbox.run(program)
    started = time.monotonic()
    result = sandbox.run(attack.program)
    seconds = time.monotonic() - started
    who = f"{attack.name} ({attack.says})"
    if result.passed:
        return f"{who} passed {result.passed} of {result.total} tests"
    if result.outcome not in attack.outcomes:
        wanted = ", ".join(sorted(outcome.value for outcome in attack.outcomes))
        return f"{who} ended as {_shown(result)}; it may end as {wanted}"
    if seconds > _longest(attack.program) + GRACE_SECONDS:
        return (
            f"{who} took {seconds:.1f} s to judge; its executions may take {_longest(attack.program):.1f} s"
        )
    for program in (*attack.after, _UNDISTURBED):
        after = sandbox.run(program)
        if after.outcome is not ProgramOutcome.PASSED:
            return f"{who} disturbed the next program, which ended as {_shown(after)}"
    return None


def complaint_about_honest(sandbox: Runs, honest: Honest) -> str | None:
    """Return the reason why `honest` was refused; None where it passed, as it must."""
    result = sandbox.run(honest.program)
    if result.outcome is ProgramOutcome.PASSED and result.passed == result.total:
        return None
    return f"{honest.name} ({honest.says}) ended as {_shown(result)}"


def lacks(sandbox: Runs, modules: Iterable[str]) -> list[str]:
    """Return the `modules` that programs cannot import in `sandbox`."""
    return [
        name
        for name in modules
        if sandbox.run(
            Program(source=f"import {name}\nprint('there')\n", tests=stdio(("", "there\n")))
        ).outcome
        is not ProgramOutcome.PASSED
    ]


def _longest(program: Program) -> float:
    tests = getattr(program.tests, "tests", ())
    return program.limits.wall_seconds * max(1, len(tests))


def _shown(result: Result) -> str:
    failure = f"; got {result.first_failure.got[:300]!r}" if result.first_failure else ""
    return f"{result.outcome.value} ({result.reason}{failure}; stderr: {result.stderr[-300:]!r})"


_UNDISTURBED = Program(
    source="print(*sorted(map(int, input().split())))\n",
    tests=stdio(("3 1 2\n", "1 2 3\n")),
    limits=Limits(cpu_seconds=5),
)
