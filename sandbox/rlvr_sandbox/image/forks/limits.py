"""Limits of what programs may use: those of all, which the zygote takes itself, and those of each."""

from __future__ import annotations

import _thread
import ctypes
import math
import os
import resource

from rlvr_sandbox.image.messages import Message

_FILE_BYTES = 64 << 20
_STACK_BYTES = 1 << 30
_THREAD_STACK_BYTES = 16 << 20
_ADDRESS_SPACE_BESIDE_MEMORY = _STACK_BYTES + (1 << 30)
_THREADS_WHERE_UNLIMITED = 128
_ADDRESS_SPACE_OF_THREAD = _THREAD_STACK_BYTES + (1 << 20)


def set_thread_stacks(libc: ctypes.CDLL) -> None:
    """Threads get a stack of ordinary size: by default glibc gives each as much as the main thread may grow to."""
    _thread.stack_size(_THREAD_STACK_BYTES)
    attributes = ctypes.create_string_buffer(256)
    libc.pthread_attr_init(attributes)
    libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_THREAD_STACK_BYTES))
    libc.pthread_setattr_default_np(attributes)


def limit_all_forks() -> None:
    """Limits that are the same for all programs, taken by the zygote itself: its forks inherit them."""
    stack = _allowed(resource.RLIMIT_STACK, _STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_STACK, (stack, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    for what, value in (
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        if resource.getrlimit(what) != (value, value):  # gVisor lets some be set by nobody
            resource.setrlimit(what, (value, value))


def limit(limits: Message) -> None:
    """The limits of one program, taken by its process."""
    cpu = math.ceil(limits["cpu_seconds"])
    threads = limits["processes"] or _THREADS_WHERE_UNLIMITED
    memory = limits["memory_bytes"] + _ADDRESS_SPACE_BESIDE_MEMORY + threads * _ADDRESS_SPACE_OF_THREAD
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if limits["processes"] is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"], limits["processes"]))
    score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(score, b"1000")
    os.close(score)


def _allowed(what: int, wanted: int) -> int:
    hard = resource.getrlimit(what)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
