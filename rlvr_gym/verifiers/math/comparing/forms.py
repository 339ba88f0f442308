"""Compare two answers whose forms are known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rlvr_gym.verifiers.math.comparing.numerals import same_congruence, same_numeral, same_ratio, terms
from rlvr_gym.verifiers.math.comparing.quantities import same_quantity
from rlvr_gym.verifiers.math.comparing.real_sets import FLIPPED, Unsolved, real_set, same_set
from rlvr_gym.verifiers.math.comparing.rearranging import rearranged
from rlvr_gym.verifiers.math.comparing.sameness import Sameness, all_of, known
from rlvr_gym.verifiers.math.expressions.nodes import (
    Node,
    Op,
    Sym,
    symbols,
)
from rlvr_gym.verifiers.math.expressions.sameness import proportional, same_everywhere
from rlvr_gym.verifiers.math.forms.clocks import same_time
from rlvr_gym.verifiers.math.forms.kinds import (
    Based,
    Choice,
    Clock,
    Congruence,
    Form,
    Labelled,
    Listed,
    Matrix,
    Ordered,
    Ratio,
    Relation,
    Scalar,
    Union,
    Without,
    Words,
)
from rlvr_gym.verifiers.math.forms.labels import same_label


def same(gold: Form, answer: Form) -> Sameness:
    """Compare an answer with the gold answer."""
    if isinstance(gold, Labelled) or isinstance(answer, Labelled):
        return _same_labelled(gold, answer)
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _same_choice(gold, answer)
    if _is_assignment(gold) or _is_assignment(answer):
        return _same_assignment(gold, answer)
    gold, answer = _only(gold), _only(answer)
    answer = _unlisted(answer, gold)
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        return _same_relation(gold, answer)
    if _needs_solving(gold) or _needs_solving(answer):
        return _same_set(gold, answer)
    match gold, answer:
        case Scalar(), Scalar():
            return known(same_quantity(gold, answer))
        case Ordered(), Ordered():
            return _same_items(gold.items, answer.items) if gold.closing == answer.closing else Sameness.NO
        case Listed(), Listed() if _one_of_several(gold) != _one_of_several(answer):
            return Sameness.NO
        case Listed(), Listed():
            return _same_unordered(_distinct(gold, gold), _distinct(answer, gold))
        case Matrix(), Matrix():
            return _same_matrix(gold, answer)
        case (Matrix(), Ordered("()" | "[]")) | (Ordered("()" | "[]"), Matrix()):
            return _same_items(_vector(gold), _vector(answer))
        case (Ratio() | Scalar(), Ratio() | Scalar()):
            return same_ratio(terms(gold), terms(answer))
        case (Based(), Based() | Scalar()) | (Scalar(), Based()):
            return same_numeral(gold, answer)
        case Clock(), Clock():
            return known(same_time(gold, answer))
        case (Congruence(), Congruence() | Scalar()) | (Scalar(), Congruence()):
            return same_congruence(gold, answer)
        case _:
            return known(gold == answer)


def _same_labelled(gold: Form, answer: Form) -> Sameness:
    """`x = 5` is 5, but not `y = 5`; `y = 2x` is also `2x - y = 0`."""
    if isinstance(gold, Labelled) and isinstance(answer, Labelled) and same_label(gold.label, answer.label):
        if isinstance(gold.value, Congruence) != isinstance(answer.value, Congruence):
            return Sameness.NO
        return same(gold.value, answer.value)
    gold_relation, answer_relation = _relation_of(gold), _relation_of(answer)
    if gold_relation and answer_relation:
        return _same_relation(gold_relation, answer_relation)
    if isinstance(gold, Labelled) and isinstance(answer, Labelled):
        return Sameness.NO
    labelled, other = (gold, answer) if isinstance(gold, Labelled) else (answer, gold)
    if isinstance(labelled, Labelled) and isinstance(labelled.value, Listed) and _is_assignment(other):
        return _same_roots(labelled, other)
    if isinstance(gold, Labelled):
        of_others = isinstance(gold.value, Scalar) and _is_assignment(answer)
        return Sameness.NO if gold.is_equation or of_others else same(gold.value, answer)
    if not isinstance(answer, Labelled):
        return Sameness.NO
    if isinstance(gold, Listed) and answer.relation:
        return _same_set(gold, answer.relation)
    return same(gold, answer.value)


def _same_roots(roots: Labelled, indexed: Form) -> Sameness:
    """`x_1 = 2, x_2 = 3` and `x = 2` or `x = 3`."""
    items = indexed.items if isinstance(indexed, Listed) else ()
    values = tuple(
        item.value
        for item in items
        if isinstance(item, Labelled) and item.label.partition("_")[0] == roots.label
    )
    return same(roots.value, Listed(values)) if len(values) == len(items) else Sameness.NO


def _relation_of(form: Form) -> Relation | None:
    return form.relation if isinstance(form, Labelled) else form if isinstance(form, Relation) else None


def _same_choice(gold: Form, answer: Form) -> Sameness:
    """Compare options by letter; content given on both sides must not differ."""
    if not isinstance(gold, Choice):
        content = answer.content if isinstance(answer, Choice) else None
        return same(gold, content) if content else Sameness.NO
    if not isinstance(answer, Choice):
        return same(gold.content, answer) if gold.content else Sameness.NO
    if gold.letter != answer.letter:
        return Sameness.NO
    return same(gold.content, answer.content) if gold.content and answer.content else Sameness.YES


def _is_assignment(form: Form) -> bool:
    """Return whether a form gives values to several names: `x = 1, y = 2`."""
    if not isinstance(form, Listed) or len(form.items) < 2:
        return False
    names = [item.label for item in form.items if isinstance(item, Labelled) and not item.is_equation]
    return len(names) == len(form.items) and len(set(names)) == len(names)


def _same_assignment(gold: Form, answer: Form) -> Sameness:
    """Values of names beside a tuple are in the order of the alphabet, beside a list as they are written."""
    named, other = (gold, _only(answer)) if _is_assignment(gold) else (answer, _only(gold))
    items = [item for item in named.items if isinstance(item, Labelled)] if isinstance(named, Listed) else []
    if isinstance(named, Listed) and isinstance(other, Listed) and _is_assignment(other):
        hedged = _one_of_several(named) != _one_of_several(other) and not _is_indexed(named)
        return Sameness.NO if hedged else _same_unordered(items, other.items)
    if isinstance(other, Listed) and other.braces:
        return Sameness.NO
    if isinstance(other, Listed) and _is_indexed(named):
        return _same_unordered([item.value for item in items], other.items)
    if isinstance(other, Ordered | Matrix):
        items.sort(key=lambda item: item.label)
        values = other.items if isinstance(other, Ordered) and other.closing == "()" else _vector(other)
    else:
        values = other.items if isinstance(other, Listed) else (other,)
    if all(isinstance(item.value, Scalar) for item in items) and len(values) == 1 and named is answer:
        return all_of(same(values[0], item.value) for item in items)
    return _same_items(values, [item.value for item in items])


def _is_indexed(form: Form) -> bool:
    """Return whether all names share one letter and differ in its index: `x_1 = 2, x_2 = 3`."""
    items = form.items if isinstance(form, Listed) else ()
    return len({item.label.partition("_")[0] for item in items if isinstance(item, Labelled)}) == 1


def _only(form: Form) -> Form:
    """A list or set of one answer is that answer; a set of one set is not that set."""
    if not isinstance(form, Listed) or len(form.items) != 1:
        return form
    inner = form.items[0]
    return form if form.braces and isinstance(inner, Listed) and inner.braces else inner


def _unlisted(form: Form, beside: Form) -> Form:
    """One answer given several times, beside something that is no list: that answer."""
    if not isinstance(form, Listed) or isinstance(beside, Listed) or not form.items:
        return form
    first, rest = form.items[0], form.items[1:]
    return first if all(same(first, other) is Sameness.YES for other in rest) else form


def _one_of_several(form: Listed) -> bool:
    """Return whether a form hedges: one of several words, letters or named values, without saying which."""
    named = all(isinstance(item, Words) or _is_letter(item) for item in form.items)
    told_apart = named or _is_assignment(form)
    return form.joint == "∨" and len(form.items) > 1 and told_apart


def _is_letter(item: Form) -> bool:
    return isinstance(item, Scalar) and isinstance(item.node, Sym)


def _distinct(form: Listed, gold: Listed) -> Sequence[Form]:
    """The items of a list; each once where the gold is a set or a list of tuples, which have no repetitions."""
    if not gold.braces and not all(isinstance(item, Ordered) for item in gold.items):
        return form.items
    kept: list[Form] = []
    for item in form.items:
        if not any(same(item, other) is Sameness.YES for other in kept):
            kept.append(item)
    return kept


def _same_items(gold: Sequence[Form], answer: Sequence[Form]) -> Sameness:
    if len(gold) != len(answer):
        return Sameness.NO
    return all_of(same(a, b) for a, b in zip(gold, answer, strict=True))


def _same_unordered(gold: Sequence[Form], answer: Sequence[Form]) -> Sameness:
    """Compare as multisets: each item of one is an item of the other, equally often."""
    if len(gold) != len(answer):
        return Sameness.NO
    left = list(answer)
    undecided = False
    for item in gold:
        said = [same(item, other) if _is_set(item) == _is_set(other) else Sameness.NO for other in left]
        if Sameness.YES in said:
            left.pop(said.index(Sameness.YES))
        elif Sameness.OPEN in said:
            undecided = True
        else:
            return Sameness.NO
    return Sameness.OPEN if undecided else Sameness.YES


def _is_set(item: Form) -> bool:
    return isinstance(item, Listed) and item.braces


def _same_matrix(gold: Matrix, answer: Matrix) -> Sameness:
    if len(gold.rows) != len(answer.rows):
        return Sameness.NO
    return all_of(_same_items(a, b) for a, b in zip(gold.rows, answer.rows, strict=True))


def _vector(form: Form) -> tuple[Form, ...]:
    """The entries of a tuple, or of a matrix of one row or one column; none of any other."""
    if isinstance(form, Ordered):
        return form.items
    rows = form.rows if isinstance(form, Matrix) else ()
    if len(rows) == 1:
        return rows[0]
    return tuple(row[0] for row in rows) if rows and len(rows[0]) == 1 else ()


def _same_relation(gold: Relation, answer: Relation) -> Sameness:
    """Return whether one relation is a nonzero multiple or a rearrangement of the other.

    Equal solution sets are not enough: two equations without solutions need not be the same equation.
    """
    if len(gold.signs) == len(answer.signs) == 1:
        (a, a_sign), (b, b_sign) = _difference(gold), _difference(answer)
        if a_sign != b_sign:
            return Sameness.NO
        factor = proportional(a, b)
        if isinstance(factor, Fraction):
            return known(factor > 0 or a_sign in "=≠")
        return Sameness.YES if a_sign == "=" and rearranged(a, b) else known(factor)
    if len(gold.signs) == len(answer.signs) and (said := _same_chain(gold, answer)) is Sameness.YES:
        return said
    names = [{name for node in form.nodes for name in symbols(node)} for form in (gold, answer)]
    return _same_set(gold, answer) if names[0] == names[1] else Sameness.NO


def _same_chain(gold: Relation, answer: Relation) -> Sameness:
    """`a < b < c`, also from the other end."""
    nodes, signs = answer.nodes, answer.signs
    for _ in range(2):
        if gold.signs == signs:
            said = all_of(known(same_everywhere(a, b)) for a, b in zip(gold.nodes, nodes, strict=True))
            if said is not Sameness.NO:
                return said
        nodes, signs = nodes[::-1], tuple(FLIPPED.get(sign, sign) for sign in reversed(signs))
    return Sameness.NO


def _difference(relation: Relation) -> tuple[Node, str]:
    """`f > 0`, `f ≥ 0`, `f = 0` or `f ≠ 0` for the relation: f and the sign."""
    left, right, sign = relation.nodes[0], relation.nodes[1], relation.signs[0]
    if sign in "<≤":
        left, right, sign = right, left, {"<": ">", "≤": "≥"}[sign]
    return Op("sub", (left, right)), sign


def _needs_solving(form: Form) -> bool:
    """Return whether a form is a set that must be worked out first: inequalities, unions, differences."""
    if isinstance(form, Listed) and not form.braces:
        return any(isinstance(item, Relation) or _needs_solving(item) for item in form.items)
    return isinstance(form, Relation | Union | Without)


def _same_set(gold: Form, answer: Form) -> Sameness:
    if gold == answer:
        return Sameness.YES
    try:
        return known(same_set(real_set(gold), real_set(answer)))
    except Unsolved:
        pass
    if isinstance(gold, Union) and isinstance(answer, Union):
        sets = [isinstance(item, Ordered | Listed) for item in (*gold.items, *answer.items)]
        return _same_unordered(gold.items, answer.items) if all(sets) else Sameness.NO
    if isinstance(gold, Listed) and isinstance(answer, Listed):
        return _same_unordered(gold.items, answer.items)
    return Sameness.NO
