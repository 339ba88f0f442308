"""Compare expressions with infinite sums that converge fast: power series near 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.nodes import SERIES, Node, Num, Op, fingerprint, symbols
from rlvr_gym.verifiers.math.expressions.numbers import NoValue, Numbers, Undecided, Value, numbers

_POINTS = 4
_MAX_VARIABLES = 2
_MAX_SUMS = 4
_TERMS = (90, 150)
"""Two partial sums; how little they differ tells how near the second is to the value."""
_DIGITS = 100
_ROUNDING = Fraction(1, 10**80)
_CONVERGED = Fraction(1, 10**30)


def same_series(a: Node, b: Node) -> bool | None:
    """Return whether two functions agree at points near 0, to the digits that their partial sums have settled.

    Those are between 30 and 80 digits; None if a sum does not converge that fast.
    """
    names = sorted(symbols(a) | symbols(b))
    if not 1 <= len(names) <= _MAX_VARIABLES or not 1 <= _sums(a) + _sums(b) <= _MAX_SUMS:
        return None
    context = numbers(_DIGITS)
    try:
        for point in _points(names, fingerprint(a) ^ fingerprint(b)):
            (x, x_error), (y, y_error) = (_limit(context, node, point) for node in (a, b))
            if max(x_error, y_error) > context.real(_CONVERGED):
                return None
            if _share(context, x, y) > 10 * (x_error + y_error) + context.real(_ROUNDING):
                return False
    except (NoValue, Undecided):
        return None
    return True


def _points(names: list[str], mixed: int) -> Iterator[Mapping[str, Fraction]]:
    """Small fractions of both signs, drawn from a hash of both sides."""
    for row in range(_POINTS):
        point: dict[str, Fraction] = {}
        for column, name in enumerate(names):
            mixed = (mixed * 1103515245 + 12345) % (1 << 31)
            size = Fraction(1, (mixed >> 8) % 13 + 7)
            point[name] = -size if (row + column) % 2 else size
        yield point


def _limit(context: Numbers, node: Node, point: Mapping[str, Fraction]) -> tuple[Value, Value]:
    """A value, and the share of it by which it may be off."""
    near, far = (context.value(_cut_off(node, terms), point) for terms in _TERMS)
    return far, _share(context, near, far)


def _share(context: Numbers, x: Value, y: Value) -> Value:
    """The difference of two values, as a share of the larger."""
    a, b = context.real(x), context.real(y)
    return abs(a - b) / max(abs(a), abs(b)) if a != b else context.real(Fraction(0))


def _sums(node: Node) -> int:
    """Number of infinite sums in an expression."""
    if not isinstance(node, Op):
        return 0
    return int(_is_infinite(node)) + sum(_sums(arg) for arg in node.args)


def _is_infinite(node: Op) -> bool:
    return node.name in SERIES and node.args[3] == Op("inf", ())


def _cut_off(node: Node, terms: int) -> Node:
    """An expression with its infinite sums cut off after so many terms."""
    if not isinstance(node, Op):
        return node
    if _is_infinite(node):
        body, variable, low, _ = node.args
        return Op(node.name, (body, variable, low, Op("add", (low, Num(Fraction(terms))))))
    return Op(node.name, tuple(_cut_off(arg, terms) for arg in node.args))
