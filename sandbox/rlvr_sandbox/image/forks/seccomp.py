"""A seccomp filter, on top of whatever the backend has: system calls that no honest program needs.

The zygote puts it on itself before it forks anything; so every program and test run begins with it.

A list of refusals, as programs and their libraries use too much to list: what reaches deep into the kernel, into
other processes, or across namespaces. Refused calls fail with EPERM, `clone3` with ENOSYS, so that the C library
falls back to `clone`, whose flags can be seen. On machines other than x86-64 and 64-bit Arm there is no filter.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct

_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _JUMP_GREATER_OR_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

# name: (number on x86-64, number on 64-bit Arm)
_REFUSED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "personality": (135, 92),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "vhangup": (153, 58),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
}
_MEMFD_CREATE = (319, 279)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_SOCKET = (41, 198)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def build(machine: str = "", *, memory_files: bool = True) -> bytes:
    """The filter's instructions for a machine, this one by default; empty where there is none for it.

    Args:
        memory_files: whether files in memory without a name may be made: their bytes belong to no process.
    """
    found = _MACHINES.get(machine or platform.machine())
    if found is None:
        return b""
    column, architecture = found
    code = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    if column == 0:
        code += [(_JUMP_GREATER_OR_EQUAL, 0, 1, _X32_BIT), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    for numbers in (*_REFUSED.values(), *([] if memory_files else [_MEMFD_CREATE])):
        code += [(_JUMP_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    code += [(_JUMP_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    code += [
        (_JUMP_EQUAL, 0, 4, _CLONE[column]),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_JUMP_EQUAL, 1, 0, _SOCKET[column]),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
    ]
    for family in _FAMILIES:
        code += [(_JUMP_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    code += [(_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


class Filter:
    """A filter, ready to be put on processes."""

    def __init__(self, *, memory_files: bool = True) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        instructions = build(memory_files=memory_files)
        self._buffer = ctypes.create_string_buffer(instructions, len(instructions))
        count = len(instructions) // 8
        self._program = struct.pack("@HxxxxxxP", count, ctypes.addressof(self._buffer)) if count else b""

    def put_on(self) -> None:
        """Filter the calls of this process and all it will start, for good. Raises OSError."""
        if not self._program:
            return
        self._call(_PR_SET_NO_NEW_PRIVS, 1, None)
        self._call(_PR_SET_SECCOMP, _FILTER, self._program)

    def _call(self, option: int, value: int, pointer: bytes | None) -> None:
        if self._libc.prctl(option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)):
            raise OSError(ctypes.get_errno(), "prctl")
