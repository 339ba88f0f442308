"""Decide whether two answers differ, without any of the verifiers that are under attack.

A distractor must be wrong, and a verifier cannot be the judge of that in its own trial. What this small evaluator does
not understand it calls unknown, and the audit then leaves the distractor out.
"""

from __future__ import annotations

import hashlib
import math
import re
from fractions import Fraction

Number = Fraction | float

_MAX_CHARACTERS = 300
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle|[,;:! ])|[$\s~]|\\text\{\s*\}")
_WORDS = re.compile(r"(?:\\(?:text|mathrm|mbox|textbf)\s*\{([A-Za-z ,.'-]+)\})|([A-Za-z][A-Za-z ,.'-]*)")
_FRACTIONS = frozenset({"\\frac", "\\dfrac", "\\tfrac"})
_OPERATIONS = _FRACTIONS | frozenset({"\\sqrt", "\\cdot", "\\times", "\\div"})
_PI = re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])")
_APART = re.compile(r"\d\s+\d")
_TOKEN = re.compile(r"\\[A-Za-z]+|\d+(?:\.\d*)?|\.\d+|\\?%|[-+*/^(){}\[\]]|[A-Za-z]")


def same_answer(gold: str, answer: str) -> bool | None:
    """True for the same text, False where the two are shown to differ, None where neither is known."""
    if _plain(gold) == _plain(answer):
        return True
    if max(len(gold), len(answer)) > _MAX_CHARACTERS:
        return None
    golds, answers = _parts(gold), _parts(answer)
    if len(golds) != len(answers):
        return False if all(golds) and all(answers) else None
    if len(golds) == 1:
        return _same_part(gold, answer)
    values = [[value(part) for part in parts] for parts in (golds, answers)]
    if any(found is None for side in values for found in side):
        return None
    left, right = (sorted(float(found) for found in side if found is not None) for side in values)
    return None if all(map(_close, left, right)) else False


def _same_part(gold: str, answer: str) -> bool | None:
    words = _words(gold), _words(answer)
    if all(words):
        return words[0] == words[1]
    if _letters(gold) != _letters(answer) and not (len(_plain(gold)) == len(_plain(answer)) == 1):
        return False if any(words) and any(map(is_number, (gold, answer))) else None
    left, right = value(gold), value(answer)
    if left is None or right is None:
        return None
    if all(isinstance(side, Fraction) and _terminates(side) for side in (left, right)):
        return None if _same_float(Fraction(left), Fraction(right)) else False
    return None if _close(float(left), float(right)) else False


def _letters(text: str) -> set[str]:
    """The variables of an expression: one with others, or a unit, is beyond comparing."""
    return set(re.findall(r"\\[A-Za-z]+|[A-Za-z]", _plain(text))) - {*_OPERATIONS, "\\pi"}


def is_number(text: str) -> bool:
    """True if an answer is a number, or an expression without letters."""
    return not _letters(text) and value(text) is not None


def value(text: str) -> Number | None:
    """The value of a number or an expression, None for what is neither. Letters take values of their own."""
    if _APART.search(text):
        return None  # `1 4/5` is a mixed number, `12 500` has a space for its thousands
    try:
        return _Evaluation(_plain(text)).whole()
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _plain(text: str) -> str:
    text = _PI.sub(r"\\pi", re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text))
    return _LAYOUT.sub("", text).translate(str.maketrans("−×·÷", "-**/")).rstrip(".")


def _words(text: str) -> str:
    """The letters of an answer made of words, at least two together; "" for anything else."""
    found = _WORDS.fullmatch(text.strip().strip("$").strip())
    said = re.sub(r"[^a-z]", "", (found[1] or found[2]).lower()) if found else ""
    return said if len(said) > 1 else ""


