"""Compare ratios, numerals in a base, and residues."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rlvr_gym.verifiers.math.comparing.sameness import Sameness, all_of, known
from rlvr_gym.verifiers.math.expressions.exact_arithmetic import remainder
from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, written_fraction
from rlvr_gym.verifiers.math.expressions.sameness import same_everywhere
from rlvr_gym.verifiers.math.forms.kinds import Based, Congruence, Form, Ratio, Scalar


def terms(form: Ratio | Scalar) -> tuple[Node, ...]:
    """The terms of a ratio; of a number, its ratio to one."""
    return form.terms if isinstance(form, Ratio) else (form.node, Num(Fraction(1)))


def same_ratio(gold: Sequence[Node], answer: Sequence[Node]) -> Sameness:
    """Return whether the terms are proportional: all cross products with the first terms agree."""
    if len(gold) != len(answer):
        return Sameness.NO
    return all_of(
        known(same_everywhere(Op("mul", (gold[0], b)), Op("mul", (answer[0], a))))
        for a, b in zip(gold[1:], answer[1:], strict=True)
    )


def same_numeral(gold: Form, answer: Form) -> Sameness:
    """Numerals of the same value; an answer may leave out the base of the gold, but not bring in another than ten."""
    if isinstance(gold, Based) and isinstance(answer, Based):
        return known(_value_of(gold) == _value_of(answer))
    if isinstance(gold, Based) and isinstance(answer, Scalar):
        number = answer.node if isinstance(answer.node, Num) and not answer.node.decimal else None
        return known(number is not None and str(number.value) == gold.digits)
    if isinstance(gold, Scalar) and isinstance(answer, Based) and answer.base == 10:
        return known(same_everywhere(gold.node, Num(_value_of(answer))))
    return Sameness.NO


def _value_of(numeral: Based) -> Fraction:
    return Fraction(int(numeral.digits, numeral.base))


def same_congruence(gold: Form, answer: Form) -> Sameness:
    """Residues that differ by a multiple of one modulus; beside a number a modulus may be left out, if it is larger."""
    if isinstance(gold, Scalar) and isinstance(answer, Congruence):
        return same_congruence(answer, gold)
    if not isinstance(gold, Congruence):
        return Sameness.NO
    modulus = written_fraction(gold.modulus)
    if isinstance(answer, Scalar):
        residue = written_fraction(gold.residue)
        reduced = residue is None or modulus is None or abs(residue) < modulus
        return known(same_everywhere(gold.residue, answer.node)) if reduced else Sameness.NO
    if not isinstance(answer, Congruence) or same_everywhere(gold.modulus, answer.modulus) is not True:
        return Sameness.NO
    a, b = written_fraction(gold.residue), written_fraction(answer.residue)
    if a is not None and b is not None and modulus is not None:
        return known(remainder(a - b, modulus) == 0)
    return known(same_everywhere(gold.residue, answer.residue))
