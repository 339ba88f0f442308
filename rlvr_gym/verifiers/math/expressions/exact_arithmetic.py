"""Exact arithmetic on fractions: powers, roots, remainders, common divisors. Each is None where it is not rational."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

MAX_BITS = 20_000


def exact_power(a: Fraction, b: Fraction) -> Fraction | None:
    """`a ** b` where it is rational and not too large."""
    if abs(b.numerator) > MAX_BITS or b.denominator > 64:
        return Fraction(1) if a == 1 else None
    if (a.numerator.bit_length() + a.denominator.bit_length()) * abs(b.numerator) > MAX_BITS:
        return Fraction(1) if a == 1 else None
    if b.denominator == 1:
        return a**b.numerator
    if a < 0:
        return None
    over, under = exact_root(a.numerator, b.denominator), exact_root(a.denominator, b.denominator)
    return None if over is None or under is None else Fraction(over, under) ** b.numerator


def exact_root(n: int, degree: int) -> int | None:
    """The whole root of a natural number, of a size for which it is quick."""
    if n.bit_length() > 4000:
        return None
    if degree == 2:
        root = math.isqrt(n)
    elif n.bit_length() <= 900:
        root = round(n ** (1 / degree))
    else:
        return None
    return root if root**degree == n else None


def gcd(values: Sequence[Fraction]) -> Fraction:
    """The largest fraction of which all are whole multiples."""
    under = math.lcm(*(value.denominator for value in values))
    return Fraction(math.gcd(*(int(value * under) for value in values)), under)


def lcm(values: Sequence[Fraction]) -> Fraction:
    """The smallest fraction, above 0 if none is 0, that is a whole multiple of all."""
    if any(value == 0 for value in values):
        return Fraction(0)
    return 1 / gcd([1 / value for value in values])


def remainder(a: Fraction, b: Fraction) -> Fraction | None:
    """Return `a` modulo `b`, with the sign of `b`."""
    return a - b * math.floor(a / b) if b else None
