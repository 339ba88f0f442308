"""Sets of real numbers as disjoint intervals: what intervals, unions, differences, points and inequalities say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, Sym, substituted, symbols
from rlvr_gym.verifiers.math.expressions.numbers import NoValue, Undecided, numbers
from rlvr_gym.verifiers.math.expressions.sameness import same_everywhere
from rlvr_gym.verifiers.math.forms.kinds import (
    Form,
    Labelled,
    Listed,
    Ordered,
    Relation,
    Scalar,
    Union,
    Without,
)

_MAX_INEQUALITIES = 12
INFINITY: Node = Op("inf", ())
MINUS_INFINITY: Node = Op("neg", (INFINITY,))
_WITHOUT_LIMIT = ((INFINITY, "<"), (MINUS_INFINITY, ">"))
FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "≠": "≠", "=": "="}


class Unsolved(Exception):
    """Not a set of real numbers, or one that is out of reach here."""


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers between two ends; a point where both are the same and closed."""

    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


RealSet = tuple[Interval, ...]


def real_set(form: Form) -> RealSet:
    """The set that an answer is, in order. Raises Unsolved."""
    if isinstance(form, Ordered):
        return (_interval(form),)
    if isinstance(form, Union):
        return _united(part for item in form.items for part in real_set(item))
    if isinstance(form, Without):
        return _common(real_set(form.whole), _outside(real_set(form.taken)))
    if isinstance(form, Relation):
        return _solved_chain(form)
    if isinstance(form, Labelled) and form.relation is None:
        return real_set(form.value)
    if not isinstance(form, Listed) or not form.items:
        raise Unsolved("no set of real numbers")
    if form.braces:
        return _united(_point(item) for item in form.items)
    if len(_variables(form)) != 1 or len(form.items) > _MAX_INEQUALITIES:
        raise Unsolved("not about one variable")
    parts = [_member(item) for item in form.items]
    return _united(part for each in parts for part in each) if form.joint == "∨" else reduce(_common, parts)


def same_set(a: RealSet, b: RealSet) -> bool:
    """Return whether two sets have the same intervals."""
    return len(a) == len(b) and all(
        (x.low_closed, x.high_closed) == (y.low_closed, y.high_closed)
        and _equal(x.low, y.low)
        and _equal(x.high, y.high)
        for x, y in zip(a, b, strict=True)
    )


def _variables(form: Listed) -> set[str]:
    relations = [item.relation if isinstance(item, Labelled) else item for item in form.items]
    nested = [_variables(item) for item in relations if isinstance(item, Listed)]
    return set[str]().union(*nested) | {
        name
        for relation in relations
        if isinstance(relation, Relation)
        for node in relation.nodes
        for name in symbols(node)
    }


def _member(item: Form) -> RealSet:
    """An inequality among others, or several of them, or `x = 2`, which is a point."""
    if isinstance(item, Labelled) and item.relation:
        return (_point(item.value),)
    if isinstance(item, Relation):
        return _solved_chain(item)
    if isinstance(item, Listed) and not item.braces:
        return real_set(item)
    raise Unsolved("no inequality")


def _point(item: Form) -> Interval:
    if not isinstance(item, Scalar) or symbols(item.node):
        raise Unsolved("no number")
    return Interval(item.node, True, item.node, True)


def _interval(form: Ordered) -> Interval:
    if len(form.items) != 2 or not all(isinstance(item, Scalar) for item in form.items):
        raise Unsolved("no interval")
    low, high = (item.node for item in form.items if isinstance(item, Scalar))
    if symbols(low) or symbols(high) or not _value(low) < _value(high):
        raise Unsolved("no interval")
    return Interval(low, form.closing[0] == "[", high, form.closing[1] == "]")


def _value(node: Node) -> Any:
    try:
        value = numbers().value(node, {})
    except (NoValue, Undecided) as error:
        raise Unsolved(str(error)) from None
    if not numbers().is_real(value):
        raise Unsolved("not a real number")
    return numbers().real(value)


def _equal(a: Node, b: Node) -> bool:
    said = same_everywhere(a, b)
    if said is None:
        raise Unsolved("ends that cannot be told apart")
    return said


def _united(parts: Iterable[Interval]) -> RealSet:
    united: list[Interval] = []
    for part in sorted(parts, key=lambda part: (_value(part.low), not part.low_closed)):
        last = united[-1] if united else None
        if last is None or _apart(last, part):
            united.append(part)
        elif _equal(last.high, part.high):
            united[-1] = Interval(last.low, last.low_closed, last.high, last.high_closed or part.high_closed)
        elif _value(part.high) > _value(last.high):
            united[-1] = Interval(last.low, last.low_closed, part.high, part.high_closed)
    return tuple(united)


def _apart(left: Interval, right: Interval) -> bool:
    """Return whether there is a gap between two intervals."""
    if _equal(left.high, right.low):
        return not (left.high_closed or right.low_closed)
    return bool(_value(left.high) < _value(right.low))


