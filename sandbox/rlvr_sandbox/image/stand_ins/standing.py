"""Rules on what the tests may ask an object of the program: never for a verdict on itself.

The program may not be told what is expected and then asked whether its object is that, or is less, or contains
it: it would say yes. These rules are the tests' side's, and the reason that an object which answers every question
with yes earns nothing.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import dis
import fractions
import types
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.stand_ins.asks import Asks

_TEXT_AND_NUMBERS = (str, bytes, bytearray, int, float, complex, bool, list, tuple, dict, set, frozenset)
PREDICATES = frozenset(
    name
    for each in (*_TEXT_AND_NUMBERS, decimal.Decimal, fractions.Fraction, datetime.datetime, range)
    for name in dir(each)
    if name.startswith(("is", "startswith", "endswith")) and not name.startswith("iso")
)
"""Questions to plain values with the answer yes or no: of the program's objects, only some classes are asked them."""

ALGEBRA = frozenset(
    "difference symmetric_difference intersection union replace removeprefix removesuffix "  # noqa: SIM905
    "compare compare_signal compare_total compare_total_mag".split()
)
"""Questions to plain values that tell them another: nothing is left of what is expected."""
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
_guarded: dict[str, list[range]] = {}
"""The lines of each `with` in which something is asserted, in the setup and in the test that runs."""


class NotCounted(TypeError):
    """An object of the program's was asked for what would be the verdict."""


def begin(asked_for: set[type]) -> None:
    """Say which classes the tests ask the program for."""
    _asked_for.clear()
    _asked_for.update(asked_for)


def run_next(file: str, source: str) -> None:
    """Say what is run next, under which file name."""
    _guarded[file] = []
    if "with" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.With | ast.AsyncWith) and any(
            isinstance(e, ast.Assert) for e in ast.walk(node)
        ):
            _guarded[file].append(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def is_asked_for(proxy: object) -> bool:
    """The tests ask for its class by name, so that what it says of itself is what they test."""
    return is_class_asked_for(type(proxy))


def is_class_asked_for(cls: Any) -> bool:
    """It is, or derives from, a class that the tests ask for by name."""
    return any(each in _asked_for for each in cls.__mro__)


def may_be_asked(proxy: object, name: str, arguments: tuple[object, ...] | None) -> None:
    """Raises AttributeError for what only plain values are asked; `arguments` are None where they are not known yet."""
    asked = name in PREDICATES or (
        name in ALGEBRA and (arguments is None or any(type(each) in _OF_PLAIN_VALUES for each in arguments))
    )
    if asked and not is_asked_for(proxy):
        kind = type(proxy).__name__
        raise AttributeError(f"'{kind}' object of the program is no plain value, which '{name}' asks for")


def made(result: object, cls: type) -> None:
    """Note that the tests made an object themselves, of a class that they ask for."""
    from rlvr_sandbox.image.stand_ins.proxies import is_proxy

    if is_proxy(result) and is_class_asked_for(cls):
        object.__setattr__(result, "_rlvr_made", True)


def is_made(value: object) -> bool:
    """The tests made it themselves, or it came of what they made by an operator; or it is a class they ask for."""
    from rlvr_sandbox.image.stand_ins.proxies import Meta

    return value in _asked_for if isinstance(value, Meta) else getattr(value, "_rlvr_made", False)


def reached(result: object, owner: object) -> None:
    """Note that the tests came by an object through a class that they ask for, or through what they made."""
    from rlvr_sandbox.image.stand_ins.proxies import Proxy

    if isinstance(result, Proxy) and (is_made(owner) or getattr(owner, "_rlvr_reached", False) is True):
        object.__setattr__(result, "_rlvr_reached", True)


def operate(side: Asks, name: str, owner: object, other: object, *more: object) -> object:
    """An arithmetic operation of an object of the program's with another object, or with a plain value.

    A plain value is told only to objects of classes that the tests ask for, which they made or came by through
    these, and gives an object of the program's, not a plain value: of `abs(root(2) - 1.4142)` the program is neither
    told the 1.4142, nor asked how far it is away.
    """
    from rlvr_sandbox.image.stand_ins.proxies import Proxy, is_program_owned, is_proxy

    plain = not is_program_owned(other)
    mine = is_made(owner)
    if plain and not (mine or (getattr(owner, "_rlvr_reached", False) is True and is_asked_for(owner))):
        return NotImplemented
    result = side.ask("special", owner, name, other, *more)
    if is_proxy(result):
        if mine or is_made(other):
            object.__setattr__(result, "_rlvr_made", True)
        heard = plain or any(getattr(each, "_rlvr_heard", False) is True for each in (owner, other))
        if heard and isinstance(result, Proxy):
            object.__setattr__(result, "_rlvr_heard", True)
    elif plain and result is not NotImplemented:
        kind = type(owner).__name__
        raise NotCounted(
            f"{name} of the program's '{kind}' and a plain value gives a plain value: not counted"
        )
    return result


def operate_on_plain(
    side: Asks, name: str, owner: object, other: object, native: Callable[..., object] | None, *more: object
) -> object:
    """The same for an object that has a plain value itself, and another plain value.

    What the tests made, of a class that they ask for, has the operators of its class; where it is a number, only as
    far as these say what the number's own say. All other objects have the operators of their value.
    """
    if not is_made(owner):
        return native(owner, other, *more) if native else NotImplemented
    result = operate(side, name, owner, other, *more)
    if isinstance(owner, int | float | complex) and result is not NotImplemented:
        known = native(owner, other, *more) if native else NotImplemented
        number: Any = type(known)  # whose comparison is asked: the result's own is the program's
        if not isinstance(result, int | float | complex) or number.__eq__(known, result) is not True:
            raise NotCounted(
                f"{name} of a number of the program's and a plain value is another number: not counted"
            )
    return result


def must_agree(proxy: object, said: object) -> None:
    """Raises NotCounted where an object's class denies what holds of its plain value."""
    if said is not True:
        raise NotCounted(
            f"the program's '{type(proxy).__name__}' compares in another way than its value: not counted"
        )


def may_be_a_number(proxy: object) -> None:
    """Raises NotCounted where the program made the object knowing a value that it may be compared with."""
    if getattr(proxy, "_rlvr_heard", False) is True:
        raise NotCounted(f"the program's '{type(proxy).__name__}' was made knowing a value of the tests")


def may_be_looked_into(proxy: object) -> None:
    """The same where its contents are asked for: those of what the tests made themselves are what they test."""
    if not is_made(proxy):
        may_be_a_number(proxy)


def may_be_suppressed(error: BaseException, trace: types.TracebackType | None) -> bool:
    """An error of a `with` in which nothing is asserted, and that is no failed assertion and nothing refused here."""
    if trace is None or isinstance(error, AssertionError | NotCounted):
        return False
    file = trace.tb_frame.f_code.co_filename
    if any(trace.tb_lineno in lines for lines in _guarded.get(file, ())):
        return False  # what comes after it in there would not be looked at
    if hasattr(error, "__program_raised__") or not isinstance(error, TypeError | AttributeError | NameError):
        return True
    while trace.tb_next is not None:
        trace = trace.tb_next
    if trace.tb_frame.f_code.co_filename not in _guarded:
        return False  # as an object of the program is no number, or lacks what plain values have
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
