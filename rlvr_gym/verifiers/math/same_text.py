r"""Whether two texts say the same letter for letter: up to spaces, braces that change nothing, and sizes.

TeX sets `x^{2}` as `x^2` and `\left( 1 \right)` as `(1)`; a text and its copy are the same answer whether anything here
can read them or not.
"""

from __future__ import annotations

import re

_STYLES = ("left", "right", "middle", "displaystyle", "textstyle", "scriptstyle", "limits", "nolimits")
_SCALED = (size + side for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m"))
_SIZES = frozenset(f"\\{name}" for name in (*_STYLES, *_SCALED))
_SPACES = frozenset(f"\\{name}" for name in (*",;:!> \n", "quad", "qquad", "space", "thinspace", "enspace"))
_OPERATORS = frozenset(
    {"cdot", "times", "div", "pm", "mp", "le", "leq", "ge", "geq", "ne", "neq", "lt", "gt", "in"}
)
_BEFORE_A_GROUP = frozenset("+-*/=<>(,[|:;&") | frozenset("\\" + name for name in _OPERATORS)
"""Tokens that take no argument, so that braces after them only group."""
_CHANGING = frozenset({"\\over", "\\choose", "\\atop", "\\bf", "\\rm", "\\it", "\\sf", "\\tt", "\\bfseries"})
"""Commands that act up to the end of the group they stand in."""
_TOKEN = re.compile(r"\\(?:[A-Za-z]+\*?|.)|\s+|[^\\\s]|\\$", re.DOTALL)


def same_up_to_layout(a: str, b: str) -> bool:
    """Whether two texts differ in layout at most. Time linear in their length."""
    laid_out = _without_layout(a)
    return bool(laid_out) and laid_out == _without_layout(b)


def _without_layout(text: str) -> list[str]:
    r"""The tokens of `text` without layout; none where its braces do not match.

    A blank stays where digits would run together (`12 34`, `1 1/2`), or a list become a grouped number (`1, 234`).
    """
    groups: list[list[str]] = [[]]
    for match in _TOKEN.finditer(text.replace("~", " ")):
        token = match[0]
        if token.isspace() or token in _SPACES:
            groups[-1].append(" ")
        elif token == "{":
            groups.append([])
        elif token != "}":
            groups[-1] += [] if token in _SIZES else [token]
        elif len(groups) == 1:
            return []
        else:
            inside = _without_blanks(groups.pop())
            groups[-1] += inside if _is_needless(inside, groups[-1]) else ["{", *inside, "}"]
    return _without_blanks(groups[0]) if len(groups) == 1 else []


def _is_needless(inside: list[str], before: list[str]) -> bool:
    """Whether TeX reads a group as what is in it: a single sign, or all there is, or after an operator."""
    if len(inside) == 1:
        return inside[0] not in _CHANGING
    last = next((token for token in reversed(before) if token != " "), "(")
    return bool(inside) and last in _BEFORE_A_GROUP and _CHANGING.isdisjoint(inside)


def _without_blanks(tokens: list[str]) -> list[str]:
    kept: list[str] = []
    for at, token in enumerate(tokens):
        if token != " " or _parts_digits(kept, tokens[at + 1 : at + 5]):
            kept.append(token)
    return kept


def _parts_digits(before: list[str], after: list[str]) -> bool:
    """Whether a blank keeps two numbers apart, or a comma from grouping the digits after it."""
    if not before or not after or not after[0].isdecimal():
        return False
    if before[-1] == ",":
        return (
            before[-2:-1] != []
            and before[-2].isdecimal()
            and [t.isdecimal() for t in after[:3]] == [True] * 3
        )
    return before[-1].isdecimal() or before[-1] == "."
