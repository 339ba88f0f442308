"""From a final answer as text to what kind of thing it is. Parsed whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache

from rlvr_gym.verifiers.math.atoms import TEXT, based, clock, scalar, unitless, words, words_and_signs
from rlvr_gym.verifiers.math.brackets import closing_at, places, split
from rlvr_gym.verifiers.math.expression import (
    MAX_CHARACTERS,
    Num,
    Op,
    Unparsable,
    parse,
    symbols,
)
from rlvr_gym.verifiers.math.forms import (
    Form,
    Labelled,
    Listed,
    Matrix,
    Ordered,
    Ratio,
    Relation,
    Scalar,
    Union,
    Words,
)
from rlvr_gym.verifiers.math.normalise import normalise
from rlvr_gym.verifiers.math.numbers import NoValue, Undecided, equal, terminating
from rlvr_gym.verifiers.math.sameness import same_everywhere
from rlvr_gym.verifiers.math.units import Unit

MAX_ITEMS = 64
_MAX_NESTING = 8

_SIGNS = "=<>≤≥≠≈∈"
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_CHOICE = re.compile(r"\(?([A-Z])[).:]?")
_ALL_REALS = re.compile(r"(?:\\text\{)?\s*(?:all )?(?:real numbers|reals)\s*\}?", re.IGNORECASE)
_MATRIX = re.compile(r"\\begin\{([bpB]?matrix|array)\}(?:\{[clr| ]*\})?(.*)\\end\{\1\}", re.DOTALL)
_LABEL = re.compile(
    r"[A-Za-zα-ωΑ-Ω∠△][A-Za-zα-ωΑ-Ω' ∠△]*(?:_(?:\w|\{\w+\}))?(?:\s*\([A-Za-z]\w*(?:,\s*[A-Za-z])*\))?"
    r"|[A-Za-z]'*\(-?\d+(?:,\s*-?\d+)*\)|P\([^()]{1,60}\)|\|[A-Z]{2}\||\\overline\s*\{[A-Z]{2}\}"
)
_FUNCTION_LABEL = re.compile(r"([A-Za-z])\s*\([a-z](,\s*[a-z])*\)")


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[Form, ...]:
    """Everything an answer can be read as, likeliest first; empty where it cannot be read as a whole."""
    if len(text) > MAX_CHARACTERS:
        return ()
    text = normalise(text)
    if len(text) > MAX_CHARACTERS or not text:
        return ()
    variants = [_GROUPED.sub(lambda m: m[0].replace(",", ""), text)] if _grouped(text) else []
    forms: list[Form] = []
    for variant in [*variants, text]:
        for form in _Reader().readings(variant):
            if form not in forms:
                forms.append(form)
    return tuple(forms)


def _grouped(text: str) -> bool:
    """Whether the answer holds `1,234` outside of brackets, where the comma may group digits."""
    return bool(_GROUPED.search(text)) and not any(opener in text for opener in "([⟦⟨")


class _Reader:
    """One pass over one answer; `nesting` bounds tuples of sets of tuples of ..."""

    def __init__(self) -> None:
        self._nesting = 0

    def readings(self, text: str) -> Iterator[Form]:
        timed, numeral = clock(text), based(text)
        if found := timed or numeral:
            yield found
        if numeral or (timed and timed.half):
            return
        try:
            yield self.form(text)
        except Unparsable:
            if found := words_and_signs(text):
                yield found
            return
        yield from _letters(text)

    def form(self, text: str) -> Form:
        """What `text` is. Raises Unparsable."""
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise Unparsable(f"nested over the limit of {_MAX_NESTING}")
        try:
            return self._form(text.strip().strip("¶").strip())
        finally:
            self._nesting -= 1

    def _form(self, text: str) -> Form:
        if text and text[0] in "=≈":
            text = text[1:].strip()
        if not text:
            raise Unparsable("nothing there")
        if text in ("∅", "⟦⟧", "⟦ ⟧"):
            return Listed((), braces=True)
        if text == "ℝ" or _ALL_REALS.fullmatch(text):
            return Ordered("()", (scalar("-∞"), scalar("∞")))
        if choice := _CHOICE.fullmatch(text):
            return Scalar(parse(choice[1]), Unit())
        if found := words(text):
            return found
        for joints, build in self._splits():
            parts = split(text, joints)
            if len(parts) > 1:
                return build(parts)
        if any(sign in text for sign in _SIGNS) and len(split(text, _SIGNS)) > 1:
            return self._relation(text)
        if len(parts := split(text, "∪")) > 1:
            return Union(tuple(self.form(part) for part in parts))
        return self._single(text)

    def _splits(self) -> list[tuple[str, Callable[[list[str]], Form]]]:
        return [
            ("∨", lambda parts: self._list(parts, "∨")),
            ("∧;", lambda parts: self._list(parts, "∧")),
            (",", lambda parts: self._list(parts, "∧")),
        ]

    def _list(self, parts: list[str], joint: str) -> Form:
        """Answers side by side. `x = 1, x = 2` and `x = 1, 2` are a list of values of x."""
        parts = [part.strip().removesuffix(",") for part in parts]
        if len(parts) > MAX_ITEMS:
            raise Unparsable(f"{len(parts)} answers side by side")
        items: list[Form] = []
        for form in (self.form(part) for part in parts):
            items += form.items if isinstance(form, Listed) and not form.braces else (form,)
        sign = "∨" if joint == "∨" else "∧"
        first, rest = items[0], items[1:]
        if isinstance(first, Labelled):
            same = all(isinstance(item, Labelled) and item.label == first.label for item in rest)
            if same or not any(isinstance(item, Labelled | Relation) for item in rest):
                values = (item.value if isinstance(item, Labelled) else item for item in items)
                return Labelled(first.label, Listed(tuple(values), joint=sign), None)
        return Listed(tuple(items), joint=sign)

    def _single(self, text: str) -> Form:
        if matrix := _MATRIX.fullmatch(text):
            return self._matrix(matrix[2])
        if text[0] in "([{⟦⟨" and closing_at(text, 0) == len(text) - 1:
            return self._bracketed(text)
        if "±" in text or "∓" in text:
            return self._plus_minus(text)
        if len(parts := split(text, ":")) > 1:
            return Ratio(tuple(parse(part) for part in parts))
        return scalar(text)

    def _bracketed(self, text: str) -> Form:
        inside = text[1:-1].strip()
        if matrix := _MATRIX.fullmatch(inside):
            return self._matrix(matrix[2])
        parts = split(inside, ",;") if inside else []
        if text[0] == "⟦" or (text[0] == "{" and len(parts) > 1):
            return self._set(inside)
        if text[0] == "{":
            return self.form(inside)
        closing = {"⟨": "()"}.get(text[0], text[0] + text[-1])
        if len(parts) == 1:
            if closing == "()" and any(sign in inside for sign in "∨∧" + _SIGNS + "±∪"):
                return self.form(inside)
            return self.form(inside) if _CHOICE.fullmatch(inside) else scalar(text)
        if not 2 <= len(parts) <= MAX_ITEMS or closing not in ("()", "(]", "[)", "[]"):
            raise Unparsable("brackets around nothing that belongs there")
        return Ordered(closing, tuple(self.form(part) for part in parts))

    def _set(self, inside: str) -> Form:
        if not inside:
            return Listed((), braces=True)
        builder = split(inside, "|:")
        if len(builder) == 2 and _LABEL.fullmatch(builder[0].split("∈")[0].strip()):
            return self.form(builder[1])
        form = self.form(inside)
        items = form.items if isinstance(form, Listed) and not form.braces else (form,)
        return Listed(items, braces=True)

    def _plus_minus(self, text: str) -> Form:
        """`a ± b` is both; several signs go together, `∓` the other way."""
        upper = text.replace("±", "+").replace("∓", "-")
        lower = text.replace("±", "-").replace("∓", "+")
        return Listed((self.form(upper), self.form(lower)), joint="∨")

    def _matrix(self, body: str) -> Matrix:
        rows = [row for row in body.split("¶") if row.strip() and row.strip() != "\\hline"]
        if not 1 <= len(rows) <= MAX_ITEMS:
            raise Unparsable("a matrix without rows, or with too many")
        cells = [split(row, "&") for row in rows]
        if len({len(row) for row in cells}) != 1 or len(cells) * len(cells[0]) > MAX_ITEMS:
            raise Unparsable("a matrix with rows of different length, or with too many entries")
        return Matrix(tuple(tuple(self.form(cell) for cell in row) for row in cells))

    def _relation(self, text: str) -> Form:
        parts = [part.strip() for part in split(text, _SIGNS)]
        signs = [text[at] for at in places(text, _SIGNS)]
        if signs[-1] == "≈":
            return self._approximated(text, parts, signs)
        if signs == ["∈"] and _LABEL.fullmatch(parts[0]):
            form = self.form(parts[1])
            if not isinstance(form, Ordered | Listed | Union):
                raise Unparsable("a member of something that is no set")
            return Labelled(_label(parts[0]), form, None)
        if set(signs) == {"="}:
            return self._equation(parts)
        return Relation(tuple(parse(unitless(part)) for part in parts), tuple(signs))

    def _approximated(self, text: str, parts: list[str], signs: list[str]) -> Form:
        """`1/3 ≈ 0.33`: the exact side is the answer, provided that the other is it, rounded."""
        exact = text[: places(text, _SIGNS)[-1]].strip()
        form = self.form(exact) if not (len(signs) == 1 and _LABEL.fullmatch(exact)) else None
        if form is None:
            return Labelled(_label(exact), self.form(parts[-1]), None)
        value = form.value if isinstance(form, Labelled) else form
        rounded = self.form(parts[-1])
        if not (isinstance(value, Scalar) and isinstance(rounded, Scalar) and _is_rounded(value, rounded)):
            raise Unparsable("an approximation that is not one")
        return form

    def _equation(self, parts: list[str]) -> Form:
        """`x = 5`, a chain of equal values such as `84/2 = 42`, or an equation."""
        tuple_label = re.fullmatch(r"\(\s*[A-Za-z]\w?(?:\s*,\s*[A-Za-z]\w?)+\s*\)", parts[0])
        labelled = bool(tuple_label) or _is_label(parts[0])
        if not labelled and len(parts) == 2 and _is_label(parts[1]) and parts[1] not in ("e", "i", "π"):
            parts, labelled = parts[::-1], True
        values = parts[1:] if labelled else parts
        forms = [self.form(part) for part in values]
        if labelled and (len(forms) == 1 or _all_equal(forms)):
            return Labelled(_label(parts[0]), forms[-1], self._as_relation(parts))
        if not labelled and _all_equal(forms):
            return forms[-1]
        return Relation(tuple(parse(unitless(part)) for part in parts), ("=",) * (len(parts) - 1))

    def _as_relation(self, parts: list[str]) -> Relation | None:
        try:
            return Relation((parse(parts[0]), parse(unitless(parts[-1]))), ("=",))
        except Unparsable:
            return None


def _letters(text: str) -> Iterator[Form]:
    """What a short run of letters may be besides what it is as a form: `ab` a word, `abc` a product.

    Letters of a product are put in alphabetical order; so no word is the product that its anagram is.
    """
    if not (text.isalpha() and text.isascii() and 2 <= len(text) <= 3):
        return
    if len(text) == 2:
        yield Words(text.casefold())
    elif list(text) == sorted(text):
        yield scalar(text)


def _is_label(text: str) -> bool:
    """Whether the left side only names what the right side is: letters, `f(x)`, a sum of letters, words."""
    if TEXT.fullmatch(text) or _LABEL.fullmatch(text):
        return text not in ("e", "i", "π")
    return bool(re.fullmatch(r"[A-Za-z]\w?(?:\s*[+*/-]\s*[A-Za-z])+", text))


def _label(text: str) -> str:
    function = _FUNCTION_LABEL.fullmatch(text)
    return "y" if function else re.sub(r"\\text|[\s{}]", "", text)


def _all_equal(forms: list[Form]) -> bool:
    """Whether all forms are scalars of one value: what a chain of equations claims."""
    first = forms[0]
    return all(
        isinstance(first, Scalar)
        and isinstance(form, Scalar)
        and same_everywhere(first.node, form.node) is True
        for form in forms[1:]
    )


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
