"""Nothing fools the sandbox, and nothing honest is refused, whatever the backend."""

import fcntl
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rlvr_sandbox import CaseResult, Program, ProgramOutcome, Result, Trust, conformance
from rlvr_sandbox.conformance.machine.escapes import escapes_to


@pytest.mark.parametrize("attack", conformance.ATTACKS, ids=lambda attack: attack.name)
def test_no_attack_fools_the_sandbox_or_disturbs_the_next_program(sandbox, attack):
    with one_bomb_at_a_time(attack):
        assert conformance.complaint_about_attack(sandbox, attack) is None


@contextmanager
def one_bomb_at_a_time(attack: conformance.Attack) -> Iterator[None]:
    """Keep bombs of processes that test beside this one apart: two of them leave a small machine no time to judge."""
    if attack not in conformance.FAMILIES["bombs"]:
        yield
        return
    with (Path(tempfile.gettempdir()) / "rlvr-tests-bombs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("honest", conformance.HONEST, ids=lambda honest: honest.name)
def test_no_honest_program_is_refused(sandbox, honest):
    if missing := conformance.lacks(sandbox, honest.modules):
        pytest.skip(f"programs in this sandbox cannot import {', '.join(missing)}")
    assert conformance.complaint_about_honest(sandbox, honest) is None


def test_no_program_reaches_a_file_or_a_port_of_this_host(sandbox, tmp_path):
    tmp_path.chmod(0o755)
    secret = tmp_path / "secret.txt"
    secret.write_text("what only this host knows\n")
    with socket.create_server(("", 0)) as server:
        attacks = escapes_to(secret, server.getsockname()[1])
        assert conformance.complaints(sandbox, attacks=attacks, honest=()) == []


def test_the_suite_is_of_the_size_that_is_promised():
    assert len(conformance.ATTACKS) >= 120
    assert len(conformance.HONEST) >= 80


def test_every_program_of_the_suite_has_a_name_of_its_own_and_says_in_a_line_what_it_does():
    everything = [*conformance.ATTACKS, *conformance.HONEST]
    assert [name for name, count in Counter(each.name for each in everything).items() if count > 1] == []
    assert all(each.says.endswith(".") and "\n" not in each.says for each in everything)


class Gullible:
    """A sandbox that says of every program the same."""

    def __init__(self, outcome):
        self.outcome = outcome

    def run(self, program: Program) -> Result:
        test = CaseResult(outcome=self.outcome)
        return Result(
            outcome=self.outcome,
            reason="",
            tests=(test,) * len(program.tests.tests),
            first_failure=None,
            stdout="",
            stderr="",
            cpu_seconds=0.0,
            wall_seconds=0.0,
            slowest_cpu_seconds=0.0,
            peak_memory_bytes=0,
            backend="gullible",
            trust=Trust.UNSAFE,
        )


def test_a_sandbox_that_passes_everything_is_fooled_by_every_attack():
    found = conformance.complaints(Gullible(ProgramOutcome.PASSED))
    assert len(found) == len(conformance.ATTACKS)


def test_a_sandbox_that_passes_nothing_refuses_every_honest_program_and_disturbs_what_follows():
    found = conformance.complaints(Gullible(ProgramOutcome.FAILED))
    needy = [honest for honest in conformance.HONEST if honest.modules]
    assert len(found) == len(conformance.ATTACKS) + len(conformance.HONEST) - len(needy)


def test_a_sandbox_without_verdicts_is_not_conforming_either():
    found = conformance.complaints(Gullible(ProgramOutcome.UNSCORED), honest=())
    assert len(found) == len(conformance.ATTACKS)
