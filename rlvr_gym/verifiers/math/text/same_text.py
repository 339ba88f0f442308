r"""Compare two texts letter for letter, up to spaces, braces that change nothing, and sizes.

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
_UPRIGHT = frozenset({"\\text", "\\textrm", "\\textnormal", "\\mathrm", "\\mbox", "\\hbox"})
"""Commands that set their argument in roman type, as the first of them does; blanks in it are kept by most."""
_BINDERS = frozenset({"\\lim", "\\sum", "\\prod", "\\max", "\\min", "\\sup", "\\inf", "\\bigcup", "\\bigcap"})
_INTEGRALS = frozenset({"\\int", "\\oint"})
_LETTER = re.compile(r"[A-Za-z]|\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|nu|tau|phi|omega)")
_TOKEN = re.compile(r"\\(?:[A-Za-z]+\*?|.)|\s+|[^\\\s]|\\$", re.DOTALL)


def same_up_to_layout(a: str, b: str) -> bool:
    """Return whether two texts differ at most in layout and in the letters bound by sums, limits and integrals.

    Time linear in their length.
    """
    one, other = _without_layout(a), _without_layout(b)
    if not one or len(one) != len(other):
        return False
    return one == other or _with_plain_bound(one) == _with_plain_bound(other)


def _with_plain_bound(tokens: list[str]) -> list[str]:
    r"""The tokens with a name that no text can have for each letter that `\sum_{k=...}` or `\int ... dx` binds."""
    bound: dict[str, str] = {}
    for at, token in enumerate(tokens):
        under = tokens[at + 1 : at + 4]
        letter = ""
        if token in _BINDERS and under[:1] == ["_"]:
            letter = under[2] if under[1:2] == ["{"] and len(under) == 3 else "".join(under[1:2])
        elif token == "d" and not _INTEGRALS.isdisjoint(tokens[:at]):
            letter = "".join(under[:1])
        if _LETTER.fullmatch(letter):
            bound.setdefault(letter, f"#{len(bound) + 1}")
    return [bound.get(token, token) for token in tokens]


def _without_layout(text: str) -> list[str]:
    r"""The tokens of `text` without layout; none where its braces do not match.

    A blank stays where digits would run together (`12 34`, `1 1/2`), a list become a grouped number (`1, 234`), or
    words of a `\\text{...}` one word.
    """
    groups: list[list[str]] = [[]]
    text = text.replace("~", " ")
    for match in _TOKEN.finditer(text):
        token = "\\text" if match[0] in _UPRIGHT else match[0]
        if token.isspace() or token in _SPACES:
            groups[-1].append(" ")
        elif token == "{":
            groups.append([])
        elif token != "}":
            groups[-1] += [] if token in _SIZES else [token]
        elif len(groups) == 1:
            return []
        else:
            group = groups.pop()
            in_words = _last(groups[-1]) == "\\text"
            inside = _with_single_blanks(group) if in_words else _without_blanks(group)
            needless = _is_needless(inside, groups[-1], text[match.end() : match.end() + 2].lstrip()[:1])
            groups[-1] += inside if needless else ["{", *inside, "}"]
    return _without_blanks(groups[0]) if len(groups) == 1 else []


def _is_needless(inside: list[str], before: list[str], after: str) -> bool:
    """Return whether a group's braces change nothing: one sign, the whole text, or an operator's or index's argument.

    Braces around several signs with an exponent after them do matter: `{x+1}^2`.
    """
    if len(inside) == 1:
        return inside[0] not in _CHANGING
    if not inside or (after and after in "^_'!") or not _CHANGING.isdisjoint(inside):
        return False
    return _last(before) in _BEFORE_A_GROUP or _after_a_script(before)


def _last(tokens: list[str]) -> str:
    """The last sign; the bracket that opens a text where there is none."""
    return next((token for token in reversed(tokens) if token != " "), "(")


def _after_a_script(tokens: list[str]) -> bool:
    """Return whether the tokens end with a complete index or exponent, so that nothing after it is an argument."""
    written = [token for token in tokens if token != " "]
    if written[-1:] != ["}"]:
        return written[-2:-1] in (["_"], ["^"]) and (
            not written[-1].startswith("\\") or written[-1] == "\\infty"
        )
    depth = 0
    for at in range(len(written) - 1, 0, -1):
        depth += {"}": 1, "{": -1}.get(written[at], 0)
        if depth == 0:
            return written[at - 1] in ("_", "^")
    return False


def _with_single_blanks(tokens: list[str]) -> list[str]:
    r"""Words of a text, with `\ ` for each gap between them, which no one takes for a blank of a formula."""
    words = "".join("\\ " if token == " " else token for token in tokens).split("\\ ")
    return ["\\ ".join(word for word in words if word)]


def _without_blanks(tokens: list[str]) -> list[str]:
    kept: list[str] = []
    for at, token in enumerate(tokens):
        if token != " " or _parts_digits(kept, tokens[at + 1 : at + 5]):
            kept.append(token)
    return kept


def _parts_digits(before: list[str], after: list[str]) -> bool:
    """Return whether a blank separates two numbers, or keeps a comma from grouping the digits after it."""
    if not before or not after or not after[0].isdecimal():
        return False
    if before[-1] == ",":
        return (
            before[-2:-1] != []
            and before[-2].isdecimal()
            and [t.isdecimal() for t in after[:3]] == [True] * 3
        )
    return before[-1].isdecimal() or before[-1] == "."
