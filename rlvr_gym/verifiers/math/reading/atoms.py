"""Values with a unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.grammar import parse
from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, symbols
from rlvr_gym.verifiers.math.forms.kinds import Form, Scalar, Words
from rlvr_gym.verifiers.math.forms.numerals import value_of_words
from rlvr_gym.verifiers.math.forms.texts import TEXT
from rlvr_gym.verifiers.math.forms.things import EVERYDAY
from rlvr_gym.verifiers.math.forms.units import (
    ANGLE,
    FILLERS,
    NONE,
    STERLING,
    Unit,
    may_be_counted,
    parse_unit,
)
from rlvr_gym.verifiers.math.text.notation import FUNCTIONS
from rlvr_gym.verifiers.math.text.tokens import Unparsable

_CURRENCY = re.compile(r"(-?)\s*(?:USD|US)?\s*([$€£¥₹]|(?<=USD))\s*(?=[-\d.\\])")
_UNIT_START = re.compile(
    r"\\text\{|[$€£¥₹¢]"
    r"|(?<![A-Za-z\\])(?=[A-Za-z]{2})(?!(?:sqrt|pi|sin|cos|tan|log|ln|exp|inf|mod)(?![A-Za-z])"
    r"|(?:gcd|lcm|max|min)\s*\()[A-Za-z]+"
    r"|(?<=\s)[mgsLh](?=$|[\s^/])|(?<=\d\s)[NJWVAKCTF](?=$)|(?<=[\d\s])Ω(?=$)"
)
_AFTER_A_NUMBER = re.compile(r"[\d}]\s+$")
_BRIEFLY = re.compile(r"(.*[\d}])\s+([a-z]{3})")
_COUNTED = re.compile(r"(.*[\d}])\s*(?:\\text\{\s*([a-z]{3,12})\s*\}|(?<=[\d}\s])([a-z]{3,12}))")
_PERCENT = frozenset({"percent", "per cent", "percentage", "pct"})
_POUNDS = re.compile(r"(?<![A-Za-z])pounds?\s*\}?$", re.IGNORECASE)
_QUANTITIES = re.compile(r"(?:(\d+(?:\.\d+)?)\s*(\\text\{[^{}]*\}|[A-Za-z]+)\s*[,∧]?\s*){2,3}")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*(\\text\{[^{}]*\}|[A-Za-z]+)")


def scalar(text: str) -> Scalar:
    """An expression with an optional currency before it or unit after it."""
    unit, scale = Unit(), 1
    if currency := _CURRENCY.match(text):
        text = currency[1] + text[currency.end() :]
        _, unit = parse_unit(currency[2] or "$") or (1, unit)
    if whole := TEXT.fullmatch(text):
        text = whole[1]
    if text.isascii() and text[:1].isalpha() and (counted := value_of_words(text)) is not None:
        return Scalar(Num(Fraction(counted)), unit)
    whole_text, (text, tail) = text, _cut_unit(text)
    if len(tail) == 1 and tail.isalpha() and symbols(parse(text)):
        return Scalar(parse(whole_text), unit)
    if tail.lower() in _PERCENT:
        text = f"({text})%"
    elif tail:
        each = currency is not None and tail.lower().startswith(("per ", "/", "each"))
        scale, unit = parse_unit(f"{currency[2] or '$'} {tail}" if currency and each else tail) or (1, unit)
    counted = value_of_words(text) if tail and text.isalpha() else None
    node = parse(text) if counted is None else Num(Fraction(counted))
    sign, inner = ("neg", node.args[0]) if isinstance(node, Op) and node.name == "neg" else ("", node)
    if isinstance(inner, Op) and inner.name == "degrees":
        node, unit = inner.args[0], Unit(dimension=ANGLE, things=unit.things, said=unit.said)
        node = Op(sign, (node,)) if sign else node
    return Scalar(node if scale == 1 else Op("mul", (node, Num(Fraction(scale)))), unit)


def in_sterling(text: str, read: Scalar) -> Scalar | None:
    """Turn a mass in pounds into an amount of money."""
    pounds = _POUNDS.search(text) and read.unit.dimension == (("mass", 1),)
    return (
        Scalar(read.node, replace(STERLING, things=read.unit.things, said=read.unit.said)) if pounds else None
    )


def quantities(text: str) -> Scalar | None:
    """A quantity in several units, the larger first: `1 hour 30 minutes`, `5 feet 6 inches`."""
    if not _QUANTITIES.fullmatch(text):
        return None
    parts = [(Fraction(m[1]), parse_unit(TEXT.sub(r"\1", m[2]).strip())) for m in _QUANTITY.finditer(text)]
    total, first, last = Fraction(0), None, None
    for value, parsed in parts:
        if parsed is None or parsed[0] != 1 or parsed[1].things or not parsed[1].dimension:
            return None
        unit = parsed[1]
        first = first or unit
        if unit.dimension != first.dimension or (last is not None and unit.factor >= last):
            return None
        total, last = total + value * unit.factor, unit.factor
    return Scalar(Num(total / first.factor), first) if first else None


def _cut_unit(text: str) -> tuple[str, str]:
    """A text in front of its unit, and the unit as plain words; all of it and nothing, where it has none."""
    start = _UNIT_START.search(text)
    if not start or start.start() == 0:
        return text, ""
    tail = text[start.start() :]
    words = TEXT.sub(r" \1 ", tail).strip()
    bare = re.findall(r"[A-Za-z]+", TEXT.sub("", tail))
    spelt = [word for word in bare if len(word) == 3 and word.lower() not in FILLERS]
    percent = words.lower() in _PERCENT
    known = percent or parse_unit(words)
    product = all(len(word) <= 3 for word in bare) and not percent
    if not known or (product and any(_may_be_product(text, start.start(), word) for word in spelt)):
        return text, ""
    return text[: start.start()].rstrip(), words


def _may_be_product(text: str, start: int, word: str) -> bool:
    """Return whether three letters after a value are more likely variables than a unit or a thing counted."""
    known = parse_unit(word)
    if known and not known[1].things:
        return False
    return word not in EVERYDAY or not _AFTER_A_NUMBER.search(text[:start])


def counted_briefly(text: str) -> Scalar | None:
    """A value and a word of three letters as what it counts, though it may be a product as well: `5 jug`."""
    match = _BRIEFLY.fullmatch(text)
    if not match or match[2] in FUNCTIONS or not (known := parse_unit(match[2])) or not known[1].things:
        return None
    return Scalar(parse(match[1]), known[1])


def counted_in_parts(text: str) -> Scalar | None:
    """A value and a part or scale of things as what it counts, as a question may ask: `4 quarters`, `3 dozen`."""
    match = _COUNTED.fullmatch(text)
    word = (match[2] or match[3]) if match else ""
    single = may_be_counted(word)
    if not match or not single:
        return None
    try:
        return Scalar(parse(match[1]), Unit(things=frozenset({single}), said=(word,)))
    except Unparsable:
        return None


def side(text: str) -> tuple[Node, Unit]:
    """A side of a relation and its unit, where that is all the words there are. Raises Unparsable."""
    text, words = _cut_unit(text)
    _, unit = parse_unit(words) or (1, NONE)
    return parse(text), unit


def letters(text: str) -> Iterator[Form]:
    """Yield other readings of a short run of letters: `ab` as a word, `abc` as a product.

    The letters of a product are sorted; so a word never equals the product that its anagram is.
    """
    if not (text.isalpha() and text.isascii() and 2 <= len(text) <= 3):
        return
    if len(text) == 2:
        yield Words(text.casefold())
    elif list(text) == sorted(text):
        yield scalar(text)
