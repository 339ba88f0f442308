"""Limits of CPU time that mean the same on a slow or busy machine as on a fast and idle one."""

import gc
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

_REFERENCE_SECONDS = 0.027
"""The time that `_reference` takes on a core that has nothing else to do, at 2.5 GHz or so."""


@contextmanager
def at_most(seconds: float, what: object = None) -> Iterator[None]:
    """Hold what runs inside to so many seconds of CPU time of an idle machine.

    A core that is shared makes the same work take more CPU time. So does a slow one. How much more is measured on a
    piece of work that is always the same. Garbage of the tests before is not collected meanwhile.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        began = time.process_time()
        yield
        took = time.process_time() - began
    finally:
        if collecting:
            gc.enable()
    if took >= seconds:
        slowness = max(1.0, statistics.mean(_reference() for _ in range(5)) / _REFERENCE_SECONDS)
        assert took / slowness < seconds, (
            f"{what or 'it'} took {took:.2f} s at {slowness:.2f} of the usual pace"
        )


def _reference() -> float:
    began = time.process_time()
    total = 0
    for number in range(1_000_000):
        total += number & 7
    return time.process_time() - began
