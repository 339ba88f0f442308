"""Vectors that are written with unit vectors: `2i - j`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import reduce

from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, Sym, substituted, symbols
from rlvr_gym.verifiers.math.expressions.sameness import same_everywhere
from rlvr_gym.verifiers.math.forms.kinds import Ordered, Scalar
from rlvr_gym.verifiers.math.forms.units import Unit
from rlvr_gym.verifiers.math.text.notation import UNIT_VECTORS

_UNITS = tuple(UNIT_VECTORS.values())


def of_unit_vectors(form: Scalar) -> Iterator[Ordered]:
    """The tuples that an expression in unit vectors may be: one of two entries only where there is no third."""
    used = symbols(form.node) & set(_UNITS)
    if not used:
        return
    entries = tuple(_part(form.node, {name}) for name in _UNITS)
    terms: list[Node] = [Op("mul", (entry, Sym(name))) for entry, name in zip(entries, _UNITS, strict=True)]
    if same_everywhere(form.node, reduce(lambda a, b: Op("add", (a, b)), terms)) is not True:
        return
    scalars = tuple(Scalar(entry, Unit()) for entry in entries)
    if _UNITS[2] not in used:
        yield Ordered("()", scalars[:2])
    yield Ordered("()", scalars)


def _part(node: Node, kept: set[str]) -> Node:
    return substituted(node, {name: Num(Fraction(int(name in kept))) for name in _UNITS})
