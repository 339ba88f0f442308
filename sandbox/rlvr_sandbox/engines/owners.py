"""Whose a container is, said so that others can tell when its owner is gone."""

from __future__ import annotations

import functools
import hashlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

OWNED = "rlvr_sandbox"
MACHINE = "rlvr_sandbox.machine"
PROCESS = "rlvr_sandbox.process"

STARTING_SECONDS = 600.0
"""A container that another machine created is running by then, or its creator is gone."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, told apart from all others that ever were, on any machine."""

    machine: str
    """Hash of what is the same for all processes that see each other's numbers, until the machine restarts."""
    pid: int
    born: str
    """When the process began, in the kernel's count: its number may be given again to another."""

    @classmethod
    def this_process(cls) -> Self:
        """The owner of what this process starts."""
        return cls(machine=_machine(), pid=os.getpid(), born=_birth(os.getpid()) or "0")

    def labels(self) -> dict[str, str]:
        """Return the labels to write on containers."""
        return {OWNED: "1", MACHINE: self.machine, PROCESS: f"{self.pid}.{self.born}"}


def abandoned(container: Mapping[str, Any], now: float) -> bool:
    """Return True where a container's owner is gone for certain.

    Of this machine's processes we know. Of another machine's we know only that it takes no ten minutes to
    start a container; those of its containers that run end by themselves when their connection does.

    Args:
        container: as an engine lists it.
        now: the time by the engine's clock.
    """
    labels = container["Labels"]
    if labels.get(MACHINE) == _machine():
        pid, _, born = labels.get(PROCESS, "").partition(".")
        return not pid.isdecimal() or _birth(int(pid)) != born
    return container["State"] != "running" and now - container["Created"] > STARTING_SECONDS


@functools.cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        numbering = os.readlink("/proc/self/ns/pid")
    except OSError:
        return uuid.uuid4().hex[:16]  # nothing here says which processes live: no other process is judged
    return hashlib.sha256(f"{boot} {numbering}".encode()).hexdigest()[:16]


def _birth(pid: int) -> str | None:
    """When a process began; None when there is none of that number, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
