"""Expressions: a small grammar of our own, with limits. Nothing is ever evaluated here."""

from __future__ import annotations

from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.cross_products import cross_product
from rlvr_gym.verifiers.math.expressions.cursor import Cursor
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


def parse(text: str) -> Node:
    """The expression that `text`, in the plain notation, is as a whole. Raises Unparsable."""
    if len(text) > MAX_CHARACTERS:
        raise Unparsable(f"{len(text)} characters are over the limit of {MAX_CHARACTERS}")
    return _Parser(tokens(text)).whole()


class _Parser:
    """Recursive descent; every method consumes what it names and returns its node."""

    def __init__(self, tokens: list[Token]) -> None:
        self._cursor = Cursor(tokens)
        self._nodes = 0
        self._depth = 0
        self._bars = 0
        self._series = False
        self._index = ""

    def whole(self) -> Node:
        node = self._sum()
        if self._cursor.kind() != "end":
            raise Unparsable(f"'{self._cursor.peek()}' is not expected there")
        return node

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
        while self._cursor.peek() in ("+", "-"):
            sign = self._cursor.take().text
            term = self._product()
            terms.append(term if sign == "+" else self._op("neg", term))
        return self._balanced("add", terms)

    def _product(self) -> Node:
        over, under = [self._signed()], list[Node]()
        while True:
            if self._cursor.peek() in ("*", "/"):
                (over if self._cursor.take().text == "*" else under).append(self._signed())
            elif self._cursor.peek() == "⨯":
                self._cursor.skip()
                over.append(self._crossed(over.pop()))
            elif self._cursor.peek() == "\\mod":
                self._cursor.skip()
                over, under = [self._op("mod", self._quotient(over, under), self._signed())], []
            elif not self._begins_factor():
                return self._quotient(over, under)
            elif self._cursor.kind() == "number" and not self._cursor.may_be_factor():
                raise Unparsable("two numbers stand side by side")
            else:
                over.append(self._power())

    def _quotient(self, over: list[Node], under: list[Node]) -> Node:
        numerator = self._balanced("mul", over)
        return self._op("div", numerator, self._balanced("mul", under)) if under else numerator

    def _crossed(self, left: Node) -> Node:
        product = cross_product(left, self._power())
        if product is None or self._cursor.peek() == "⨯":
            raise Unparsable("a cross product of something other than two names of vectors")
        return product

    def _begins_factor(self) -> bool:
        text = self._cursor.peek()
        if text == "|":
            return self._bars == 0
        return self._cursor.kind() in ("number", "overline", "command", "letter") or (
            text != "" and text in "([{⟦⌊⌈√π∞"
        )

    def _signed(self) -> Node:
        negative = False
        while self._cursor.peek() in ("+", "-"):
            negative ^= self._cursor.take().text == "-"
        node = self._power()
        return self._op("neg", node) if negative else node

    def _power(self) -> Node:
        node = self._primary()
        for _ in range(_MAX_SUFFIXES):
            if self._cursor.peek() == "^":
                self._cursor.skip()
                return self._op("pow", node, self._exponent())
            if self._cursor.peek() not in _SUFFIXES:
                return node
            node = self._op(_SUFFIXES[self._cursor.take().text], node)
        raise Unparsable(f"over {_MAX_SUFFIXES} signs after one operand")

    def _exponent(self) -> Node:
        """Read an exponent: a group, or one signed operand with an exponent of its own (`2^3^2`)."""
        self._enter()
        negative = False
        while self._cursor.peek() in ("+", "-"):
            negative ^= self._cursor.take().text == "-"
        node = self._primary()
        if self._cursor.peek() == "!":
            self._cursor.skip()
            node = self._op("factorial", node)
        if self._cursor.peek() == "^":
            self._cursor.skip()
            node = self._op("pow", node, self._exponent())
        self._depth -= 1
        return self._op("neg", node) if negative else node

    def _primary(self) -> Node:
        self._enter()
        token = self._cursor.take()
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
            self._cursor.expect(_CLOSING[sign])
            return self._op({"⌊": "floor", "⌈": "ceil"}[sign], node) if sign in "⌊⌈" else node
        if sign == "|":
            self._bars += 1
            node = self._sum()
            self._bars -= 1
            self._cursor.expect("|")
            return self._op("abs", node)
        if sign == "√":
            return self._root()
        if sign in _CONSTANTS:
            return self._op(_CONSTANTS[sign])
        raise Unparsable(f"'{sign}' is not expected there")

    def _number(self, digits: str) -> Node:
        if digits.endswith(".") and self._cursor.kind() == "overline":
            return self._repeating(digits + "0")
        if "." in digits and self._cursor.kind() == "overline":
            return self._repeating(digits)
        mantissa, _, exponent = digits.lower().partition("e")
        if len(exponent) > 4:
            raise Unparsable(f"an exponent of {len(exponent)} digits")
        number = Num(Fraction(mantissa.rstrip(".") if mantissa != "." else "0"), "." in mantissa)
        if exponent:
            number = Num(number.value * Fraction(10) ** int(exponent), True)
        if number.decimal or self._cursor.peek() != "\\frac":
            return number
        return self._mixed(number)

    def _repeating(self, digits: str) -> Node:
        r"""`0.1\overline{6}`: the fraction it stands for."""
        period = "".join(c for c in self._cursor.take().text if c.isdigit())
        places = len(digits.partition(".")[2]) if not digits.endswith(".0") else 0
        tail = Fraction(int(period), 10**places * (10 ** len(period) - 1))
        return Num(Fraction(digits) + tail)

    def _mixed(self, whole: Num) -> Node:
        r"""`1\frac{4}{5}`: a mixed number where the fraction is a proper one, else an error."""
        self._cursor.skip()
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
        while self._cursor.peek() == "'":
            subscript += self._cursor.take().text
        if not subscript and letter in _CONSTANTS and letter != self._index:
            return self._op(_CONSTANTS[letter])
        return Sym(letter + subscript)

    def _subscript(self) -> str:
        if self._cursor.peek() != "_":
            return ""
        self._cursor.skip()
        if self._cursor.peek() != "{":
            return "_" + self._cursor.take().text
        parts = [self._cursor.take().text]
        while parts[-1] != "}":
            parts.append(self._cursor.take().text)
        return "_" + "".join(parts[1:-1])

    def _command(self, name: str) -> Node:
        if name == "frac":
            over, under = self._argument(), self._argument()
            if over in (Sym("d"), Sym("∂")) and isinstance(under, Op) and under.args[:1] == (over,):
                raise Unparsable("a derivative")
            return self._op("div", over, under)
        if name in ("overline", "bar") and self._cursor.peek() == "{":
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
        if self._cursor.kind() == "number" and self._cursor.peek() != "":
            digits = self._cursor.take().text
            if len(digits) > 1:
                self._cursor.put_back(Token("number", digits[1:]))
            if not digits[0].isdigit():
                raise Unparsable("a fraction of a decimal needs braces")
            return Num(Fraction(int(digits[0])))
        return self._primary()

    def _arguments(self) -> list[Node]:
        """Read bracketed arguments, separated by commas."""
        opener = self._cursor.take().text
        if opener not in ("(", "{", "[", "⟦"):
            raise Unparsable("brackets are missing around the arguments")
        nodes = [self._sum()]
        while self._cursor.peek() == ",":
            self._cursor.skip()
            nodes.append(self._sum())
        self._cursor.expect(_CLOSING[opener])
        return nodes

    def _sum_over(self, name: str) -> Node:
        r"""`\sum_{k=1}^{10} k^2`; not one inside of another, which would be slow."""
        if self._series:
            raise Unparsable("a sum within a sum")
        self._series = True
        self._cursor.expect("_")
        self._cursor.expect("{")
        self._index = self._cursor.peek()
        variable = self._letter(self._cursor.take().text)
        self._cursor.expect("=")
        low = self._sum()
        self._cursor.expect("}")
        self._cursor.expect("^")
        high = self._exponent()
        body = self._product()
        self._series, self._index = False, ""
        return self._op(name, body, variable, low, high)

    def _root(self) -> Node:
        if self._cursor.peek() == "[":
            self._cursor.skip()
            degree = self._sum()
            self._cursor.expect("]")
            return self._op("root", self._primary(), degree)
        return self._op("sqrt", self._primary())

    def _function(self, name: str) -> Node:
        base: Node | None = None
        if name == "log" and self._cursor.peek() == "_":
            self._cursor.skip()
            base = self._primary()
        power: Node | None = None
        if self._cursor.peek() == "^":
            self._cursor.skip()
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
        if self._cursor.peek() in ("(", "{", "["):
            return self._primary()
        node = self._power()
        while (
            self._begins_factor()
            and self._cursor.kind() != "number"
            and self._cursor.peek()[1:] not in FUNCTIONS
        ):
            node = self._op("mul", node, self._power())
        if self._cursor.peek() == "/" and not logarithm:
            raise Unparsable("a function of a quotient needs brackets")
        return node
