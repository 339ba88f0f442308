"""Compare values: exactly where both are rational, else at two precisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.nodes import Node
from rlvr_gym.verifiers.math.expressions.numbers import (
    DIGITS,
    MAX_BITS,
    SPARE_DIGITS,
    Numbers,
    Undecided,
    Value,
    numbers,
)

_FINER_DIGITS = 120
"""Equal values must agree at this precision and at the usual one."""


def equal(a: Node, b: Node, variables: Mapping[str, Fraction]) -> bool:
    """Return whether two expressions have the same value at that point. Raises NoValue and Undecided."""
    context = numbers()
    x, y = context.value(a, variables), context.value(b, variables)
    return equal_values(x, y, lambda finer: (finer.value(a, variables), finer.value(b, variables)))


def equal_values(x: Value, y: Value, again: Callable[[Numbers], tuple[Value, Value]]) -> bool:
    """Return whether two values are the same; `again` gives both with more digits.

    Rational values are compared exactly, others relatively, at two precisions: values that agree only at the lower
    one differ. A difference that shrinks as the precision grows is a rounding error, as when both values are a
    disguised zero; one that stays is real, however small.
    """
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x == y
    context, finer = numbers(), numbers(_FINER_DIGITS)
    if not (context.mp.isfinite(context.real(x)) and context.mp.isfinite(context.real(y))):
        return bool(context.real(x) == context.real(y))
    agreed = _agree(context, x, y)
    rough, x, y = context.real(x) - context.real(y), *again(finer)
    if _agree(finer, x, y):
        if agreed and finer.magnitude(x) > MAX_BITS:
            raise Undecided("too large to tell apart")
        return True
    rounding_error = min(abs(rough), 1) * finer.mp.mpf(10) ** -(_FINER_DIGITS - DIGITS - SPARE_DIGITS)
    return bool(abs(finer.real(x) - finer.real(y)) <= rounding_error)


def _agree(context: Numbers, x: Value, y: Value) -> bool:
    x, y = context.real(x), context.real(y)
    return bool(abs(x - y) <= max(abs(x), abs(y)) * context.mp.mpf(10) ** (SPARE_DIGITS - context.mp.dps))


def right_to_six_digits(decimal: Fraction, value: Value) -> bool:
    """Return whether a decimal is the value, rounded or cut to at least six significant digits."""
    context = numbers()
    value = context.real(value)
    if isinstance(value, context.mp.mpc) or not value or not decimal or not context.mp.isfinite(value):
        return False
    if context.magnitude(value) > 4000 or context.magnitude(value) < -4000:
        return False
    scale = context.mp.mpf(10) ** (6 - 1 - int(context.mp.floor(context.mp.log10(abs(value)))))
    given, true = context.real(decimal) * scale, value * scale
    rounded = context.mp.nint(given) == context.mp.nint(true)
    return bool(rounded or int(given) == int(true))


def terminating(value: Fraction) -> bool:
    """Return whether a rational value has a finite decimal."""
    rest = value.denominator
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    return rest == 1