def _outside(parts: RealSet) -> RealSet:
    """All real numbers that are not in a set."""
    low, closed = MINUS_INFINITY, False
    found: list[Interval] = []
    for part in parts:
        if not _equal(low, part.low) or (closed and not part.low_closed):
            found.append(Interval(low, closed, part.low, not part.low_closed))
        low, closed = part.high, not part.high_closed
    if not _equal(low, INFINITY):
        found.append(Interval(low, closed, INFINITY, False))
    return tuple(found)


def _common(a: RealSet, b: RealSet) -> RealSet:
    return _outside(_united((*_outside(a), *_outside(b))))


def _solved_chain(relation: Relation) -> RealSet:
    """The solutions of `a < x < b` or of one inequality, in one variable."""
    names = {name for node in relation.nodes for name in symbols(node)}
    if len(names) != 1 or not set(relation.signs) <= FLIPPED.keys() or len(relation.signs) > 2:
        raise Unsolved("not inequalities in one variable")
    name = names.pop()
    pairs = zip(relation.nodes, relation.signs, relation.nodes[1:], strict=False)
    solved = reduce(_common, [_solved(left, sign, right, name) for left, sign, right in pairs])
    if not solved:
        raise Unsolved("without a solution")
    return solved


def _solved(left: Node, sign: str, right: Node, name: str) -> RealSet:
    if not symbols(left):
        left, sign, right = right, FLIPPED[sign], left
    if (right, sign) in _WITHOUT_LIMIT and symbols(left):
        return (Interval(MINUS_INFINITY, False, INFINITY, False),)
    if isinstance(right, Op) and right.name == "abs":
        left, sign, right = right, FLIPPED[sign], left
    if isinstance(left, Op) and left.name == "abs" and right == Num(Fraction(0)) and sign == ">":
        return _solved(left.args[0], "≠", right, name)
    if isinstance(left, Op) and left.name == "abs" and not symbols(right) and _value(right) > 0:
        inner, mirrored = left.args[0], Op("neg", (right,))
        above, below = _solved(inner, sign, right, name), _solved(inner, FLIPPED[sign], mirrored, name)
        return _common(above, below) if sign in "<≤≠" else _united((*above, *below))
    return _of_polynomial(Op("sub", (left, right)), sign, name)


def _of_polynomial(f: Node, sign: str, name: str) -> RealSet:
    """Solve `a x^2 + b x + c` above 0, below 0, equal or unequal to 0; three values give the coefficients."""
    x = Sym(name)
    at = {k: substituted(f, {name: Num(Fraction(k))}) for k in (-1, 0, 1)}
    c, slope = at[0], Op("sub", (at[1], at[0]))
    if same_everywhere(f, Op("add", (Op("mul", (slope, x)), c))) is True:
        return _ray(Op("neg", (Op("div", (c, slope)),)), sign if _value(slope) > 0 else FLIPPED[sign])
    half = Num(Fraction(1, 2))
    a = Op("sub", (Op("mul", (half, Op("add", (at[1], at[-1])))), c))
    b = Op("mul", (half, Op("sub", (at[1], at[-1]))))
    square = Op("mul", (a, Op("mul", (x, x))))
    if same_everywhere(f, Op("add", (square, Op("add", (Op("mul", (b, x)), c))))) is not True:
        raise Unsolved("not a polynomial of degree two")
    return _of_roots(_roots(a, b, c), sign if _value(a) > 0 else FLIPPED[sign])


def _roots(a: Node, b: Node, c: Node) -> list[Node]:
    discriminant = Op("sub", (Op("mul", (b, b)), Op("mul", (Num(Fraction(4)), Op("mul", (a, c))))))
    if not _value(discriminant) > 0:
        raise Unsolved("without two roots")
    under = Op("mul", (Num(Fraction(2)), a))
    signs = ("sub", "add")
    found = [Op("div", (Op(s, (Op("neg", (b,)), Op("sqrt", (discriminant,)))), under)) for s in signs]
    return sorted(found, key=_value)


def _of_roots(roots: Sequence[Node], sign: str) -> RealSet:
    """Solve a parabola that opens upwards for values below or above 0."""
    low, high = roots
    closed = sign in "≤≥="
    between = (Interval(low, closed, high, closed),)
    if sign in "<≤":
        return between
    if sign in ">≥":
        return _outside((Interval(low, not closed, high, not closed),))
    points = (Interval(low, True, low, True), Interval(high, True, high, True))
    return points if sign == "=" else _outside(points)


def _ray(root: Node, sign: str) -> RealSet:
    point = (Interval(root, True, root, True),)
    match sign:
        case "<" | "≤":
            return (Interval(MINUS_INFINITY, False, root, sign == "≤"),)
        case ">" | "≥":
            return (Interval(root, sign == "≥", INFINITY, False),)
        case "=":
            return point
        case _:
            return _outside(point)
