r"""What is said behind an expression about where it holds: `n^2 \text{ for } n \ge 1`, `\forall x`."""

from __future__ import annotations

import re

_OF = r"(?:(?:all|any|every|each|some|an|a|real|positive|nonnegative|non-negative|arbitrary|constants?|numbers?) ?)*"
_LETTERS = r"[a-z](?:\s*,\s*[a-z])*"
_WORDS = rf"\\text\{{\s*(?:for|where|with|valid for|when|if|over)\s*{_OF}\s*\}}|\\forall|for\s+{_OF}|∀"
_BEHIND = re.compile(
    rf"(.*?\S)\s*,?\s*[(]?\s*({_WORDS})\s*({_LETTERS})(?:\s*([<>≤≥≠]\s*-?[\d.πe]+))?\s*[)]?", re.DOTALL
)
_MAX_CHARACTERS = 400
_INTEGER_IN_WORDS = re.compile(
    r"(.*?\S)\s*,?\s*\(?\s*\\text\{\s*(?:where|for|with)\s*(?:(?:any|all|every|some|an|each) ?)?"
    r"(?:\}\s*([a-z])\s*\\text\{\s*(?:is|are) (?:an |any )?integers?\s*\}|integers?\s*\}\s*([a-z]))\s*\)?",
    re.DOTALL,
)


def cut_domain(text: str) -> tuple[str, str]:
    """An expression, and what is said of a letter in it; all of the text and nothing, where nothing is said."""
    match = _match(text)
    if not match:
        return text, ""
    return match[1], f"{match[3]} {match[4]}" if match[4] else ""


def constants(text: str) -> list[str]:
    r"""The letters that are said to be any constants: c in `cx \text{ for some constant } c`."""
    match = _match(text)
    return [name.strip() for name in match[3].split(",")] if match and "constant" in match[2] else []


def _match(text: str) -> re.Match[str] | None:
    match = _BEHIND.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    if not match or not all(_stands_in(name.strip(), match[1]) for name in match[3].split(",")):
        return None
    return match


def with_integer_signs(text: str) -> str:
    r"""`, n ∈ ℤ` for `\text{ where } n \text{ is an integer}`."""
    match = _INTEGER_IN_WORDS.fullmatch(text)
    return f"{match[1]}, {match[2] or match[3]} ∈ ℤ" if match else text


def _stands_in(name: str, text: str) -> bool:
    return bool(re.search(rf"(?<![A-Za-z\\])[A-Za-z]{{0,2}}{name}[A-Za-z]{{0,2}}(?![A-Za-z])", text))
