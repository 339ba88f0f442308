"""Letters that an answer binds, so that another letter says the same: arguments of functions, integer parameters.

Bound letters get names that no text can have, in the order in which they are bound; free letters keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rlvr_gym.verifiers.math.expressions.nodes import with_other_letters
from rlvr_gym.verifiers.math.forms.kinds import Form, Labelled, Listed, Matrix, Ordered, Relation, Scalar
from rlvr_gym.verifiers.math.forms.labels import arguments, index_of


def bound(names: Sequence[str]) -> Mapping[str, str]:
    """A name of its own for each bound letter."""
    return {name: f"#{place}" for place, name in enumerate(names, 1)}


def with_bound_arguments(form: Form) -> Form | None:
    """`f(x) = x + 1`, `a_n = 2n` for whatever the argument or index is called; None where no function is defined."""
    if isinstance(form, Listed):
        items = [with_bound_arguments(item) or item for item in form.items]
        return replace(form, items=tuple(items)) if items != [*form.items] else None
    if not isinstance(form, Labelled):
        return None
    if index := index_of(form.label):
        value = renamed(form.value, bound([index]))
        return (
            Labelled(form.label.replace(f"_{index}", "_#1"), value, None)
            if value != form.value and value
            else None
        )
    names = arguments(form.label)
    value = renamed(form.value, bound(names)) if names else None
    if value is None or len({*names}) < len(names):
        return None
    places = ",".join(f"#{place}" for place in range(1, len(names) + 1))
    return Labelled(f"{form.label.partition('(')[0]}({places})", value, None)


def renamed(form: Form, names: Mapping[str, str]) -> Form | None:
    """A form with other names for some letters; None for a kind of form that holds no expressions."""
    match form:
        case Scalar():
            return Scalar(with_other_letters(form.node, names), form.unit)
        case Labelled():
            value = renamed(form.value, names)
            return replace(form, value=value, relation=None) if value else None
        case Relation():
            return replace(form, nodes=tuple(with_other_letters(node, names) for node in form.nodes))
        case Ordered() | Listed():
            items = [renamed(item, names) for item in form.items]
            kept = tuple(item for item in items if item)
            return replace(form, items=kept) if len(kept) == len(items) else None
        case Matrix():
            rows = [[renamed(item, names) for item in row] for row in form.rows]
            whole = tuple(tuple(item for item in row if item) for row in rows)
            return Matrix(whole) if [len(row) for row in whole] == [len(row) for row in rows] else None
        case _:
            return None
