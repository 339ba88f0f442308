"""The filter on the program's system calls."""

import struct

import pytest
from rlvr_sandbox.image.forks import seccomp

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
X86_64, ARM64 = 0xC000003E, 0xC00000B7


def verdict(machine: str, architecture: int, number: int, argument: int = 0) -> int:
    """Run the filter, and return what the kernel would do."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, argument, 0, 0, 0, 0, 0)
    code = [
        struct.unpack_from("=HBBI", seccomp.build(machine), at)
        for at in range(0, 8 * 500, 8)[:]
        if at < len(seccomp.build(machine))
    ]
    at, register = 0, 0
    while True:
        operation, when_true, when_false, value = code[at]
        at += 1
        if operation == 0x20:
            (register,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return value
        else:
            holds = {0x15: register == value, 0x45: bool(register & value), 0x35: register >= value}[
                operation
            ]
            at += when_true if holds else when_false


@pytest.mark.parametrize(
    ("machine", "architecture", "numbers"),
    [
        (
            "x86_64",
            X86_64,
            {"read": 0, "clone": 56, "clone3": 435, "socket": 41, "ptrace": 101, "shmget": 29},
        ),
        (
            "aarch64",
            ARM64,
            {"read": 63, "clone": 220, "clone3": 435, "socket": 198, "ptrace": 117, "shmget": 194},
        ),
    ],
)
def test_the_filter_refuses_what_no_honest_program_needs(
    machine: str, architecture: int, numbers: dict[str, int]
) -> None:
    assert verdict(machine, architecture, numbers["read"]) == ALLOW
    assert verdict(machine, architecture, numbers["ptrace"]) == EPERM
    assert verdict(machine, architecture, numbers["shmget"]) == EPERM
    assert verdict(machine, architecture, numbers["clone3"]) == ENOSYS
    assert verdict(machine, architecture, numbers["clone"], 17) == ALLOW
    assert verdict(machine, architecture, numbers["clone"], 0x10000000 | 17) == EPERM
    assert verdict(machine, architecture, numbers["socket"], 1) == ALLOW
    assert verdict(machine, architecture, numbers["socket"], 40) == EPERM
    assert verdict(machine, architecture, numbers["socket"], 38) == EPERM


def test_calls_of_another_architecture_end_the_process() -> None:
    assert verdict("x86_64", 0x40000003, 0) == KILL
    assert verdict("x86_64", X86_64, 0x40000000 | 101) == EPERM


def test_there_is_no_filter_for_a_machine_whose_numbers_are_not_known() -> None:
    assert seccomp.build("riscv64") == b""
