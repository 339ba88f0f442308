"""Numbers that are written otherwise than in decimal digits with a point: in words, in a base, in another locale."""

from __future__ import annotations

import re
from fractions import Fraction

from rlvr_gym.verifiers.math.forms.kinds import Based

_UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_VALUES = {word: value for value, word in enumerate(_UNDER_TWENTY.split())}
_VALUES |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_MAX_WORDS = 12

_BASE = r"(?:\{\s*\(?\s*(?:\\text\{)?\s*(\w+)\s*\}?\s*\)?\s*\}|(\d{1,2}|\\text\{\w+\}))"
_DIGITS_IN_TEXT = re.compile(r"(?<!_)(?<!_\{)\\text\{\s*([0-9A-F]+)\s*\}")
_BASED = re.compile(
    rf"\(?([0-9]+|[0-9A-F]+)\)?\s*(?:_\s*{_BASE}|\\text\{{\s*(?:in )?base\s*\}}\s*(\d{{1,2}})|base\s*(\d{{1,2}}))"
)
_POINT_GROUPS = re.compile(r"(-?\d{1,3}(?:\.\d{3})+),(\d+)|(-?\d{1,3}(?:\.\d{3}){2,})")
_QUOTE_GROUPS = re.compile(r"(-?\d{1,3}(?:'\d{3})+)(\.\d+)?")
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2},\d{3}")
_DECIMAL_COMMA = re.compile(r"(-?\d+),(\d+)")


def value_of_words(text: str) -> int | None:
    """Read a number written in words: `twenty-one`, `one hundred and five`, `three thousand two hundred`."""
    words = text.lower().replace("-", " ").split()
    if (
        not words
        or len(words) > _MAX_WORDS
        or not all(w in _VALUES or w in _SCALES or w == "and" for w in words)
    ):
        return None
    total = current = 0
    room = 10**15
    for place, word in enumerate(words):
        if word == "and":
            if place == 0 or words[place - 1] not in _SCALES or place == len(words) - 1:
                return None
        elif word == "hundred":
            if not 0 < current < 10:
                return None
            current *= 100
        elif word in _SCALES:
            if not 0 < current < 1000 or _SCALES[word] >= room:
                return None
            room = _SCALES[word]
            total, current = total + current * room, 0
        else:
            value = _VALUES[word]
            if current % 100 and not (current % 100 >= 20 and current % 10 == 0 and 0 < value < 10):
                return None
            if value == 0 and len(words) > 1:
                return None
            current += value
    return total + current


def based(text: str) -> Based | None:
    """A numeral with its base: `52_8`, `52_{\\text{eight}}`, `52 base 8`."""
    match = _BASED.fullmatch(_DIGITS_IN_TEXT.sub(r"\1", text))
    if not match:
        return None
    written = next(group for group in match.groups()[1:] if group)
    written = written.removeprefix("\\text{").removesuffix("}")
    base = int(written) if written.isdecimal() and len(written) < 3 else value_of_words(written)
    digits = match[1].lstrip("0") or "0"
    if base is None or not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits):
        return None
    return Based(digits, base)


def other_locale(text: str) -> str | None:
    """`1.234,56`, `1'234` and `0,25` with a decimal point, where they cannot be a list of whole numbers as well.

    A comma between digits is a decimal comma unless it groups thousands; and, since a list such as `42,0` must not
    pass for 42, unless nothing but zeros follows it, without a currency sign.
    """
    sign = re.search(r"[€$£]", text)
    plain = re.sub(r"\s*[€$£]\s*", "", text) if sign else text
    if match := _POINT_GROUPS.fullmatch(plain):
        whole = (match[1] or match[3]).replace(".", "")
        return _restored(text, plain, f"{whole}.{match[2]}" if match[2] else whole)
    if match := _QUOTE_GROUPS.fullmatch(plain):
        return _restored(text, plain, match[1].replace("'", "") + (match[2] or ""))
    match = None if _THOUSANDS.fullmatch(plain) else _DECIMAL_COMMA.fullmatch(plain)
    if match and (sign or Fraction(int(match[2])) != 0) and len(match[2]) <= 30:
        return _restored(text, plain, f"{match[1]}.{match[2]}")
    return None


def _restored(text: str, plain: str, number: str) -> str:
    return text.replace(plain, number) if plain in text else number
