"""Check that an answer is simplified: that no arithmetic with numbers is left to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, symbols, written_fraction
from rlvr_gym.verifiers.math.expressions.numbers import NoValue, Undecided, numbers
from rlvr_gym.verifiers.math.expressions.values import equal
from rlvr_gym.verifiers.math.forms.kinds import (
    Choice,
    Congruence,
    Form,
    Labelled,
    Listed,
    Matrix,
    Ordered,
    Ratio,
    Relation,
    Scalar,
    Union,
    Without,
)

_ATOMS = frozenset({"neg", "percent", "degrees", "pi", "e", "i", "inf"})
"""Operations that only spell a number or constant."""
_MAX_DENOMINATOR = 1000
_MAX_SQUARE = 10_000


def work_left(form: Form) -> str | None:
    """Describe the arithmetic that an answer leaves to do, or return None."""
    if isinstance(form, Ratio) and _common_factor(form.terms) > 1:
        return "a ratio that can be reduced"
    for node in _nodes(form):
        if found := _left_in(node):
            return found
    return None


def _nodes(form: Form) -> Iterator[Node]:
    match form:
        case Scalar():
            yield form.node
        case Ratio():
            yield from form.terms
        case Relation():
            yield from form.nodes
        case Congruence():
            yield form.residue
        case Ordered() | Listed() | Union():
            for item in form.items:
                yield from _nodes(item)
        case Matrix():
            for row in form.rows:
                for cell in row:
                    yield from _nodes(cell)
        case Without():
            yield from _nodes(form.whole)
            yield from _nodes(form.taken)
        case Labelled():
            yield from _nodes(form.value)
        case Choice() if form.content:
            yield from _nodes(form.content)
        case _:
            return


def _left_in(node: Node) -> str | None:
    if not isinstance(node, Op) or _is_scientific(node):
        return None
    match node.name:
        case "add":
            found = "numbers that can be added" if len(_rationals(_operands(node, "add"))) > 1 else None
        case "mul":
            found = "numbers that can be multiplied" if len(_rationals(_operands(node, "mul"))) > 1 else None
        case "div":
            found = _left_in_quotient(node)
        case "sqrt":
            found = "a square factor under the root" if _has_square_factor(node.args[0]) else None
        case _:
            found = None
    if not found and node.name not in _ATOMS and not _is_fraction(node) and _is_rational(node):
        found = f"'{node.name}' with a rational value"
    return found or next((left for arg in node.args if (left := _left_in(arg))), None)


def _left_in_quotient(node: Op) -> str | None:
    above, below = (_rationals(_operands(arg, "mul")) for arg in node.args)
    over, under = math.prod(above, start=Fraction(1)), math.prod(below, start=Fraction(1))
    if over.denominator != 1 or under.denominator != 1:
        return "a fraction within a fraction"
    if (below and under in (1, -1)) or math.gcd(over.numerator, under.numerator) > 1:
        return "a fraction that can be reduced"
    return None


def _operands(node: Node, name: str) -> list[Node]:
    """The terms of a sum or the factors of a product, however it is nested."""
    if isinstance(node, Op) and node.name == name:
        return [operand for arg in node.args for operand in _operands(arg, name)]
    return [node]


def _rationals(nodes: Sequence[Node]) -> list[Fraction]:
    """The values of those that are written as a rational number."""
    return [value for node in nodes if (value := written_fraction(node)) is not None]


def _is_fraction(node: Op) -> bool:
    """Return whether this is a fraction of two whole numbers, reduced or not."""
    return node.name == "div" and all(_is_whole(arg) for arg in node.args)


def _is_whole(node: Node) -> bool:
    value = written_fraction(node)
    return value is not None and value.denominator == 1 and not (isinstance(node, Op) and node.name == "div")


def _is_scientific(node: Op) -> bool:
    """`6.72 * 10^{-5}`."""
    if node.name != "mul" or not isinstance(node.args[0], Num):
        return False
    power = node.args[1]
    return isinstance(power, Op) and power.name == "pow" and power.args[0] == Num(Fraction(10))


def _has_square_factor(node: Node) -> bool:
    if not isinstance(node, Num) or node.value.denominator != 1 or not 0 < node.value < _MAX_SQUARE**2:
        return False
    whole = int(node.value)
    return any(whole % (root * root) == 0 for root in range(2, math.isqrt(whole) + 1))


def _is_rational(node: Op) -> bool:
    """Return whether a constant is rational, as far as its first digits show."""
    if symbols(node):
        return False
    try:
        value = numbers().value(node, {})
        if isinstance(value, Fraction):
            return True
        if not numbers().is_real(value) or not -100 < numbers().magnitude(value) < 60:
            return False
        near = Fraction(str(value)).limit_denominator(_MAX_DENOMINATOR)
        return equal(node, Num(near), {})
    except (NoValue, Undecided):
        return False


def _common_factor(terms: Sequence[Node]) -> int:
    values = _rationals(terms)
    if len(values) != len(terms) or any(value.denominator != 1 for value in values):
        return 1
    return math.gcd(*(int(value) for value in values))
