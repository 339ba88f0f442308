"""The words of an expression in the plain notation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rlvr_gym.verifiers.math.text.notation import FUNCTIONS, GREEK, NARY, UNIT_VECTORS


class Unparsable(Exception):
    """Not an expression of this grammar, or one over its limits."""


@dataclass(frozen=True, slots=True)
class Token:
    """A number, sign, letter, command, or line over digits; `text` is how it is written."""

    kind: str
    text: str


_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<overline>\\overline\s*(?:\{\s*\d+\s*\}|\d))"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>[A-Za-z]+)"
    r"|(?P<sign>[^\s\w])|(?P<letter>\w)"
)
_SIGNS = {"sqrt": "√", "pi": "π", "infty": "∞", "inf": "∞"}
_SPELT = FUNCTIONS | NARY | _SIGNS.keys() | {"mod"}
_LETTERS = (frozenset(GREEK.values()) - {"π"}) | frozenset(UNIT_VECTORS.values()) | {"ħ"}


def tokens(text: str) -> list[Token]:
    """`text` cut into tokens; up to three letters in a row are a product, in an index a word. Raises Unparsable."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind, text_of = match.lastgroup or "", match[0]
        if kind != "word":
            found.append(Token("sign" if text_of in "+-" else kind, text_of))
        elif text_of in _SPELT:
            sign = _SIGNS.get(text_of)
            found.append(Token("sign", sign) if sign else Token("command", "\\" + text_of))
        elif [token.text for token in found[-2:]] == ["_", "{"]:
            found.append(Token("letter", text_of))
        elif len(text_of) <= 3:
            found += [Token("letter", letter) for letter in text_of]
        else:
            raise Unparsable(f"'{text_of[:40]}' is no expression")
    return found


def is_letter(sign: str) -> bool:
    """Return whether a sign can name a variable or constant."""
    return (sign.isascii() and sign.isalpha()) or sign in _LETTERS
