"""Numbers that may differ from the reference by a stated amount."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.nodes import Num, Op, symbols
from rlvr_gym.verifiers.math.expressions.numbers import NoValue, Undecided, numbers
from rlvr_gym.verifiers.math.forms.kinds import Form, Labelled, Listed, Scalar
from rlvr_gym.verifiers.math.forms.labels import same_label

_MOST = 6
"""Most numbers of an answer that are dealt out to those of the gold."""


def within(gold: Form, answer: Form, tolerances: Sequence[Fraction]) -> bool:
    """Return whether each number of the answer is a number of the gold, up to its tolerance, in any order.

    One tolerance holds for all; else there is one for each number of the gold, in its order.
    """
    golds, answers = _items(gold), _items(answer)
    if len(golds) != len(answers):
        return False
    if len(tolerances) == 1:
        tolerances = [*tolerances] * len(golds)
    return len(tolerances) == len(golds) and _matched(list(zip(golds, tolerances, strict=True)), answers)


def _items(form: Form) -> Sequence[Form]:
    return form.items if isinstance(form, Listed) else (form,)


def _matched(golds: Sequence[tuple[Form, Fraction]], answers: Sequence[Form]) -> bool:
    """Return whether the answers can be dealt out to the golds; a few numbers, so that all ways are tried."""
    if not golds or len(golds) > _MOST:
        return not golds
    (gold, tolerance), *rest = golds
    return any(
        _near(gold, answer, tolerance) and _matched(rest, [*answers[:at], *answers[at + 1 :]])
        for at, answer in enumerate(answers)
    )


def _near(gold: Form, answer: Form, tolerance: Fraction) -> bool:
    if (
        isinstance(gold, Labelled)
        and isinstance(answer, Labelled)
        and not same_label(gold.label, answer.label)
    ):
        return False
    gold = gold.value if isinstance(gold, Labelled) and not gold.is_equation else gold
    answer = answer.value if isinstance(answer, Labelled) and not answer.is_equation else answer
    if not isinstance(gold, Scalar) or not isinstance(answer, Scalar) or gold.unit.contradicts(answer.unit):
        return False
    if symbols(gold.node) or symbols(answer.node):
        return False
    return _differ_by_at_most(gold, answer, tolerance)


def _differ_by_at_most(gold: Scalar, answer: Scalar, tolerance: Fraction) -> bool:
    """Compare two numbers in the unit of the gold, exactly where both are rational."""
    context = numbers()
    share = answer.unit.factor / gold.unit.factor if gold.unit.rescales(answer.unit) else Fraction(1)
    try:
        a, b = context.value(gold.node, {}), context.value(Op("mul", (answer.node, Num(share))), {})
    except (NoValue, Undecided):
        return False
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return abs(a - b) <= tolerance
    if not (context.is_real(a) and context.is_real(b)):
        return False
    distance = abs(context.real(a) - context.real(b))
    return bool(context.mp.isfinite(distance) and distance <= context.real(tolerance))
