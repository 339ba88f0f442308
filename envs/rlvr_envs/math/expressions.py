"""The grammar of countdown answers: whole numbers, + - * / and brackets. Nothing else, and nothing is executed."""

from __future__ import annotations

import re
from fractions import Fraction

MAX_CHARACTERS = 500
MAX_DEPTH = 20

_TOKEN = re.compile(r"\s*([0-9]{1,9}(?![0-9])|[-+*/()])", re.ASCII)
_SIGNS = str.maketrans("×·÷−", "**/-")


def evaluate(text: str) -> tuple[Fraction, list[int]]:
    """The exact value of an expression and the numbers in it, in order.

    There is no unary sign and no other notation. Raises ValueError saying what cannot be read, and
    ZeroDivisionError.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"longer than {MAX_CHARACTERS} characters")
    parser = _Parser(text.translate(_SIGNS).strip())
    value = parser.sum(depth=0)
    if parser.token:
        raise ValueError(f"cannot read {parser.token!r} where the expression could end")
    return value, parser.numbers


class _Parser:
    """Recursive descent; `token` is the one to be read next, empty at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.numbers: list[int] = []
        self.token = ""
        self._advance()

    def _advance(self) -> str:
        read = self.token
        if self._at == len(self._text):
            self.token = ""
            return read
        match = _TOKEN.match(self._text, self._at)
        if not match:
            raise ValueError(f"cannot read {self._text[self._at : self._at + 20]!r}")
        self.token, self._at = match[1], match.end()
        return read

    def sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while self.token in ("+", "-"):
            sign = self._advance()
            term = self._product(depth)
            value = value + term if sign == "+" else value - term
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._factor(depth)
        while self.token in ("*", "/"):
            sign = self._advance()
            factor = self._factor(depth)
            value = value * factor if sign == "*" else value / factor
        return value

    def _factor(self, depth: int) -> Fraction:
        token = self._advance()
        if token.isdigit():
            self.numbers.append(int(token))
            return Fraction(token)
        if token != "(":
            raise ValueError(f"expected a whole number or a bracket, found {token or 'the end'!r}")
        if depth == MAX_DEPTH:
            raise ValueError(f"brackets nested deeper than {MAX_DEPTH}")
        value = self.sum(depth + 1)
        if self._advance() != ")":
            raise ValueError("a bracket is never closed")
        return value
