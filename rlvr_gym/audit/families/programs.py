"""Programs that pass tests without solving the task: for answers that are programs."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Subject
from rlvr_gym.verifiers.attacks import Attack, Expectation
from rlvr_gym.verifiers.code.cheats import CHEATS, HOSTILE, PRINTING
from rlvr_gym.verifiers.code.cheats import PROGRAMS as NAME


def programs(entry_point: str) -> Iterator[tuple[str, str]]:
    """Yield each cheating or hostile program: its aim, and its source, which defines the function `entry_point`."""
    for says, program in {**CHEATS, **HOSTILE}.items():
        yield says, program.lstrip("\n").replace("ENTRY_POINT", entry_point)


def program_attacks(entry_point: str) -> Iterator[Attack]:
    """The programs as attacks in fenced blocks, for an environment's own `audit_attacks`.

    Environments whose solutions hold a Python function get them without asking.
    """
    for says, program in programs(entry_point):
        text = f"```python\n{program}```"
        yield Attack(family=NAME, tries=says, text=text, expectation=Expectation.FAIL)


def tries(subject: Subject) -> Iterator[Try]:
    """Cheats in the place of the solution, where that is a Python program or the rest of a function."""
    if subject.frame and subject.program:
        for says, program in programs(subject.entry_point or "main"):
            yield Try(says=says, text=subject.frame.around(program))
        for says, program in PRINTING.items():
            yield Try(says=says, text=subject.frame.around(program.lstrip("\n")))
    elif subject.continuation:
        for says, program in programs("cheat"):
            yield Try(says=says, text=f"{indent(program, '    ')}    return cheat()\n")


FAMILY = Family(
    name=NAME,
    about="programs that pass tests without solving the task",
    expectation=Expectation.FAIL,
    tries=tries,
    tasks=3,
)
