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

ALGEBRA = frozenset(
    "difference symmetric_difference intersection union replace removeprefix removesuffix "  # noqa: SIM905
    "compare compare_signal compare_total compare_total_mag".split()
)
"""What plain values are asked for together with another: told what is expected, nothing is left of it."""
_OF_PLAIN_VALUES = (
    *_TEXT_AND_NUMBERS[:3],
    list,
    tuple,
    dict,
    set,
    frozenset,
    decimal.Decimal,
    type({}.keys()),
)

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
    return is_class_asked_for(type(proxy))


def is_class_asked_for(cls: Any) -> bool:
    """It is, or derives from, a class that the tests ask for by name."""
    return any(each in _asked_for for each in cls.__mro__)


def may_be_asked(proxy: Any, name: str, arguments: tuple[Any, ...] | None) -> None:
    """Raises AttributeError for what only plain values are asked; `arguments` are None where they are not known yet."""
    asked = name in PREDICATES or (
        name in ALGEBRA and (arguments is None or any(type(each) in _OF_PLAIN_VALUES for each in arguments))
    )
    if asked and not is_asked_for(proxy):
        kind = type(proxy).__name__
        raise AttributeError(f"'{kind}' object of the program is no plain value, which '{name}' asks for")


def made(result: Any, cls: type) -> None:
    """Note that the tests made an object themselves, of a class that they ask for."""
    from rlvr_sandbox.image.proxies import is_proxy

    if is_proxy(result) and is_class_asked_for(cls):
        object.__setattr__(result, "_rlvr_made", True)


def _is_made(value: Any) -> bool:
    from rlvr_sandbox.image.proxies import Meta

    return value in _asked_for if isinstance(value, Meta) else getattr(value, "_rlvr_made", False)


def reached(result: Any, owner: Any) -> None:
    """Note that the tests came by an object through a class that they ask for, or through what they made."""
    from rlvr_sandbox.image.proxies import Proxy

    if isinstance(result, Proxy) and (_is_made(owner) or getattr(owner, "_rlvr_reached", False) is True):
        object.__setattr__(result, "_rlvr_reached", True)


def operate(side: Any, name: str, owner: Any, other: Any, *more: Any) -> Any:
    """An arithmetic operation of an object of the program's with another object, or with a plain value.

    A plain value is told only to objects of classes that the tests ask for, which they made or came by through
    these, and gives an object of the program's, not a plain value: of `abs(root(2) - 1.4142)` the program is neither
    told the 1.4142, nor asked how far it is away.
    """
    from rlvr_sandbox.image.proxies import Proxy, is_program_owned, is_proxy

    plain = not is_program_owned(other)
    mine = _is_made(owner)
    if plain and not (mine or (getattr(owner, "_rlvr_reached", False) is True and is_asked_for(owner))):
        return NotImplemented
    result = side.ask("special", owner, name, other, *more)
    if is_proxy(result):
        if mine or _is_made(other):
            object.__setattr__(result, "_rlvr_made", True)
        heard = plain or any(getattr(each, "_rlvr_heard", False) is True for each in (owner, other))
        if heard and isinstance(result, Proxy):
            object.__setattr__(result, "_rlvr_heard", True)
    elif plain and result is not NotImplemented:
        kind = type(owner).__name__
        raise TypeError(
            f"{name} of the program's '{kind}' and a plain value gives a plain value: not counted"
        )
    return result


def operate_on_plain(side: Any, name: str, owner: Any, other: Any, native: Any, *more: Any) -> Any:
    """The same for an object that has a plain value itself, and another plain value.

    What the tests made, of a class that they ask for, has the operators of its class; where it is a number, and of
    all other objects, its value has.
    """
    if _is_made(owner) and not isinstance(owner, int | float | complex):
        return operate(side, name, owner, other, *more)
    return native(owner, other, *more) if native else NotImplemented


def may_be_a_number(proxy: Any) -> None:
    """Raises TypeError where the program made the object knowing a value that it may be compared with."""
    if getattr(proxy, "_rlvr_heard", False) is True:
        raise TypeError(f"the program's '{type(proxy).__name__}' was made knowing a value of the tests")


def may_be_looked_into(proxy: Any) -> None:
    """The same where its contents are asked for: those of what the tests made themselves are what they test."""
    if not _is_made(proxy):
        may_be_a_number(proxy)


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
