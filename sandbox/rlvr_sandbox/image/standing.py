"""What the tests may ask an object of the program: never whether it is what they expect.

The program may not be told what is expected and then asked whether its object is that, or is less, or contains
it: it would say yes. These rules are the tests' side's, and the reason that an object which answers every question
with yes earns nothing.
"""

from __future__ import annotations

import datetime
import decimal
import dis
import fractions
import types
from typing import Any

_TEXT_AND_NUMBERS = (str, bytes, bytearray, int, float, complex, bool, list, tuple, dict, set, frozenset)
PREDICATES = frozenset(
    name
    for each in (*_TEXT_AND_NUMBERS, decimal.Decimal, fractions.Fraction, datetime.datetime, range)
    for name in dir(each)
    if name.startswith(("is", "startswith", "endswith")) and not name.startswith("iso")
)
"""What plain values are asked to be told yes or no: of an object of the program's, only its class is asked so."""

_asked_for: set[type] = set()
_may_suppress = False


def begin(asked_for: set[type], may_suppress: bool) -> None:
    """Say which classes the tests ask the program for, and whether its context managers may swallow errors."""
    global _may_suppress
    _asked_for.clear()
    _asked_for.update(asked_for)
    _may_suppress = may_suppress


def is_asked_for(proxy: Any) -> bool:
    """The tests ask for its class by name, so that what it says of itself is what they test."""
    return any(each in _asked_for for each in type(proxy).__mro__)


def may_be_asked(proxy: Any, name: str) -> None:
    """Raises AttributeError for what only plain values are asked."""
    if name in PREDICATES and not is_asked_for(proxy):
        kind = type(proxy).__name__
        raise AttributeError(f"'{kind}' object of the program is no plain value, which '{name}' asks for")


def heard(result: Any, owner: Any, name: str) -> Any:
    """The result of an operation that told the program a value of the tests: an object of its own, or nothing."""
    from rlvr_sandbox.image.proxies import Proxy

    if result is NotImplemented:
        return result
    if not isinstance(result, Proxy):
        kind = type(owner).__name__
        raise TypeError(
            f"{name} of the program's '{kind}' and a plain value gives a plain value: not counted"
        )
    object.__setattr__(result, "_rlvr_heard", True)
    return result


def may_be_a_number(proxy: Any) -> None:
    """Raises TypeError where the program made the object knowing a value that it may be compared with."""
    if getattr(proxy, "_rlvr_heard", False):
        raise TypeError(f"the program's '{type(proxy).__name__}' was made knowing a value of the tests")


def may_be_suppressed(error: BaseException, trace: types.TracebackType | None) -> bool:
    """An error that the tests raised on purpose, or that the program raised: never a failed assertion."""
    if not _may_suppress or isinstance(error, AssertionError):
        return False
    if hasattr(error, "__program_raised__"):
        return True
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
