"""Compare two expressions, as values or as functions of their variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial

from rlvr_gym.verifiers.math.expressions.nodes import (
    SERIES,
    Node,
    Num,
    Op,
    fingerprint,
    in_series_bounds,
    mentions,
    symbols,
    with_plain_indices,
)
from rlvr_gym.verifiers.math.expressions.numbers import NoValue, Numbers, TooLarge, Undecided, Value, numbers
from rlvr_gym.verifiers.math.expressions.values import equal, equal_values, right_to_six_digits, terminating

_POINTS = 6
_TRIES = 24
_MAX_VARIABLES = 12
_IN_PIECES = ("abs", "floor", "ceil", "mod", "max", "min", "sgn", "gcd", "lcm")
"""Functions that may agree with another near 0 and not far from it."""
_FAR = 1009


def points(a: Node, b: Node) -> Iterator[Mapping[str, Fraction]]:
    """Yield points at which to compare two functions: small fractions and a few integers, positive and negative.

    They are drawn from a hash of both, so that no answer can be made to agree with the gold just there. Any two of
    eight variables have opposite signs at some of the first six, so that `|xy|` is not taken for `xy`. A variable that
    bounds a sum is a positive integer; functions that are defined in pieces are also compared far from 0.
    """
    names = sorted(symbols(a) | symbols(b))
    mixed = fingerprint(a) ^ fingerprint(b) if names else 0
    counts = in_series_bounds(a) | in_series_bounds(b)
    in_pieces = bool(names) and any(mentions(node, name) for node in (a, b) for name in _IN_PIECES)
    for row in range(_TRIES):
        point: dict[str, Fraction] = {}
        for column, name in enumerate(names):
            mixed = (mixed * 1103515245 + 12345) % (1 << 31)
            value = Fraction((mixed >> 8) % 97 + 2, (7, 11, 3, 13, 1, 5)[(row + column) % 6])
            far = _FAR if in_pieces and (row + column) % 2 else 1
            point[name] = -value * far if _is_negative(row % 6, column) else value * far
            if name in counts:
                point[name] = Fraction((mixed >> 8) % 23 + 2)
        yield point


def _is_negative(row: int, column: int) -> bool:
    """All are positive in two rows of six, all negative in one; in the others, digits of the column decide."""
    match row:
        case 1 | 3:
            return bool(column >> (row // 2) & 1)
        case 2:
            return True
        case 5:
            return column == 0 or bool(column >> 2 & 1)
        case _:
            return False


def same_everywhere(a: Node, b: Node) -> bool | None:
    """Return whether two expressions agree; None if that cannot be decided here.

    Constants are compared by value. Functions are compared at points. Points where the gold is not real are outside
    of the question, unless the imaginary unit is written. A value too large for the arithmetic here differs from
    one within its reach.
    """
    if any(mentions(a, name) for name in SERIES) and with_plain_indices(a) == with_plain_indices(b):
        return True
    names = symbols(a) | symbols(b)
    if len(names) > _MAX_VARIABLES:
        return None
    first = next(points(a, b))
    if _too_large(a, first) != _too_large(b, first):
        return False
    if not names:
        try:
            return equal(a, b, {})
        except NoValue:
            return False
        except Undecided:
            return None
    complex_values = mentions(a, "i") or mentions(b, "i")
    context = numbers()
    inside: list[bool] = []
    outside: list[bool] = []
    for point in points(a, b):
        try:
            x, y = context.value(a, point), context.value(b, point)
            same = equal_values(x, y, partial(_values, a, b, point))
        except (NoValue, Undecided):
            continue
        asked = complex_values or context.is_real(x)
        (inside if asked else outside).append(same)
        if not all(inside):
            return False
        if len(inside) == _POINTS:
            return True
    enough = len(inside) >= 4 or (len(inside + outside) >= _POINTS and all(outside))
    return True if enough else None


def _too_large(node: Node, point: Mapping[str, Fraction]) -> bool:
    try:
        numbers().value(node, point)
    except TooLarge:
        return True
    except (NoValue, Undecided):
        return False
    return False


def _values(a: Node, b: Node, point: Mapping[str, Fraction], finer: Numbers) -> tuple[Value, Value]:
    return finer.value(a, point), finer.value(b, point)


def proportional(a: Node, b: Node) -> Fraction | bool | None:
    """The sign (1 or -1) of c where `a = c b` everywhere; False where there is none, None if undecided.

    Two constants are no multiples of each other: `x = x + 1` says something else than `x = x + 2`.
    """
    names = symbols(a) | symbols(b)
    if not names or symbols(a) != symbols(b) or len(names) > _MAX_VARIABLES:
        return False if symbols(a) != symbols(b) else None
    context = numbers()
    pairs: list[tuple[Value, Value]] = []
    for point in points(a, b):
        try:
            over, under = context.value(a, point), context.value(b, point)
        except (NoValue, Undecided):
            continue
        if (over == 0) != (under == 0) or not all(
            context.mp.isfinite(context.real(v)) for v in (over, under)
        ):
            return False
        if over != 0:
            pairs.append((over, under))
        if len(pairs) == _POINTS:
            break
    return _common_quotient(context, pairs)


def _common_quotient(context: Numbers, pairs: list[tuple[Value, Value]]) -> Fraction | bool | None:
    if len(pairs) < 4:
        return None
    quotients = [context.real(context.quotient(over, under)) for over, under in pairs]
    first = quotients[0]
    if isinstance(first, context.mp.mpc) or any(abs(q - first) > abs(first) * 1e-25 for q in quotients):
        return False
    if first != 1 and len({under for _, under in pairs}) == 1:
        return False
    return Fraction(1 if first > 0 else -1)


def same_value(gold: Node, answer: Node) -> bool | None:
    """`same_everywhere`, and a plain decimal equals a value without a finite decimal when it is right to six
    significant digits."""
    same = same_everywhere(gold, answer)
    if same is not False:
        return same
    for decimal, other in ((answer, gold), (gold, answer)):
        literal = _decimal(decimal)
        if literal is not None and not symbols(other) and _without_end(other):
            value = numbers().value(other, {})
            return right_to_six_digits(literal, value)
    return False


def _decimal(node: Node) -> Fraction | None:
    """The value of a number written with a decimal point, signed, in percent or times a power of ten."""
    if isinstance(node, Num):
        return node.value if node.decimal else None
    if isinstance(node, Op) and node.name == "mul":
        mantissa, power = _decimal(node.args[0]), _power_of_ten(node.args[1])
        return None if mantissa is None or power is None else mantissa * power
    if not isinstance(node, Op) or node.name not in ("neg", "percent"):
        return None
    inner = _decimal(node.args[0])
    if inner is None:
        return None
    return -inner if node.name == "neg" else inner / 100


def _power_of_ten(node: Node) -> Fraction | None:
    """The value of `10^n` for a written integer n."""
    if not isinstance(node, Op) or node.name != "pow" or node.args[0] != Num(Fraction(10)):
        return None
    exponent = node.args[1]
    negative = isinstance(exponent, Op) and exponent.name == "neg"
    digits = exponent.args[0] if isinstance(exponent, Op) and negative else exponent
    if not isinstance(digits, Num) or digits.value.denominator != 1 or digits.value > 4000:
        return None
    return Fraction(10) ** int(-digits.value if negative else digits.value)


def _without_end(node: Node) -> bool:
    """Return whether a constant is known to have no finite decimal."""
    try:
        value = numbers().value(node, {})
    except (NoValue, Undecided):
        return False
    return not (isinstance(value, Fraction) and terminating(value))