def _parts(text: str) -> list[str]:
    """Split at the commas that are not inside brackets; outer brackets are taken off."""
    plain = _plain(text)
    if len(plain) > 1 and plain[0] in "([" and plain[-1] in ")]" and "," in plain:
        plain = plain[1:-1]
    parts, depth = [""], 0
    for sign in plain:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _terminates(number: Fraction) -> bool:
    """True if a fraction is a decimal number, which is never rounded."""
    return 10**400 % number.denominator == 0


def _same_float(a: Fraction, b: Fraction) -> bool:
    """True if two decimals are one number to a program: a double holds 15 digits, and what follows is its own.

    So `612001966.586` and `612001966.5860001` may be the same, as a set whose golds were added up has them. Whole
    numbers are compared in full.
    """
    if a.denominator == b.denominator == 1:
        return a == b
    return abs(a - b) <= max(abs(a), abs(b)) / 10**14


def _close(a: float, b: float) -> bool:
    """True if two values may be the same: a verifier may take a rounded answer, so 1 in 10,000 is no difference."""
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-9)


class _Evaluation:
    """Recursive descent over a short expression. Raises ValueError for whatever it does not know."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        if not text or "".join(self._tokens) != text:
            raise ValueError("not an expression")
        self._at = 0

    def whole(self) -> Number:
        found = self._sum()
        if self._at < len(self._tokens):
            raise ValueError("something is left over")
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise ValueError(f"expected {wanted or 'more'}")
        self._at += 1
        return token

    def _sum(self) -> Number:
        sign = -1 if self._peek() in ("-", "+") and self._take() == "-" else 1
        total = sign * self._product()
        while self._peek() in ("+", "-"):
            minus = self._take() == "-"
            term = self._product()
            total = total - term if minus else total + term
        return total

    def _product(self) -> Number:
        total = self._power()
        while (token := self._peek()) and token not in ("+", "-", ")", "}", "]"):
            if token in ("*", "/", "\\cdot", "\\times", "\\div"):
                self._take()
            elif token in _FRACTIONS and self._tokens[self._at - 1].isdigit():
                raise ValueError("a mixed number to most, a product to some")
            factor = self._power()
            total = total / factor if token in ("/", "\\div") else total * factor
        return total

    def _power(self) -> Number:
        base = self._atom()
        while self._peek() in ("%", "\\%"):
            self._take()
            base = base / 100
        if self._peek() != "^":
            return base
        self._take()
        exponent = self._argument()
        if abs(exponent) > 60 or abs(base) > 10**12:
            raise ValueError("too large")
        if exponent == int(exponent):
            return base ** int(exponent)
        return _real(float(base) ** float(exponent))

    def _argument(self) -> Number:
        """`{...}`, or the one digit or letter that LaTeX takes without braces."""
        if self._peek() == "-":
            self._take()
            return -self._argument()
        token = self._peek()
        if token.isdigit() and len(token) > 1:
            self._tokens[self._at : self._at + 1] = [token[0], token[1:]]
        return self._atom()

    def _atom(self) -> Number:
        token = self._take()
        match token:
            case "(" | "{":
                inside = self._sum()
                self._take({"(": ")", "{": "}"}[token])
                return inside
            case _ if token in _FRACTIONS:
                return self._argument() / self._argument()
            case "\\sqrt":
                return self._root()
            case "\\pi" | "\\theta" | "\\alpha" | "\\beta":
                return math.pi if token == "\\pi" else _letter(token)
        if token[0].isdigit() or token[0] == ".":
            return Fraction(token)
        if token.isalpha() and token not in ("e", "i"):
            return _letter(token)
        raise ValueError(f"unknown: {token}")

    def _root(self) -> Number:
        degree: Number = Fraction(2)
        if self._peek() == "[":
            self._take()
            degree = self._sum()
            self._take("]")
        return _real(float(self._argument()) ** (1 / float(degree)))


def _real(found: float | complex) -> float:
    if isinstance(found, complex):
        raise ValueError("not real")
    return found


def _letter(name: str) -> float:
    digest = hashlib.sha256(name.encode()).digest()
    return 1 + int.from_bytes(digest[:6], "big") / 2**47
