"""Answers without parts: values with a unit, numerals with a base, times of day, words."""

from __future__ import annotations

import re
from fractions import Fraction

from rlvr_gym.verifiers.math.expression import Num, Op, parse
from rlvr_gym.verifiers.math.forms import Based, Clock, Scalar, Words
from rlvr_gym.verifiers.math.normalise import FUNCTIONS
from rlvr_gym.verifiers.math.units import ANGLE, Unit, parse_unit

TEXT = re.compile(r"\\text\{([^{}]*)\}")
_BASED = re.compile(r"\(?([0-9]+|[0-9A-F]+)\)?\s*_\s*(?:\{\s*(\d{1,2})\s*\}|(\d{1,2}))")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})\s*(?:(?:\\text\{)?\s*([ap])\.?\s?m\.?\s*\}?)?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2})\s*(?:\\text\{)?\s*([ap])\.?\s?m\.?\s*\}?", re.IGNORECASE)
_CURRENCY = re.compile(r"(-?)\s*(?:USD|US)?\s*([$€£¥₹]|(?<=USD))\s*(?=[-\d.\\])")
_UNIT_START = re.compile(
    r"\\text\{|[$€£¥₹¢]"
    r"|(?<![A-Za-z\\])(?=[A-Za-z]{2})(?!(?:sqrt|pi|sin|cos|tan|log|ln|exp|inf)(?![A-Za-z]))[A-Za-z]+"
    r"|(?<=\s)[mgsLh](?=$|[\s^/])"
)
_COUNTED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_COUNTED.split())}
_MATHEMATICS = FUNCTIONS | {"sqrt", "pi", "inf", "infty"}


def scalar(text: str) -> Scalar:
    """An expression with an optional currency before it or unit after it."""
    unit, scale = Unit(), 1
    if currency := _CURRENCY.match(text):
        text = currency[1] + text[currency.end() :]
        _, unit = parse_unit(currency[2] or "$") or (1, unit)
    if whole := TEXT.fullmatch(text):
        text = whole[1]
    if text.lower() in _NUMBER_WORDS:
        text = _NUMBER_WORDS[text.lower()]
    text, tail = _cut_unit(text)
    if tail.lower() in ("percent", "per cent"):
        text += "%"
    elif tail:
        scale, unit = parse_unit(tail) or (1, unit)
    node = parse(text)
    sign, inner = ("neg", node.args[0]) if isinstance(node, Op) and node.name == "neg" else ("", node)
    if isinstance(inner, Op) and inner.name == "degrees":
        node, unit = inner.args[0], Unit(dimension=ANGLE, things=unit.things)
        node = Op(sign, (node,)) if sign else node
    return Scalar(node if scale == 1 else Op("mul", (node, Num(Fraction(scale)))), unit)


def _cut_unit(text: str) -> tuple[str, str]:
    """A text in front of its unit, and the unit as plain words; all of it and nothing, where it has none."""
    start = _UNIT_START.search(text)
    if not start or start.start() == 0:
        return text, ""
    tail = text[start.start() :]
    words = TEXT.sub(r" \1 ", tail).strip()
    spelt = [word for word in re.findall(r"[A-Za-z]+", TEXT.sub("", tail)) if len(word) == 3]
    known = words.lower() in ("percent", "per cent") or parse_unit(words)
    if not known or any(not (unit := parse_unit(word)) or unit[1].things for word in spelt):
        return text, ""
    return text[: start.start()].rstrip(), words


def unitless(text: str) -> str:
    """A side of a relation without its unit, where that is all the words there are."""
    return _cut_unit(text)[0]


def based(text: str) -> Based | Scalar | None:
    """A numeral with its base; in base ten it is a number."""
    match = _BASED.fullmatch(text)
    if not match:
        return None
    digits, base = match[1].lstrip("0") or "0", int(match[2] or match[3])
    if not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits):
        return None
    return Based(digits, base) if base != 10 else Scalar(Num(Fraction(int(digits))), Unit())


def clock(text: str) -> Clock | None:
    """A time of day."""
    if (match := _CLOCK.fullmatch(text)) and int(match[1]) < 24 and int(match[2]) < 60:
        return Clock(int(match[1]) * 60 + int(match[2]), f"{match[3].lower()}m" if match[3] else "")
    if (match := _HOUR.fullmatch(text)) and 1 <= int(match[1]) <= 12:
        return Clock(int(match[1]) * 60, f"{match[2].lower()}m")
    return None


def words(text: str) -> Words | None:
    """Text that is made of words only. Letters that could as well be a product are none."""
    inside = TEXT.fullmatch(text.strip())
    tokens = re.sub(r"[-']", " ", TEXT.sub(r" \1 ", text)).split()
    longest = max((len(token) for token in tokens), default=0)
    if not all(token.isalpha() and token.isascii() for token in tokens) or _MATHEMATICS.intersection(tokens):
        return None
    if len(tokens) == 1 and tokens[0].casefold() in _NUMBER_WORDS:
        return None
    if longest < (2 if inside else 3 if len(tokens) == 1 else 4):
        return None
    return _plain(tokens)


def words_and_signs(text: str) -> Words | None:
    """Text without mathematics: words, at most with numbers, brackets and punctuation among them."""
    plain = TEXT.sub(r" \1 ", text).replace("∧", " and ").replace("∨", " or ")
    if re.search(r"""[^\w\s.,;:!?'"()-]|_""", plain) or not re.search(r"[^\W\d_]", plain):
        return None
    return _plain(re.sub(r"[^\w\s-]", " ", plain).split())


def _plain(tokens: list[str]) -> Words:
    """In lower case and without a leading article."""
    lower = [token.casefold() for token in tokens]
    while len(lower) > 1 and lower[0] in ("the", "a", "an"):
        lower.pop(0)
    return Words(" ".join(lower))
