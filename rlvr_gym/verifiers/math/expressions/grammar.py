"""Expressions: a small grammar of our own, with limits. Nothing is ever evaluated here."""

from __future__ import annotations

from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.cross_products import cross_product
from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, Sym
from rlvr_gym.verifiers.math.text.notation import FUNCTIONS, NARY
from rlvr_gym.verifiers.math.text.tokens import Token, Unparsable, is_letter, tokens

MAX_CHARACTERS = 4000
MAX_NODES = 2000
MAX_DEPTH = 50

_CLOSING = {"(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉", "⟦": "⟧"}
_CONSTANTS = {"π": "pi", "e": "e", "i": "i", "∞": "inf"}
_SUFFIXES = {"!": "factorial", "%": "percent", "°": "degrees"}
_MAX_SUFFIXES = 4
_NAMES = {"log": "ln", "lg": "log10", "ceiling": "ceil"}
_NAMES |= {f"ar{name}": f"arc{name}" for name in ("sinh", "cosh", "tanh")}
_INVERSE = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")}
_BEFORE_A_FACTOR = frozenset("!)|⌋⌉iπ")
"""Signs after which a number is a factor: `3!7!`, and not the rest of a broken number."""


def parse(text: str) -> Node:
    """The expression that `text`, in the plain notation, is as a whole. Raises Unparsable."""
    if len(text) > MAX_CHARACTERS:
        raise Unparsable(f"{len(text)} characters are over the limit of {MAX_CHARACTERS}")
    return _Parser(tokens(text)).whole()


class _Parser:
    """Recursive descent; every method consumes what it names and returns its node."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._nodes = 0
        self._depth = 0
        self._bars = 0
        self._series = False
        self._index = ""

    def whole(self) -> Node:
        node = self._sum()
        if self._at < len(self._tokens):
            raise Unparsable(f"'{self._tokens[self._at].text}' is not expected there")
        return node

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""

    def _kind(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].kind if 0 <= at < len(self._tokens) else "end"

    def _take(self) -> Token:
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
            elif self._peek() == "⨯":
                self._at += 1
                over.append(self._crossed(over.pop()))
            elif self._peek() == "\\mod":
                self._at += 1
                over, under = [self._op("mod", self._quotient(over, under), self._signed())], []
            elif not self._begins_factor():
                return self._quotient(over, under)
            elif self._kind() == "number" and not self._may_be_factor():
                raise Unparsable("two numbers stand side by side")
            else:
                over.append(self._power())

    def _quotient(self, over: list[Node], under: list[Node]) -> Node:
        numerator = self._balanced("mul", over)
        return self._op("div", numerator, self._balanced("mul", under)) if under else numerator

    def _crossed(self, left: Node) -> Node:
        product = cross_product(left, self._power())
        if product is None or self._peek() == "⨯":
            raise Unparsable("a cross product of something other than two names of vectors")
        return product

    def _may_be_factor(self) -> bool:
        """Return whether the number ahead is a factor: after `!`, `)` or a constant, or one power after another.

        After a variable it is none: `x6` may be an index left on the line, and `x0x` is no way to write 0. With a
        letter in its exponent it is: `n2^{n-1}`.
        """
        if self._peek(-1) in _BEFORE_A_FACTOR:
            return True
        if self._peek(1) != "^":
            return False
        return (
            self._peek(-2) == "^" or self._peek(-1) == "}" or (self._kind(-1) == "letter" and self._varies(2))
        )

    def _varies(self, ahead: int) -> bool:
        """Return whether the exponent ahead contains a letter."""
        if self._peek(ahead) != "{":
            return self._kind(ahead) == "letter"
        while self._peek(ahead) not in ("}", ""):
            ahead += 1
            if self._kind(ahead) == "letter":
                return True
        return False

    def _begins_factor(self) -> bool:
        text = self._peek()
        if text == "|":
            return self._bars == 0
        return self._kind() in ("number", "overline", "command", "letter") or (
            text != "" and text in "([{⟦⌊⌈√π∞"
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
        """Read an exponent: a group, or one signed operand with an exponent of its own (`2^3^2`)."""
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
        if not is_letter(letter) and letter != "π":
            raise Unparsable(f"'{letter}' is no letter of an expression")
        subscript = self._subscript()
        while self._peek() == "'":
            subscript += self._take().text
        if not subscript and letter in _CONSTANTS and letter != self._index:
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
            over, under = self._argument(), self._argument()
            if over in (Sym("d"), Sym("∂")) and isinstance(under, Op) and under.args[:1] == (over,):
                raise Unparsable("a derivative")
            return self._op("div", over, under)
        if name in ("overline", "bar") and self._peek() == "{":
            return self._op("conj", self._primary())
        if name == "binom":
            return self._op("binom", self._argument(), self._argument())
        if name in FUNCTIONS:
            return self._function(name)
        if name in NARY:
            return self._op(name, *self._arguments())
        if name in ("sum", "prod"):
            return self._sum_over(name)
        raise Unparsable(f"'\\{name}' is beyond this grammar")

    def _argument(self) -> Node:
        r"""An argument of `\frac`: a group, or a single digit or letter (`\frac12`)."""
        if self._kind() == "number" and self._peek() != "":
            digits = self._take().text
            if len(digits) > 1:
                self._at -= 1
                self._tokens[self._at] = Token("number", digits[1:])
            if not digits[0].isdigit():
                raise Unparsable("a fraction of a decimal needs braces")
            return Num(Fraction(int(digits[0])))
        return self._primary()

    def _arguments(self) -> list[Node]:
        """Read bracketed arguments, separated by commas."""
        opener = self._take().text
        if opener not in ("(", "{", "[", "⟦"):
            raise Unparsable("brackets are missing around the arguments")
        nodes = [self._sum()]
        while self._peek() == ",":
            self._at += 1
            nodes.append(self._sum())
        self._expect(_CLOSING[opener])
        return nodes

    def _sum_over(self, name: str) -> Node:
        r"""`\sum_{k=1}^{10} k^2`; not one inside of another, which would be slow."""
        if self._series:
            raise Unparsable("a sum within a sum")
        self._series = True
        self._expect("_")
        self._expect("{")
        self._index = self._peek()
        variable = self._letter(self._take().text)
        self._expect("=")
        low = self._sum()
        self._expect("}")
        self._expect("^")
        high = self._exponent()
        body = self._product()
        self._series, self._index = False, ""
        return self._op(name, body, variable, low, high)

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
        argument = self._function_argument(name in ("ln", "log", "lg"))
        node = self._op(_NAMES.get(name, name), argument)
        if base is not None:
            node = self._op("div", node, self._op("ln", base))
        return node if power is None else self._op("pow", node, power)

    def _function_argument(self, logarithm: bool) -> Node:
        r"""A group, or all factors up to the next sign or function: `\sin 2x \cos x` is sin(2x) cos(x)."""
        if self._peek() in ("(", "{", "["):
            return self._primary()
        node = self._power()
        while self._begins_factor() and self._kind() != "number" and self._peek()[1:] not in FUNCTIONS:
            node = self._op("mul", node, self._power())
        if self._peek() == "/" and not logarithm:
            raise Unparsable("a function of a quotient needs brackets")
        return node
