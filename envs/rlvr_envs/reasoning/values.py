"""Answers that are one value, written in more than one way: texts, numbers, lists, grids.

Each function takes the gold answer, the facts of the problem and what was said, and returns what is wrong, or None.
The whole answer is read or none of it: nothing is looked for inside of a longer text, and nothing is evaluated.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from decimal import Decimal
from fractions import Fraction

from rlvr_gym.files import Json, JsonObject

Fault = str | None
_LONGEST = 100_000
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,400})(?:\.[0-9]{0,400})?(?:e[+-]?[0-9]{1,3})?", re.I
)
_BARE_DECIMAL = re.compile(r"[+-]?\.[0-9]{1,400}")


def text(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same lines, whatever blanks stand around them and however many between their words."""
    return None if _lines(said) == _lines(gold) else "another text"


def word(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same text whatever its case, with or without a full stop."""
    same = _lines(said.casefold().removesuffix(".")) == _lines(gold.casefold().removesuffix("."))
    return None if same else "another answer"


def _lines(said: str) -> list[str]:
    return [" ".join(line.split()) for line in said.strip().split("\n")]


def parts(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same texts in the same order, commas between them."""
    return None if _split(said) == _split(gold) else "another list"


def _split(said: str) -> list[str]:
    return [" ".join(part.split()) for part in said.split(",")]


def number(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same value, exactly: a decimal, with thousands parted or not, or a fraction."""
    value = number_of(said)
    if value is None:
        return "no number"
    return None if value == number_of(gold) else "another number"


def near(gold: str, facts: JsonObject, said: str, *, relative: float = 0.0, absolute: float = 0.0) -> Fault:
    """A number within a tolerance; where the gold is not zero, zero is never near to it."""
    value, wanted = number_of(said), number_of(gold)
    if value is None or wanted is None:
        return "no number"
    if (value == 0) != (wanted == 0):
        return "another number"
    allowed = max(Fraction(relative) * abs(wanted), Fraction(absolute))
    return None if abs(value - wanted) <= allowed else "another number"


def number_of(said: str) -> Fraction | None:
    """The value of a decimal or a fraction of whole numbers; None for anything else."""
    said = said.strip().replace("−", "-")
    over, slash, under = said.partition("/")
    if slash:
        fits = re.fullmatch(r"[+-]?[0-9]{1,400}", over.strip()) and re.fullmatch(
            r"[0-9]{1,400}", under.strip()
        )
        return Fraction(int(over), int(under)) if fits and int(under) else None
    if not (_NUMBER.fullmatch(said) or _BARE_DECIMAL.fullmatch(said)):
        return None
    return Fraction(Decimal(said.replace(",", "")))


def three_figures(gold: str, facts: JsonObject, said: str) -> Fault:
    """A number that is the same when rounded to three significant figures."""
    value, wanted = number_of(said), number_of(gold)
    if value is None or wanted is None:
        return "no number"
    return None if _three(value) == _three(wanted) else "another number"


def _three(value: Fraction) -> Fraction:
    if value == 0:
        return value
    size = math.floor(math.log10(abs(value.numerator)) - math.log10(value.denominator))
    step = Fraction(10) ** (size - 2)
    return Fraction(math.floor(value / step + Fraction(1, 2))) * step


def hexadecimal(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same whole number, in hexadecimal with `0x`."""
    if not re.fullmatch(r"[+-]?0x[0-9a-f]{1,400}", said.strip(), re.I):
        return "no hexadecimal number"
    return None if int(said.strip(), 16) == int(gold.strip(), 16) else "another number"


_FRACTION = re.compile(
    r"\\[dt]?frac\s*\{\s*(-?[0-9]{1,400})\s*\}\s*\{\s*([0-9]{1,400})\s*\}"
    r"|(-?[0-9]{1,400})\s*/\s*([0-9]{1,400})"
)


def reduced_fraction(gold: str, facts: JsonObject, said: str) -> Fault:
    r"""The same numerator over the same denominator: `3/4`, `\frac{3}{4}`, in dollars or not."""
    pair = _fraction(said)
    if pair is None:
        return "no fraction"
    return None if pair == _fraction(gold) else "another fraction"


def _fraction(said: str) -> tuple[int, int] | None:
    found = _FRACTION.fullmatch(said.strip().strip("$").strip())
    return (int(found[1] or found[3]), int(found[2] or found[4])) if found else None


def complex_number(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same real and imaginary parts, as `a + bi`; a part that is zero may be left out."""
    value = _complex(said)
    if value is None:
        return "no complex number"
    return None if value == _complex(gold) else "another number"


_PART = r"[0-9]{1,400}(?:\.[0-9]{0,400})?"
_COMPLEX = re.compile(
    rf"(?P<real>[+-]?{_PART}(?![0-9.]*[ij]))?(?:(?P<sign>[+-])?(?P<imaginary>{_PART})?(?P<i>[ij]))?"
)


def _complex(said: str) -> tuple[Fraction, Fraction] | None:
    bare = "".join(said.split()).replace("−", "-")
    bare = bare[1:-1] if bare.startswith("(") and bare.endswith(")") else bare
    found = _COMPLEX.fullmatch(bare)
    if not found or not bare or (found["real"] and found["i"] and not found["sign"]):
        return None
    imaginary = Fraction(found["imaginary"] or 1) if found["i"] else Fraction(0)
    return Fraction(found["real"] or 0), -imaginary if found["sign"] == "-" else imaginary


def numbers(gold: str, facts: JsonObject, said: str, *, absolute: float = 0.0, ordered: bool = True) -> Fault:
    """The same numbers, in a list with or without brackets and quotes; in any order unless `ordered`."""
    values, wanted = _numbers(said), _numbers(gold)
    if values is None or wanted is None:
        return "no list of numbers"
    if not ordered:
        values, wanted = sorted(values), sorted(wanted)
    allowed = Fraction(absolute)
    same = len(values) == len(wanted) and all(
        abs(one - other) <= allowed for one, other in zip(values, wanted, strict=True)
    )
    return None if same else "other numbers"


def geometry(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same numbers, rounded to three decimals as asked; angles, which the golds have with two, to two."""
    return numbers(gold, facts, said, absolute=0.0051 if "°" in gold else 0.0)


def _numbers(said: str) -> list[Fraction] | None:
    bare = said.strip()
    for opens, closes in ("[]", "()"):
        bare = bare[1:-1] if bare.startswith(opens) and bare.endswith(closes) else bare
    if not bare.strip():
        return []
    values = [number_of(part.strip().strip("'\"").removesuffix("°")) for part in bare.split(",")]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def grid(gold: str, facts: JsonObject, said: str, *, absolute: float = 0.0) -> Fault:
    """The same numbers in the same rows, a line each."""
    rows, wanted = grid_of(said), grid_of(gold)
    if rows is None or wanted is None:
        return "no rows of numbers"
    allowed = Fraction(absolute)
    same = [len(row) for row in rows] == [len(row) for row in wanted] and all(
        abs(one - other) <= allowed
        for row, other_row in zip(rows, wanted, strict=True)
        for one, other in zip(row, other_row, strict=True)
    )
    return None if same else "other numbers"


def grid_of(said: str) -> list[list[Fraction]] | None:
    """Rows of numbers, blanks between them; None where anything else stands there."""
    rows = [[number_of(cell) for cell in line.split()] for line in said.strip().split("\n")]
    known = [[value for value in row if value is not None] for row in rows]
    return known if all(rows) and list(map(len, known)) == list(map(len, rows)) else None


def signed_grid(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same digits in the same rows; the signs of comparison between them are those of the question, or left out."""
    if not re.fullmatch(r"[0-9<>∧∨\s]+", said) or len(said) > _LONGEST:
        return "something else than digits and signs of comparison"
    digits = [re.findall("[0-9]+", line) for line in said.split("\n")]
    wanted = [re.findall("[0-9]+", line) for line in gold.split("\n")]
    return None if [row for row in digits if row] == [row for row in wanted if row] else "other digits"


def json_value(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same JSON value: objects by key, lists in order, `true` is not `1`."""
    read, value = _json(said)
    if not read:
        return "no JSON"
    return None if _typed(value) == _typed(_json(gold)[1]) else "another value"


def json_lists(gold: str, facts: JsonObject, said: str, *, inner_order: bool = True) -> Fault:
    """The same lists in a list, in any order; what is in each in the same order, unless `inner_order` is False."""
    read, value = _json(said)
    if not read or not isinstance(value, list) or not all(isinstance(one, list) for one in value):
        return "no list of lists"
    same = _counted(value, inner_order) == _counted(_json(gold)[1], inner_order)
    return None if same else "other lists"


def _counted(lists: Json, inner_order: bool) -> Counter[str]:
    assert isinstance(lists, list)
    typed = [[_typed(each) for each in one] for one in lists if isinstance(one, list)]
    return Counter(json.dumps(one if inner_order else sorted(one)) for one in typed)


def _json(said: str) -> tuple[bool, Json]:
    if len(said) > _LONGEST:
        return False, None
    try:
        return True, json.loads(said)
    except (ValueError, RecursionError):
        return False, None


def json_of(said: str) -> Json:
    """The JSON value that is said, None where it is none."""
    return _json(said)[1]


def _typed(value: Json) -> str:
    """A text that tells values apart as JSON does: `1` and `1.0` are one number, `true` is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_typed(value[key])}" for key in sorted(value)) + "}"
    return json.dumps(value)


def factors(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same prime factors, each as often, in any order: `2 × 3 × 3`."""
    listed = [part.strip() for part in re.split("[×*x·]", said.strip())]
    if not all(re.fullmatch("[0-9]{1,400}", part) for part in listed):
        return "no product of whole numbers"
    same = Counter(map(int, listed)) == Counter(map(int, re.findall("[0-9]+", gold)))
    return None if same else "other factors"


_TELLS = re.compile(r"(?:and\s+)?([^\W\d_]+)\s+is\s+an?\s+([^\W\d_]+)", re.I)


def who_is_what(gold: str, facts: JsonObject, said: str) -> Fault:
    """The same kind for each of the same persons, in any order: `A is a knight, and B is a knave.`"""
    told = _told(said)
    if told is None:
        return "not a list of who is what"
    return None if told == _told(gold) else "another assignment"


def _told(said: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for part in re.split(r"\s*,\s*|\s+and\s+", said.strip().removesuffix(".").casefold()):
        match = _TELLS.fullmatch(part.strip())
        if not match or match[1] in found:
            return None
        found[match[1]] = match[2]
    return found
