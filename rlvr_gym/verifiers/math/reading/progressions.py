"""Lists with an ellipsis: `1, 2, …, 10`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from rlvr_gym.verifiers.math.expressions.nodes import Num, written_fraction
from rlvr_gym.verifiers.math.forms.kinds import Form, Scalar, Words
from rlvr_gym.verifiers.math.forms.units import Unit

ELLIPSIS = Words("…")


def spelt_out(items: Sequence[Form], most: int) -> list[Form]:
    """The items of an arithmetic progression, all of them where they are not too many; else its first two and its last.

    Other lists, also those with an ellipsis that is no such progression, are given back as they are.
    """
    values = [_value(item) for item in items]
    if items.count(ELLIPSIS) != 1 or any(
        v is None and item != ELLIPSIS for v, item in zip(values, items, strict=True)
    ):
        return list(items)
    at = items.index(ELLIPSIS)
    before = [value for value in values[:at] if value is not None]
    after = [value for value in values[at + 1 :] if value is not None]
    if len(before) < 2 or len(after) > 1:
        return list(items)
    step = before[1] - before[0]
    if step == 0 or any(b - a != step for a, b in pairwise(before)):
        return list(items)
    if not after:
        return [*_scalars(before[:2]), ELLIPSIS]
    count = (after[0] - before[0]) / step + 1
    if count.denominator != 1 or count < len(before) + 1:
        return list(items)
    if count > most:
        return [*_scalars(before[:2]), ELLIPSIS, *_scalars(after)]
    return _scalars([before[0] + step * k for k in range(int(count))])


def _value(item: Form) -> Fraction | None:
    if not isinstance(item, Scalar) or item.unit != Unit():
        return None
    return written_fraction(item.node)


def _scalars(values: Sequence[Fraction]) -> list[Form]:
    return [Scalar(Num(value), Unit()) for value in values]
