"""From a final answer as text to what kind of thing it is. Parsed whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache

from rlvr_gym.verifiers.math.expressions.grammar import MAX_CHARACTERS, parse
from rlvr_gym.verifiers.math.expressions.nodes import Num
from rlvr_gym.verifiers.math.forms.clocks import clock
from rlvr_gym.verifiers.math.forms.kinds import (
    Choice,
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
from rlvr_gym.verifiers.math.forms.labels import NAME
from rlvr_gym.verifiers.math.forms.numerals import based, other_locale
from rlvr_gym.verifiers.math.forms.texts import (
    announced,
    date_or_ordinal,
    number_set,
    option,
    says_nothing,
    several_options,
    with_remainder,
    words,
    words_and_signs,
)
from rlvr_gym.verifiers.math.forms.units import Unit
from rlvr_gym.verifiers.math.reading.atoms import (
    counted_briefly,
    counted_in_parts,
    in_sterling,
    letters,
    quantities,
    scalar,
)
from rlvr_gym.verifiers.math.reading.binding import bound, renamed, with_bound_arguments
from rlvr_gym.verifiers.math.reading.matrices import MATRIX, computed
from rlvr_gym.verifiers.math.reading.normalise import normalise
from rlvr_gym.verifiers.math.reading.plainer import plainer
from rlvr_gym.verifiers.math.reading.progressions import spelt_out
from rlvr_gym.verifiers.math.reading.relations import SIGNS, congruence, relation
from rlvr_gym.verifiers.math.reading.vectors import of_unit_vectors
from rlvr_gym.verifiers.math.reading.whole_numbers import (
    QUALIFIER,
    without_parameters,
)
from rlvr_gym.verifiers.math.text.brackets import closing_at, split
from rlvr_gym.verifiers.math.text.tokens import Unparsable

MAX_ITEMS = 64
_MAX_NESTING = 8
_SMALL = 400
"""The longest text in which the rarer notations are looked for."""

_PADDED = re.compile(r"[-+]?0\d")
_GROUPED = re.compile(r"(?<![\d.,])(?:0{2,}\d{1,3}|[1-9]\d{0,2})(?:,\d{3})+(?![\d,])")
_OPTION_LETTER = re.compile(r"\(?([A-Z])[).:]?")
_ALL_REALS = re.compile(r"(?:\\text\{)?\s*(?:all )?(?:real numbers|reals)\s*\}?", re.IGNORECASE)
_EXCEPT = re.compile(
    r"(?:\\text\{)?\s*(?:all )?(?:real numbers|reals|ℝ),? (?:except|excluding|but)(?: for)?\s*\}?\s*"
    r"(?:[a-z]\s*=\s*)?(\S.*)",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"⟦?\s*\\begin\{(cases|aligned|align|gathered|array)\}(?:\{[lcr| ]*\})?(.*)\\end\{\1\}\s*⟧?", re.DOTALL
)
_IDENTICALLY = re.compile(r"^([A-Za-z]\([a-z]\)\s*|[fghFGHPQ]\s*)≡(?!.*mod)", re.DOTALL)
_NAMED_POINT = re.compile(r"[A-Z]\s*(\(.*\))", re.DOTALL)
_ALL_BUT = re.compile(r"ℝ\s*-\s*(?=⟦)")
_RATIO_IN_WORDS = re.compile(r"[1-9]\d*(?:\s*(?:\\text\{\s*to\s*\}|to)\s*[1-9]\d*){1,3}")
"""`0 to 5` is a range."""


@lru_cache(maxsize=4096)
def read(text: str, as_answer: bool = False) -> tuple[Form, ...]:
    """Everything an answer can be read as, likeliest first; empty where it cannot be read as a whole.

    What a policy says (`as_answer`) may also have the decimal comma and the option letters of everyday writing.
    """
    if len(text) > MAX_CHARACTERS:
        return ()
    text = normalise(text)
    if len(text) > MAX_CHARACTERS or not text:
        return ()
    variants = [_GROUPED.sub(lambda m: m[0].replace(",", ""), text)] if _grouped(text) else []
    forms: list[Form] = []
    for variant in [*variants, text]:
        for form in _Reader().readings(variant, as_answer):
            if form not in forms:
                forms.append(form)
    if as_answer and len(text) < _SMALL and (written := other_locale(text)):
        forms.append(scalar(written))
    return tuple(forms)


def _grouped(text: str) -> bool:
    """Return whether the answer contains `1,234` outside of brackets, where the comma may group digits."""
    return "," in text and bool(_GROUPED.search(text)) and not any(opener in text for opener in "([⟦⟨")


class _Reader:
    """One pass over one answer; `nesting` bounds tuples of sets of tuples of ..."""

    def __init__(self) -> None:
        self._nesting = 0

    def readings(self, text: str, as_answer: bool) -> Iterator[Form]:
        if text.isdecimal() and text.isascii():
            yield Scalar(Num(Fraction(int(text))), Unit())
            return
        names: list[str] = []
        if len(text) < _SMALL:
            text, names = plainer(text)
            timed, numeral = clock(text), based(text)
            if found := timed or numeral:
                yield found
            if numeral or (timed and timed.said == "half"):
                return
            if several := several_options(text):
                yield Choice(several)
            if (chosen := option(text, as_answer)) and (form := self._choice(*chosen)):
                yield form
        if as_answer and len(text) < _SMALL and (parts := counted_in_parts(text)):
            yield parts
        try:
            form = self.form(text)
        except Unparsable:
            if found := words_and_signs(text):
                yield found
            return
        yield form
        if names and (without_names := renamed(form, bound(names))):
            yield without_names
        if without_arguments := with_bound_arguments(form):
            yield without_arguments
        if isinstance(form, Scalar):
            yield from of_unit_vectors(form)
            if money := in_sterling(text, form):
                yield money
            if as_answer and (counted := counted_briefly(text)):
                yield counted
        yield from letters(text)

    def _choice(self, letter: str, content: str) -> Choice | None:
        if not content:
            return Choice(letter)
        try:
            return Choice(letter, self.form(content))
        except Unparsable:
            said = words_and_signs(content)
            return Choice(letter, said) if said else None

    def form(self, text: str) -> Form:
        """Parse `text` into a form. Raises Unparsable."""
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
        if found := self._phrase(text):
            return found
        for joints, build in self._splits():
            parts = split(text, joints)
            if len(parts) > 1:
                return build(parts)
        if "≡" in text:
            text = _IDENTICALLY.sub(r"\1=", text)
        if found := congruence(text):
            return found
        if any(sign in text for sign in SIGNS) and len(split(text, SIGNS)) > 1:
            return relation(text, self.form)
        if len(parts := split(text, "∪")) > 1:
            return Union(tuple(self.form(part) for part in parts))
        if len(parts := split(_ALL_BUT.sub("ℝ∖", text), "∖")) == 2:
            return Without(self.form(parts[0]), self.form(parts[1]))
        return self._single(text)

    def _phrase(self, text: str) -> Form | None:
        """Read texts that are recognised as a whole by their words or signs."""
        if text in ("∅", "⟦⟧", "⟦ ⟧") or (len(text) < _SMALL and says_nothing(text)):
            return Listed((), braces=True)
        if text == "…":
            return Words(text)
        if text == "ℝ" or _ALL_REALS.fullmatch(text):
            return Ordered("()", (scalar("-∞"), scalar("∞")))
        if letter := _OPTION_LETTER.fullmatch(text):
            return Scalar(parse(letter[1]), Unit())
        if found := date_or_ordinal(text) or with_remainder(text) or words(text):
            return found
        if text[0] in "ℤℕℚℝ" and (found := number_set(text)):
            return found
        if (
            len(text) < _SMALL
            and (value := announced(text))
            and not isinstance(form := self.form(value), Words)
        ):
            return form
        if len(text) < _SMALL and (found := quantities(text)):
            return found
        if match := _EXCEPT.fullmatch(text):
            return Without(self.form("ℝ"), self._set(match[1].strip("⟦⟧")))
        if "\\begin" in text and (match := _SYSTEM.fullmatch(text)):
            rows = [row.replace("&", "") for row in match[2].split("¶") if row.strip()]
            if all(len(split(row, SIGNS)) > 1 for row in rows):
                return self._list(rows, "∧")
        return None

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
        if any(_PADDED.match(part) for part in parts):
            raise Unparsable("a part of a number rather than an answer of a list: it begins with a zero")
        items: list[Form] = []
        sign = "∨" if joint == "∨" else "∧"
        for part, form in ((part, self.form(part)) for part in parts):
            opened = isinstance(form, Listed) and not form.braces and not _is_assignment(form)
            if isinstance(form, Listed) and form.joint != sign and re.search("[∧∨]", part):
                opened = False  # `p and (q or r)` is no list of three
            items += form.items if isinstance(form, Listed) and opened else (form,)
        items = spelt_out(items, MAX_ITEMS)
        first, rest = items[0], items[1:]
        if isinstance(first, Labelled):
            same = all(isinstance(item, Labelled) and item.label == first.label for item in rest)
            if same or not any(isinstance(item, Labelled | Relation | Listed) for item in rest):
                values = (item.value if isinstance(item, Labelled) else item for item in items)
                return Labelled(first.label, Listed(tuple(values), joint=sign), None)
        return Listed(tuple(items), joint=sign)

    def _single(self, text: str) -> Form:
        if matrix := MATRIX.fullmatch(text):
            return self._matrix(matrix[2])
        if text[0] in "([{⟦⟨" and closing_at(text, 0) == len(text) - 1:
            several = text[0] == "(" and "±" in text and len(split(text[1:-1], ",")) > 1
            return self._plus_minus(text) if several else self._bracketed(text)
        if "±" in text or "∓" in text:
            return self._plus_minus(text)
        if "\\begin" in text and (form := computed(text, self._matrix)):
            return form
        if len(parts := split(text, ":")) > 1:
            return self._ratio(parts)
        if (point := _NAMED_POINT.fullmatch(text)) and len(split(point[1][1:-1], ",;")) > 1:
            return self.form(point[1])
        if _RATIO_IN_WORDS.fullmatch(text):
            return self._ratio(re.findall(r"\d+", text))
        return scalar(text)

    def _ratio(self, parts: list[str]) -> Ratio:
        if any(len(part.strip()) > 1 and part.strip()[0] == "0" and "." not in part for part in parts):
            raise Unparsable("a term with a leading zero, as times of day have")
        return Ratio(tuple(parse(part) for part in parts))

    def _bracketed(self, text: str) -> Form:
        inside = text[1:-1].strip()
        if matrix := MATRIX.fullmatch(inside):
            return self._matrix(matrix[2])
        parts = split(inside, ",;") if inside else []
        if text[0] == "⟦" or (text[0] == "{" and len(parts) > 1):
            return self._set(inside)
        if text[0] == "{":
            return self.form(inside)
        closing = {"⟨": "()"}.get(text[0], text[0] + text[-1])
        if len(parts) == 1:
            if closing == "()" and any(sign in inside for sign in "∨∧" + SIGNS + "±∪"):
                return self.form(inside)
            return self.form(inside) if _OPTION_LETTER.fullmatch(inside) else scalar(text)
        if not 2 <= len(parts) <= MAX_ITEMS or closing not in ("()", "(]", "[)", "[]"):
            raise Unparsable("brackets around nothing that belongs there")
        items = tuple(self.form(part) for part in parts)
        if closing == "[]" and all(isinstance(item, Ordered) and item.closing == "[]" for item in items):
            rows = tuple(item.items for item in items if isinstance(item, Ordered))
            if len({len(row) for row in rows}) == 1:
                return Matrix(rows)
        return Ordered("()" if closing == "[]" and len(items) > 2 else closing, items)

    def _set(self, inside: str) -> Form:
        if not inside:
            return Listed((), braces=True)
        builder = split(inside, "|:")
        if len(builder) == 2 and QUALIFIER.fullmatch(builder[1].strip()):
            return Listed((self.form(builder[0]),), braces=True)
        name, _, numbers = (part.strip() for part in builder[0].partition("∈"))
        if len(builder) == 2 and NAME.fullmatch(name):
            stated = f"{builder[1]}, {name} ∈ {numbers}" if numbers else builder[1]
            return self.form(_of_x(name, without_parameters(stated)))
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


def _of_x(name: str, condition: str) -> str:
    """A condition on elements of a set with `x` as their name, whatever it was."""
    if len(name) != 1 or not name.isalpha() or re.search(r"(?<![A-Za-z\\])x(?![A-Za-z])", condition):
        return condition
    return re.sub(rf"(?<![A-Za-z\\]){name}(?![A-Za-z])", "x", condition)


def _is_assignment(form: Listed) -> bool:
    """Return whether a list gives values to several names: `x = 1, y = 2`."""
    names = [item.label for item in form.items if isinstance(item, Labelled)]
    return len(names) == len(form.items) > 1 and len(set(names)) == len(names)
