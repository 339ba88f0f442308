"""Equations, inequalities, congruences and memberships: a name and its value, or a relation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.grammar import parse
from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, symbols
from rlvr_gym.verifiers.math.expressions.numbers import NoValue, Undecided
from rlvr_gym.verifiers.math.expressions.sameness import same_everywhere
from rlvr_gym.verifiers.math.expressions.values import equal, terminating
from rlvr_gym.verifiers.math.forms import labels
from rlvr_gym.verifiers.math.forms.kinds import (
    Congruence,
    Form,
    Labelled,
    Listed,
    Ordered,
    Ratio,
    Relation,
    Scalar,
    Union,
    Without,
    Words,
)
from rlvr_gym.verifiers.math.forms.texts import number_set
from rlvr_gym.verifiers.math.forms.units import NONE, Unit
from rlvr_gym.verifiers.math.reading.atoms import side
from rlvr_gym.verifiers.math.text.brackets import places, split
from rlvr_gym.verifiers.math.text.tokens import Unparsable

SIGNS = "=<>≤≥≠≈∈"
_VALUE_OF_FUNCTION = re.compile(r"([fghFGHPQ])\s*\(([a-z])\)")
_MODULUS = re.compile(
    r"(.*?)\s*,?\s*"
    r"(?:\(\s*(?:\\mod|mod|\\text\{mod\})\s*([^()]+)\)|\\pmod\s*(\{[^{}]+\}|\w)|(?<=[^≡]) \\mod\s+([^()]+))"
)

ReadForm = Callable[[str], Form]


def relation(text: str, read: ReadForm) -> Form:
    """Parse a text with a relation sign outside of brackets; `read` parses its sides. Raises Unparsable."""
    parts = [part.strip() for part in split(text, SIGNS)]
    signs = [text[at] for at in places(text, SIGNS)]
    if signs[-1] == "≈":
        return _approximated(text, parts, signs, read)
    if signs == ["∈"] and labels.is_name(parts[0]):
        form = number_set(parts[1]) or read(parts[1])
        if not isinstance(form, Ordered | Listed | Union | Without | Words):
            raise Unparsable("a member of something that is no set")
        return Labelled(labels.label(parts[0]), form, None)
    if set(signs) == {"="}:
        return _equation(parts, read)
    return _related(parts, signs)


def congruence(text: str) -> Form | None:
    r"""`3 \pmod 7`, alone or after `x ≡`. Raises Unparsable."""
    if "mod" not in text or not ("pmod" in text or "≡" in text or "(" in text):
        return None
    match = _MODULUS.fullmatch(text)
    if not match or not match[1]:
        return None
    modulus = match[2] or match[3] or match[4]
    *names, residue = match[1].split("≡")
    value = Congruence(parse(residue), parse(modulus))
    if not names:
        return value
    if len(names) > 1 or not labels.is_name(names[0].strip()):
        raise Unparsable("a congruence of expressions")
    return Labelled(labels.label(names[0].strip()), value, None)


def _related(parts: list[str], signs: list[str]) -> Relation:
    sides = [_side(part) for part in parts]
    return Relation(tuple(node for node, _ in sides), tuple(signs), tuple(unit for _, unit in sides))


def _side(text: str) -> tuple[Node, Unit]:
    """A side of an inequality, where `f(x)` is one name, and its unit."""
    if match := _VALUE_OF_FUNCTION.fullmatch(text):
        return parse(f"{match[1]}_{{{match[2]}}}"), NONE
    return side(text)


def _approximated(text: str, parts: list[str], signs: list[str], read: ReadForm) -> Form:
    """`1/3 ≈ 0.33`: the exact side is the answer, provided that the other is it, rounded."""
    exact = text[: places(text, SIGNS)[-1]].strip()
    if len(signs) == 1 and labels.is_name(exact):
        return Labelled(labels.label(exact), read(parts[-1]), None)
    form = read(exact)
    value = form.value if isinstance(form, Labelled) else form
    rounded = read(parts[-1])
    if not (isinstance(value, Scalar) and isinstance(rounded, Scalar) and _is_rounded(value, rounded)):
        raise Unparsable("an approximation that is not one")
    if not {*rounded.unit.said} <= {*value.unit.said}:
        raise Unparsable("an approximation with words that what it is of lacks")
    return form


def _equation(parts: list[str], read: ReadForm) -> Form:
    """`x = 5`, `x = y = 1`, a chain of equal values such as `84/2 = 42`, or an equation."""
    if len(parts) == 2 and labels.is_variable(parts[1]) and not labels.is_name(parts[0]):
        parts = parts[::-1]
    if len(parts) > 2 and all(labels.is_variable(part) for part in parts[:-1]):
        value = read(parts[-1])
        return Listed(tuple(Labelled(labels.label(part), value, None) for part in parts[:-1]))
    if labels.is_name(parts[0]) or labels.is_tuple_of_names(parts[0]):
        forms = [read(part) for part in parts[1:]]
        if (len(forms) == 1 or _all_equal(forms)) and not _mentions(forms[-1], parts[0]):
            equation = labels.is_product(parts[0])
            value = _with_words_of(forms)
            return Labelled(labels.label(parts[0]), value, _as_relation(parts), is_equation=equation)
        return _related(parts, ["="] * (len(parts) - 1))
    if labels.is_expression_of_names(parts[0]) and (form := _value_of_names(parts, read)):
        return form
    forms = [read(part) for part in parts]
    if _all_equal(forms):
        return _with_words_of(forms)
    return _related(parts, ["="] * (len(parts) - 1))


def _mentions(form: Form, name: str) -> bool:
    """Return whether the value given to a name contains that name, as in `x = x + 1`: then it is an equation."""
    return isinstance(form, Scalar) and name in symbols(form.node)


def _value_of_names(parts: list[str], read: ReadForm) -> Form | None:
    """`a + b = 5`: the value of an expression in names; where those are variables it is an equation as well."""
    forms = [read(part) for part in parts[1:]]
    value = _with_words_of(forms)
    constant = isinstance(value, Ratio) or (isinstance(value, Scalar) and not symbols(value.node))
    if not constant or not (len(forms) == 1 or _all_equal(forms)):
        return None
    equation = not labels.is_of_segments(parts[0])
    return Labelled(labels.label(parts[0]), value, _as_relation(parts), is_equation=equation)


def _as_relation(parts: list[str]) -> Relation | None:
    try:
        return Relation((parse(parts[0]), side(parts[-1])[0]), ("=",))
    except Unparsable:
        return None


def _all_equal(forms: list[Form]) -> bool:
    """Return whether all forms are scalars of one value, as a chain of equations claims."""
    first = forms[0]
    return all(
        isinstance(first, Scalar)
        and isinstance(form, Scalar)
        and same_everywhere(first.node, form.node) is True
        for form in forms[1:]
    )


def _with_words_of(forms: list[Form]) -> Form:
    """The last of a chain of values, with the words that stand beside any of them."""
    last = forms[-1]
    said = tuple(word for form in forms[:-1] if isinstance(form, Scalar) for word in form.unit.said)
    if not said or not isinstance(last, Scalar):
        return last
    return Scalar(last.node, replace(last.unit, said=said + last.unit.said))


def _is_rounded(exact: Scalar, rounded: Scalar) -> bool:
    literal = rounded.node
    if not isinstance(literal, Num) or symbols(exact.node):
        return False
    if not terminating(literal.value):
        return False
    scale = next((10**p for p in range(40) if (literal.value * 10**p).denominator == 1), None)
    if scale is None:
        return False
    difference = Op("abs", (Op("sub", (exact.node, literal)),))
    try:
        excess = Op("floor", (Op("mul", (difference, Num(Fraction(scale)))),))
        return equal(excess, Num(Fraction(0)), {})
    except (NoValue, Undecided):
        return False
