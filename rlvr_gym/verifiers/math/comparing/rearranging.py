"""Recognise an equation that is another one solved for a variable: `xy = 1` and `y = 1/x`."""

from __future__ import annotations

from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, Sym, substituted, symbols
from rlvr_gym.verifiers.math.expressions.sameness import same_everywhere

_ZERO, _ONE, _TWO = (Num(Fraction(value)) for value in (0, 1, 2))
_MAX_VARIABLES = 4
_MAX_POWER = 3


def rearranged(a: Node, b: Node) -> bool:
    """Return whether `a = 0` and `b = 0`, both linear in some variable, give it the same value and say no more."""
    names = symbols(a)
    if names != symbols(b) or not 2 <= len(names) <= _MAX_VARIABLES:
        return False
    return any(_same_solution(a, b, name) for name in sorted(names))


def _same_solution(a: Node, b: Node, name: str) -> bool:
    solved = [_solution(f, name) for f in (a, b)]
    return None not in solved and same_everywhere(*(s for s in solved if s is not None)) is True


def _solution(f: Node, name: str) -> Node | None:
    """`-B/A` where f is `A v + B` and no zero of A is one of B: there v could be anything."""
    constant = substituted(f, {name: _ZERO})
    factor = Op("sub", (substituted(f, {name: _ONE}), constant))
    if same_everywhere(f, Op("add", (Op("mul", (factor, Sym(name))), constant))) is not True:
        return None
    if not _never_both_zero(factor, constant):
        return None
    return Op("neg", (Op("div", (constant, factor)),))


def _never_both_zero(factor: Node, constant: Node) -> bool:
    if _is_constant(constant) and same_everywhere(constant, _ZERO) is False:
        return True
    names = symbols(factor)
    if _is_constant(factor):
        return same_everywhere(factor, _ZERO) is False
    if len(names) != 1:
        return False
    name = next(iter(names))
    doubled = substituted(factor, {name: Op("mul", (_TWO, Sym(name)))})
    for power in range(-_MAX_POWER, _MAX_POWER + 1):
        scale = Num(Fraction(2) ** power)
        if same_everywhere(doubled, Op("mul", (scale, factor))) is True:
            return power < 0 or same_everywhere(substituted(constant, {name: _ZERO}), _ZERO) is False
    return False


def _is_constant(f: Node) -> bool:
    names = symbols(f)
    return not names or same_everywhere(f, substituted(f, dict.fromkeys(names, _TWO))) is True
