"""Whether two answers, each known for what it is, are the same answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from fractions import Fraction

from rlvr_gym.verifiers.math.expression import Node, Num, Op, Sym, symbols
from rlvr_gym.verifiers.math.forms import (
    Based,
    Clock,
    Form,
    Labelled,
    Listed,
    Matrix,
    Ordered,
    Ratio,
    Relation,
    Scalar,
    Union,
)
from rlvr_gym.verifiers.math.sameness import proportional, same_everywhere, same_value
from rlvr_gym.verifiers.math.units import ANGLE, Unit


class Sameness(Enum):
    """The answer to "are they the same?"."""

    YES = "yes"
    NO = "no"
    OPEN = "open"
    """Out of reach of the bounded comparison."""


def _known(said: bool | None) -> Sameness:
    return Sameness.OPEN if said is None else Sameness.YES if said else Sameness.NO


def same(gold: Form, answer: Form) -> Sameness:
    """Whether `answer` is the answer `gold`."""
    if isinstance(gold, Labelled) or isinstance(answer, Labelled):
        return _same_labelled(gold, answer)
    gold, answer = _tupled(gold, answer), _tupled(answer, gold)
    gold, answer = _only(gold), _only(answer)
    answer = _unlisted(answer, gold)
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        return _same_relation(gold, answer)
    gold, answer = _as_interval(gold), _as_interval(answer)
    match gold, answer:
        case Scalar(), Scalar():
            return _same_scalar(gold, answer)
        case Ordered(), Ordered():
            return _same_items(gold.items, answer.items) if gold.closing == answer.closing else Sameness.NO
        case (Listed(), Listed()) | (Union(), Union()):
            return _same_unordered(gold.items, answer.items)
        case Matrix(), Matrix():
            return _same_matrix(gold, answer)
        case (Matrix(), Ordered("()")) | (Ordered("()"), Matrix()):
            return _same_items(_vector(gold), _vector(answer))
        case (Ratio() | Scalar(), Ratio() | Scalar()):
            return _same_ratio(_terms(gold), _terms(answer))
        case Based(), Scalar():
            return _known(gold.digits == _numeral(answer))
        case Clock(), Clock():
            silent = not (gold.half and answer.half)
            return _known(gold.minutes == answer.minutes and (silent or gold.half == answer.half))
        case _:
            return _known(gold == answer)


def _all(said: Iterable[Sameness]) -> Sameness:
    """YES where all are; the first that is not, otherwise. An OPEN one yields to a NO after it."""
    worst = Sameness.YES
    for one in said:
        if one is Sameness.NO:
            return one
        worst = one if one is Sameness.OPEN else worst
    return worst


def _same_labelled(gold: Form, answer: Form) -> Sameness:
    """`x = 5` is 5, but not `y = 5`; `y = 2x` is also `2x - y = 0`."""
    if isinstance(gold, Labelled) and isinstance(answer, Labelled) and gold.label == answer.label:
        return same(gold.value, answer.value)
    gold_relation, answer_relation = _relation_of(gold), _relation_of(answer)
    if gold_relation and answer_relation:
        return _same_relation(gold_relation, answer_relation)
    if isinstance(gold, Labelled) and isinstance(answer, Labelled):
        return Sameness.NO
    if isinstance(gold, Labelled):
        return same(gold.value, answer)
    return same(gold, answer.value) if isinstance(answer, Labelled) else Sameness.NO


def _relation_of(form: Form) -> Relation | None:
    return form.relation if isinstance(form, Labelled) else form if isinstance(form, Relation) else None


def _tupled(form: Form, beside: Form) -> Form:
    """`x = 1, y = 2` beside a tuple: the tuple, where the names are in alphabetical order."""
    if not isinstance(form, Listed) or not isinstance(beside, Ordered | Matrix) or form.braces:
        return form
    names = [item.label for item in form.items if isinstance(item, Labelled)]
    if len(names) != len(form.items) or names != sorted(set(names)):
        return form
    return Ordered("()", tuple(item.value for item in form.items if isinstance(item, Labelled)))


def _only(form: Form) -> Form:
    """A list or set of one answer is that answer."""
    return form.items[0] if isinstance(form, Listed) and len(form.items) == 1 else form


def _unlisted(form: Form, beside: Form) -> Form:
    """One answer given several times, beside something that is no list: that answer."""
    if not isinstance(form, Listed) or isinstance(beside, Listed) or not form.items:
        return form
    first, rest = form.items[0], form.items[1:]
    return first if all(same(first, other) is Sameness.YES for other in rest) else form


def _same_scalar(gold: Scalar, answer: Scalar) -> Sameness:
    if gold.unit.contradicts(answer.unit):
        return Sameness.NO
    if gold.unit.rescales(answer.unit):
        return _known(same_value(_scaled(gold), _scaled(answer)))
    said = same_value(gold.node, answer.node)
    if said is False and ANGLE in (gold.unit.dimension, answer.unit.dimension):
        return _known(same_everywhere(_radians(gold), _radians(answer)))
    return _known(said)


def _scaled(scalar: Scalar) -> Node:
    return Op("mul", (scalar.node, Num(scalar.unit.factor)))


def _radians(scalar: Scalar) -> Node:
    return Op("degrees", (scalar.node,)) if scalar.unit.dimension == ANGLE else scalar.node


def _same_items(gold: Sequence[Form], answer: Sequence[Form]) -> Sameness:
    if len(gold) != len(answer):
        return Sameness.NO
    return _all(same(a, b) for a, b in zip(gold, answer, strict=True))


def _same_unordered(gold: Sequence[Form], answer: Sequence[Form]) -> Sameness:
    """Whether each of one is one of the other, as often."""
    if len(gold) != len(answer):
        return Sameness.NO
    left = list(answer)
    undecided = False
    for item in gold:
        said = [same(item, other) for other in left]
        if Sameness.YES in said:
            left.pop(said.index(Sameness.YES))
        elif Sameness.OPEN in said:
            undecided = True
        else:
            return Sameness.NO
    return Sameness.OPEN if undecided else Sameness.YES


def _same_matrix(gold: Matrix, answer: Matrix) -> Sameness:
    if len(gold.rows) != len(answer.rows):
        return Sameness.NO
    return _all(_same_items(a, b) for a, b in zip(gold.rows, answer.rows, strict=True))


def _vector(form: Form) -> tuple[Form, ...]:
    """The entries of a tuple, or of a matrix of one row or one column; none of any other."""
    if isinstance(form, Ordered):
        return form.items
    rows = form.rows if isinstance(form, Matrix) else ()
    if len(rows) == 1:
        return rows[0]
    return tuple(row[0] for row in rows) if rows and len(rows[0]) == 1 else ()


def _terms(form: Ratio | Scalar) -> tuple[Node, ...]:
    return form.terms if isinstance(form, Ratio) else (form.node, Num(Fraction(1)))


def _same_ratio(gold: Sequence[Node], answer: Sequence[Node]) -> Sameness:
    """Whether the terms are proportional: all cross products with the first terms agree."""
    if len(gold) != len(answer):
        return Sameness.NO
    return _all(
        _known(same_everywhere(Op("mul", (gold[0], b)), Op("mul", (answer[0], a))))
        for a, b in zip(gold[1:], answer[1:], strict=True)
    )


def _numeral(form: Scalar) -> str | None:
    """The digits of an answer that is one whole number: one whose base was left out."""
    return str(form.node.value) if isinstance(form.node, Num) and not form.node.decimal else None


def _same_relation(gold: Relation, answer: Relation) -> Sameness:
    """Whether one is a nonzero multiple or a rearrangement of the other.

    Having the same solutions is not enough: two equations without any are not equal for that.
    """
    if len(gold.signs) == len(answer.signs) == 1:
        (a, a_sign), (b, b_sign) = _difference(gold), _difference(answer)
        if a_sign != b_sign:
            return Sameness.NO
        factor = proportional(a, b)
        return _known(factor if isinstance(factor, bool | None) else factor > 0 or a_sign in "=≠")
    gold_interval, answer_interval = _as_interval(gold), _as_interval(answer)
    if isinstance(gold_interval, Relation) or isinstance(answer_interval, Relation):
        return _known(gold == answer)
    names = [{name for node in form.nodes for name in symbols(node)} for form in (gold, answer)]
    return same(gold_interval, answer_interval) if names[0] == names[1] else Sameness.NO


def _difference(relation: Relation) -> tuple[Node, str]:
    """`f > 0`, `f ≥ 0`, `f = 0` or `f ≠ 0` for the relation: f and the sign."""
    left, right, sign = relation.nodes[0], relation.nodes[1], relation.signs[0]
    if sign in "<≤":
        left, right, sign = right, left, {"<": ">", "≤": "≥"}[sign]
    return Op("sub", (left, right)), sign


def _as_interval(form: Form) -> Form:
    """An inequality in one variable, or several of them, as the interval of its solutions."""
    if isinstance(form, Relation):
        return _interval(form) or form
    if not isinstance(form, Listed) or not form.items:
        return form
    relations = [item for item in form.items if isinstance(item, Relation)]
    names = {name for relation in relations for node in relation.nodes for name in symbols(node)}
    parts = [part for relation in relations if (part := _interval(relation))]
    if len(parts) != len(form.items) or len(names) != 1 or not all(isinstance(p, Ordered) for p in parts):
        return form
    if form.joint == "∨":
        return Union(tuple(parts))
    return _both(parts[0], parts[1]) or form if len(parts) == 2 else form


_INFINITY = Scalar(Op("inf", ()), Unit())
_MINUS_INFINITY = Scalar(Op("neg", (Op("inf", ()),)), Unit())
_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "≠": "≠"}


def _interval(relation: Relation) -> Form | None:
    nodes: Sequence[Node] = relation.nodes
    signs: Sequence[str] = relation.signs
    if len(nodes) == 2 and isinstance(nodes[1], Sym) and signs[0] in _FLIPPED:
        nodes, signs = nodes[::-1], [_FLIPPED[signs[0]]]
    if len(nodes) == 2 and isinstance(nodes[0], Sym) and not symbols(nodes[1]):
        return _ray(signs[0], Scalar(nodes[1], Unit()))
    if len(nodes) != 3 or not isinstance(nodes[1], Sym) or symbols(nodes[0]) or symbols(nodes[2]):
        return None
    if all(sign in ">≥" for sign in signs):
        nodes, signs = nodes[::-1], [_FLIPPED[sign] for sign in reversed(signs)]
    if not all(sign in "<≤" for sign in signs):
        return None
    closing = ("[" if signs[0] == "≤" else "(") + ("]" if signs[1] == "≤" else ")")
    return Ordered(closing, (Scalar(nodes[0], Unit()), Scalar(nodes[2], Unit())))


def _ray(sign: str, end: Scalar) -> Form | None:
    match sign:
        case ">" | "≥":
            return Ordered("()" if sign == ">" else "[)", (end, _INFINITY))
        case "<" | "≤":
            return Ordered("()" if sign == "<" else "(]", (_MINUS_INFINITY, end))
        case "≠":
            return Union((Ordered("()", (_MINUS_INFINITY, end)), Ordered("()", (end, _INFINITY))))
        case _:
            return None


def _both(a: Form, b: Form) -> Form | None:
    """What a lower and an upper bound leave."""
    if not isinstance(a, Ordered) or not isinstance(b, Ordered):
        return None
    if a.items[0] == _MINUS_INFINITY:
        a, b = b, a
    if a.items[1] != _INFINITY or b.items[0] != _MINUS_INFINITY:
        return None
    return Ordered(a.closing[0] + b.closing[1], (a.items[0], b.items[1]))
