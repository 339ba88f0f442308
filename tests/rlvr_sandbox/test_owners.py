"""Containers of clients that are gone are told from those of clients that live."""

import dataclasses
import subprocess
import sys
from typing import Any

from rlvr_sandbox.engines.owners import Owner, abandoned

NOW = 1_000_000.0


def container(owner: Owner, *, state: str = "running", age: float = 1.0) -> dict[str, Any]:
    return {"Labels": owner.labels(), "State": state, "Created": NOW - age}


def ended_process() -> Owner:
    code = "from rlvr_sandbox.engines.owners import Owner; o = Owner.this_process(); print(o.machine, o.pid, o.born)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    return Owner(machine=said[0], pid=int(said[1]), born=said[2])


def test_a_living_process_keeps_its_containers_whatever_their_state_and_age():
    ours = Owner.this_process()
    assert not abandoned(container(ours), NOW)
    assert not abandoned(container(ours, state="created", age=1e6), NOW)


def test_an_ended_process_has_abandoned_its_containers():
    gone = ended_process()
    assert gone.machine == Owner.this_process().machine
    assert abandoned(container(gone), NOW)
    assert abandoned(container(gone, state="created"), NOW)


def test_a_process_that_was_given_an_ended_ones_number_does_not_own_its_containers():
    ours = Owner.this_process()
    assert abandoned(container(dataclasses.replace(ours, born=str(int(ours.born) - 1))), NOW)


def test_running_containers_of_another_machine_are_never_taken_for_abandoned():
    theirs = dataclasses.replace(ended_process(), machine="another")
    assert not abandoned(container(theirs, age=1e6), NOW)


def test_another_machines_containers_that_never_started_are_abandoned_after_ten_minutes():
    theirs = dataclasses.replace(Owner.this_process(), machine="another")
    assert not abandoned(container(theirs, state="created", age=599), NOW)
    assert abandoned(container(theirs, state="created", age=601), NOW)


def test_labels_that_cannot_be_read_are_nobodys_on_this_machine():
    broken = {**Owner.this_process().labels(), "rlvr_sandbox.process": "what"}
    assert abandoned({"Labels": broken, "State": "running", "Created": NOW}, NOW)
