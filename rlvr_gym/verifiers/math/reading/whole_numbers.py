"""Letters that run over whole numbers, in answers that are relations or sets: `1 ≤ x ≤ 3, x ∈ ℤ`, `{2n | n ∈ ℤ}`."""

from __future__ import annotations

import re

_FOR = r"\\text\{\s*(?:where|for|with|for (?:all|any|some))\s*\}|for (?:all|any)|where|for"
QUALIFIER = re.compile(
    rf"\s*(?:{_FOR})?\s*(?<![A-Za-z\\])([a-z]"
    r"(?:\s*,\s*[a-z])*)\s*∈\s*[ℤℕℚℝZNQR]\s*(?:\^?\{?[+*]\}?|_\{[^{}]*\}|_\d)?"
)
_WITH_QUALIFIER = re.compile(rf"\s*(?:,|{_FOR}){QUALIFIER.pattern}$|\s*\({QUALIFIER.pattern}\s*\)$")
_IN_REALS = re.compile(r"∈\s*[ℝR]\s*\)?$")
_LETTER = re.compile(r"(?<![A-Za-z\\])[a-z](?![A-Za-z])")
_INTEGER_IN_WORDS = re.compile(
    r"(.*?\S)\s*,?\s*\(?\s*\\text\{\s*(?:where|for|with)\s*(?:(?:any|all|every|some|an|each) ?)?"
    r"(?:\}\s*([a-z])\s*\\text\{\s*(?:is|are) (?:an |any )?integers?\s*\}|integers?\s*\}\s*([a-z]))\s*\)?",
    re.DOTALL,
)


def with_integer_signs(text: str) -> str:
    r"""`, n ∈ ℤ` for `\text{ where } n \text{ is an integer}`."""
    match = _INTEGER_IN_WORDS.fullmatch(text)
    return f"{match[1]}, {match[2] or match[3]} ∈ ℤ" if match else text


def without_parameters(text: str) -> str:
    """Without what a parameter runs over, as in `2πn, n ∈ ℤ`, and without `x ∈ ℝ`, which says nothing.

    It stays beside an inequality in that variable alone: the integers from 1 to 3 are no interval.
    """
    match = _WITH_QUALIFIER.search(text)
    rest = text[: match.start()].strip() if match else ""
    if not match or not rest or QUALIFIER.fullmatch(text):
        return text
    start = match.start(1 if match[1] else 2)
    names = re.findall("[a-z]", match[1] or match[2])
    if _IN_REALS.search(match[0]) or not re.search("[<>≤≥≠]", rest):
        return rest
    return f"{rest}, {text[start:].strip(' )')}" if set(_LETTER.findall(rest)) <= {*names} else rest


def parameters(text: str) -> list[str]:
    """The letters that run over whole numbers behind an answer, where that is taken off it."""
    match = _WITH_QUALIFIER.search(text)
    if not match or _IN_REALS.search(match[0]) or without_parameters(text) != text[: match.start()].strip():
        return []
    return re.findall("[a-z]", match[1] or match[2])
