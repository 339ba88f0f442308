"""Compare values together with their units, angles and constants of integration."""

from __future__ import annotations

from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, Sym, mentions, substituted, symbols
from rlvr_gym.verifiers.math.expressions.power_series import same_series
from rlvr_gym.verifiers.math.expressions.sameness import same_everywhere, same_value
from rlvr_gym.verifiers.math.forms.kinds import Scalar
from rlvr_gym.verifiers.math.forms.units import ANGLE, RADIAN


def same_quantity(gold: Scalar, answer: Scalar) -> bool | None:
    """Return whether two values with units are equal; None if that cannot be decided here.

    The degree sign may be left out (`60` for 60°), but not next to a multiple of pi, which is in radians.
    """
    angles = {gold.unit.dimension, answer.unit.dimension} == {ANGLE, RADIAN}
    if gold.unit.contradicts(answer.unit) and not angles:
        return False
    if gold.unit.rescales(answer.unit):
        return same_value(_scaled(gold), _scaled(answer))
    degrees = [scalar.unit.dimension == ANGLE for scalar in (gold, answer)]
    one_in_pi = degrees[0] != degrees[1] and mentions(gold.node, "pi") and mentions(answer.node, "pi")
    said = False if angles or one_in_pi else same_value(gold.node, answer.node)
    if said is None:
        said = same_series(gold.node, answer.node)
    if said is False and symbols(gold.node) ^ symbols(answer.node) == {"C", "c"}:
        return _same_up_to_name(gold.node, answer.node)
    if said is False and any(degrees):
        return same_everywhere(_radians(gold), _radians(answer))
    return said


def _same_up_to_name(gold: Node, answer: Node) -> bool | None:
    """Return whether two antiderivatives differ only in the name of their constant: `+ C` or `+ c`."""
    a, b = (substituted(node, {"c": Sym("C")}) for node in (gold, answer))
    with_one, without = (substituted(a, {"C": Num(Fraction(value))}) for value in (1, 0))
    added = same_everywhere(Op("sub", (with_one, without)), Num(Fraction(1)))
    return added and same_everywhere(a, b)


def _scaled(scalar: Scalar) -> Node:
    return Op("mul", (scalar.node, Num(scalar.unit.factor)))


def _radians(scalar: Scalar) -> Node:
    return Op("degrees", (_scaled(scalar),)) if scalar.unit.dimension == ANGLE else scalar.node
