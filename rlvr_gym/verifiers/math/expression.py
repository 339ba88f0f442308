"""Expressions: a small grammar of our own, with limits. Nothing is ever evaluated here."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from fractions import Fraction

from rlvr_gym.verifiers.math.normalise import FUNCTIONS, GREEK

MAX_CHARACTERS = 4000
MAX_NODES = 2000
MAX_DEPTH = 50


class Unparsable(Exception):
    """Not an expression of this grammar, or one over its limits."""


@dataclass(frozen=True, slots=True)
class Num:
    """A number as written; `decimal` says that it had a decimal point."""

    value: Fraction
    decimal: bool = False


@dataclass(frozen=True, slots=True)
class Sym:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Op:
    """An operation or function on its operands."""

    name: str
    args: tuple[Node, ...]


Node = Num | Sym | Op

_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<overline>\\overline\s*\{\s*\d+\s*\})"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>[A-Za-z]+)"
    r"|(?P<sign>[^\s\w])|(?P<letter>\w)"
)
_GREEK = frozenset(GREEK.values()) - {"π"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉"}
_CONSTANTS = {"π": "pi", "e": "e", "i": "i", "∞": "inf"}
_SPELT = {**dict.fromkeys(FUNCTIONS, ""), "sqrt": "", "pi": "", "infty": "", "inf": ""}
_SUFFIXES = {"!": "factorial", "%": "percent", "°": "degrees"}
_MAX_SUFFIXES = 4
_NAMES = {"log": "ln", "lg": "log10"}
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "sinh": "arcsinh", "cosh": "arccosh"}
_INVERSE["tanh"] = "arctanh"


def parse(text: str) -> Node:
    """The expression that `text`, in the plain notation, is as a whole. Raises Unparsable."""
    if len(text) > MAX_CHARACTERS:
        raise Unparsable(f"{len(text)} characters are over the limit of {MAX_CHARACTERS}")
    return _Parser(_tokens(text)).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "word":
            tokens.append(_Token("sign" if match[0] in "+-" else kind, match[0]))
        elif match[0] in _SPELT or (match[0].startswith("sqrt") and len(match[0]) == 4):
            tokens.append(_spelt(match[0]))
        elif len(match[0]) <= 3:
            tokens += [_Token("letter", letter) for letter in match[0]]
        else:
            raise Unparsable(f"'{match[0][:40]}' is no expression")
    return tokens


def _spelt(word: str) -> _Token:
    signs = {"sqrt": "√", "pi": "π", "infty": "∞", "inf": "∞"}
    return _Token("sign", signs[word]) if word in signs else _Token("command", "\\" + word)


class _Parser:
    """Recursive descent; every method consumes what it names and returns its node."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._nodes = 0
        self._depth = 0
        self._bars = 0

    def whole(self) -> Node:
        node = self._sum()
        if self._at < len(self._tokens):
            raise Unparsable(f"'{self._tokens[self._at].text}' is not expected there")
        return node

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].text if at < len(self._tokens) else ""

    def _kind(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].kind if at < len(self._tokens) else "end"

    def _take(self) -> _Token:
        if self._at == len(self._tokens):
            raise Unparsable("it ends where an operand is expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, text: str) -> None:
        if self._peek() != text:
            raise Unparsable(f"'{text}' is missing")
        self._at += 1

    def _op(self, name: str, *args: Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Unparsable(f"over the limit of {MAX_NODES} operations")
        return Op(name, args)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unparsable(f"nested over the limit of {MAX_DEPTH}")

    def _balanced(self, name: str, nodes: list[Node]) -> Node:
        """One node of many by a two-sided operation, as a shallow tree: evaluation must not recurse deeply."""
        while len(nodes) > 1:
            pairs = [self._op(name, a, b) for a, b in zip(nodes[::2], nodes[1::2], strict=False)]
            nodes = pairs + nodes[len(pairs) * 2 :]
        return nodes[0]

    def _sum(self) -> Node:
        terms = [self._product()]
        while self._peek() in ("+", "-"):
            sign = self._take().text
            term = self._product()
            terms.append(term if sign == "+" else self._op("neg", term))
        return self._balanced("add", terms)

    def _product(self) -> Node:
        over, under = [self._signed()], list[Node]()
        while True:
            if self._peek() in ("*", "/"):
                (over if self._take().text == "*" else under).append(self._signed())
            elif not self._begins_factor():
                break
            elif self._kind() == "number":
                raise Unparsable("two numbers stand side by side")
            else:
                over.append(self._power())
        numerator = self._balanced("mul", over)
        return self._op("div", numerator, self._balanced("mul", under)) if under else numerator

    def _begins_factor(self) -> bool:
        text = self._peek()
        if text == "|":
            return self._bars == 0
        return self._kind() in ("number", "overline", "command", "letter") or (
            text != "" and text in "([{⌊⌈√π∞"
        )

    def _signed(self) -> Node:
        negative = False
        while self._peek() in ("+", "-"):
            negative ^= self._take().text == "-"
        node = self._power()
        return self._op("neg", node) if negative else node

    def _power(self) -> Node:
        node = self._primary()
        for _ in range(_MAX_SUFFIXES):
            if self._peek() == "^":
                self._at += 1
                return self._op("pow", node, self._exponent())
            if self._peek() not in _SUFFIXES:
                return node
            node = self._op(_SUFFIXES[self._take().text], node)
        raise Unparsable(f"over {_MAX_SUFFIXES} signs after one operand")

    def _exponent(self) -> Node:
        """What stands raised: a group, or one signed operand with an exponent of its own (`2^3^2`)."""
        self._enter()
        negative = False
        while self._peek() in ("+", "-"):
            negative ^= self._take().text == "-"
        node = self._primary()
        if self._peek() == "!":
            self._at += 1
            node = self._op("factorial", node)
        if self._peek() == "^":
            self._at += 1
            node = self._op("pow", node, self._exponent())
        self._depth -= 1
        return self._op("neg", node) if negative else node

    def _primary(self) -> Node:
        self._enter()
        token = self._take()
        match token.kind:
            case "number":
                node = self._number(token.text)
            case "letter":
                node = self._letter(token.text)
            case "command":
                node = self._command(token.text[1:])
            case "overline":
                raise Unparsable("a line over digits means something only after a decimal point")
            case _:
                node = self._sign(token.text)
        self._depth -= 1
        return node

    def _sign(self, sign: str) -> Node:
        if sign in _CLOSING:
            bars, self._bars = self._bars, 0
            node = self._sum()
            self._bars = bars
            self._expect(_CLOSING[sign])
            return self._op({"⌊": "floor", "⌈": "ceil"}[sign], node) if sign in "⌊⌈" else node
        if sign == "|":
            self._bars += 1
            node = self._sum()
            self._bars -= 1
            self._expect("|")
            return self._op("abs", node)
        if sign == "√":
            return self._root()
        if sign in _CONSTANTS:
            return self._op(_CONSTANTS[sign])
        raise Unparsable(f"'{sign}' is not expected there")

    def _number(self, digits: str) -> Node:
        if digits.endswith(".") and self._kind() == "overline":
            return self._repeating(digits + "0")
        if "." in digits and self._kind() == "overline":
            return self._repeating(digits)
        mantissa, _, exponent = digits.lower().partition("e")
        if len(exponent) > 4:
            raise Unparsable(f"an exponent of {len(exponent)} digits")
        number = Num(Fraction(mantissa.rstrip(".") if mantissa != "." else "0"), "." in mantissa)
        if exponent:
            number = Num(number.value * Fraction(10) ** int(exponent), True)
        if number.decimal or self._peek() != "\\frac":
            return number
        return self._mixed(number)

    def _repeating(self, digits: str) -> Node:
        r"""`0.1\overline{6}`: the fraction it stands for."""
        period = "".join(c for c in self._take().text if c.isdigit())
        places = len(digits.partition(".")[2]) if not digits.endswith(".0") else 0
        tail = Fraction(int(period), 10**places * (10 ** len(period) - 1))
        return Num(Fraction(digits) + tail)

    def _mixed(self, whole: Num) -> Node:
        r"""`1\frac{4}{5}`: a mixed number where the fraction is a proper one, else an error."""
        self._at += 1
        over, under = self._argument(), self._argument()
        proper = (
            isinstance(over, Num)
            and isinstance(under, Num)
            and not (over.decimal or under.decimal)
            and over.value < under.value
        )
        if not proper or not isinstance(over, Num) or not isinstance(under, Num):
            if isinstance(over, Num) and isinstance(under, Num):
                raise Unparsable("a number before an improper fraction is ambiguous")
            return self._op("mul", whole, self._op("div", over, under))
        return Num(whole.value + over.value / under.value)

    def _letter(self, letter: str) -> Node:
        if not (letter.isascii() and letter.isalpha()) and letter not in _GREEK and letter != "π":
            raise Unparsable(f"'{letter}' is no letter of an expression")
        subscript = self._subscript()
        if not subscript and letter in _CONSTANTS:
            return self._op(_CONSTANTS[letter])
        return Sym(letter + subscript)

    def _subscript(self) -> str:
        if self._peek() != "_":
            return ""
        self._at += 1
        if self._peek() != "{":
            return "_" + self._take().text
        parts = [self._take().text]
        while parts[-1] != "}":
            parts.append(self._take().text)
        return "_" + "".join(parts[1:-1])

    def _command(self, name: str) -> Node:
        if name == "frac":
            return self._op("div", self._argument(), self._argument())
        if name == "binom":
            return self._op("binom", self._argument(), self._argument())
        if name in FUNCTIONS:
            return self._function(name)
        raise Unparsable(f"'\\{name}' is beyond this grammar")

    def _argument(self) -> Node:
        r"""An argument of `\frac`: a group, or a single digit or letter (`\frac12`)."""
        if self._kind() == "number" and self._peek() != "":
            digits = self._take().text
            if len(digits) > 1:
                self._at -= 1
                self._tokens[self._at] = _Token("number", digits[1:])
            if not digits[0].isdigit():
                raise Unparsable("a fraction of a decimal needs braces")
            return Num(Fraction(int(digits[0])))
        return self._primary()

    def _root(self) -> Node:
        if self._peek() == "[":
            self._at += 1
            degree = self._sum()
            self._expect("]")
            return self._op("root", self._primary(), degree)
        return self._op("sqrt", self._primary())

    def _function(self, name: str) -> Node:
        base: Node | None = None
        if name == "log" and self._peek() == "_":
            self._at += 1
            base = self._primary()
        power: Node | None = None
        if self._peek() == "^":
            self._at += 1
            power = self._exponent()
        if name in _INVERSE and power == Op("neg", (Num(Fraction(1)),)):
            name, power = _INVERSE[name], None
        argument = self._function_argument()
        node = self._op(_NAMES.get(name, name), argument)
        if base is not None:
            node = self._op("div", node, self._op("ln", base))
        return node if power is None else self._op("pow", node, power)

    def _function_argument(self) -> Node:
        r"""A group, or all factors up to the next sign or function: `\sin 2x \cos x` is sin(2x) cos(x)."""
        if self._peek() in ("(", "{", "["):
            return self._primary()
        node = self._power()
        while self._begins_factor() and self._kind() != "number" and self._peek()[1:] not in FUNCTIONS:
            node = self._op("mul", node, self._power())
        if self._peek() == "/":
            raise Unparsable("a function of a quotient needs brackets")
        return node


def symbols(node: Node) -> set[str]:
    """The variables in an expression."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Sym):
            found.add(current.name)
        elif isinstance(current, Op):
            waiting.extend(current.args)
    return found


def fingerprint(node: Node) -> int:
    """A hash of an expression that is the same in every process."""
    mixed, waiting = 0, [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Op):
            mixed = zlib.crc32(current.name.encode(), mixed)
            waiting.extend(current.args)
        else:
            mixed = zlib.crc32(
                repr(current).encode() if isinstance(current, Sym) else _digest(current), mixed
            )
    return mixed


def _digest(number: Num) -> bytes:
    return f"{number.value.numerator:x}/{number.value.denominator:x}".encode()
