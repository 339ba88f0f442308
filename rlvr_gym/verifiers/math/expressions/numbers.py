"""Values of expressions: exact fractions where possible, else 40 digits. Bounded in time by construction."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from rlvr_gym.verifiers.math.expressions.exact_arithmetic import MAX_BITS, exact_power, gcd, lcm, remainder
from rlvr_gym.verifiers.math.expressions.nodes import SERIES, Node, Num, Op, Sym, depends_by_index, size

DIGITS = 40
SPARE_DIGITS = 15
"""Number of computed digits that may be wrong."""
_MAX_GAP_BITS = 350
"""Terms farther apart in size than this cannot be added: the smaller one would be lost, silently."""
_HOPELESS_GAP_BITS = 4000
_MAX_TERMS, _MAX_TERM_SIZE = 200, 40
"""Largest number of terms of a sum, and of operations in each, that are added up here."""

Value = Any
"""A `Fraction`, or a real or complex number of mpmath where the value is not rational or too large."""


class NoValue(Exception):
    """The expression has no value: a division by zero, say."""


class Undecided(Exception):
    """The value is out of reach of what is bounded here; the message is the reason."""


class TooLarge(Undecided):
    """The value is too large, or too close to zero, for any number that is written out."""


class Numbers:
    """Arithmetic at one precision. Each thread has its own, because mpmath's contexts keep state."""

    def __init__(self, digits: int) -> None:
        import mpmath

        self.mp: Any = mpmath.mp.clone()
        self.mp.dps = digits

    def value(self, node: Node, variables: Mapping[str, Fraction]) -> Value:
        """The value of an expression. Raises NoValue and Undecided."""
        if isinstance(node, Num):
            return node.value
        if isinstance(node, Sym):
            return variables[node.name]
        if node.name in SERIES:
            return self._series(node, variables)
        args = [self.value(arg, variables) for arg in node.args]
        try:
            return self._bounded(_OPERATIONS[node.name](self, *args))
        except ZeroDivisionError:
            raise NoValue("division by zero") from None
        except (OverflowError, ValueError) as error:
            raise Undecided(f"{node.name} is out of range") from error

    def _series(self, node: Op, variables: Mapping[str, Fraction]) -> Value:
        """A sum or product of a bounded number of terms."""
        body, variable, *bounds = node.args
        low, high = (self.value(bound, variables) for bound in bounds)
        if not all(isinstance(end, Fraction) and end.denominator == 1 for end in (low, high)):
            raise Undecided("a sum that does not run over integers")
        if not isinstance(variable, Sym) or high - low >= _MAX_TERMS or size(body) > _MAX_TERM_SIZE:
            raise Undecided("a sum of many or of large terms")
        if high < low - 1:
            raise NoValue("a sum that ends before it begins")
        if depends_by_index(body, variable.name):
            raise Undecided("a sum of terms that are not known")
        total: Value = Fraction(0 if node.name == "sum" else 1)
        join = self._add if node.name == "sum" else self._mul
        for k in range(int(low), int(high) + 1):
            total = self._bounded(join(total, self.value(body, {**variables, variable.name: Fraction(k)})))
        return total

    def real(self, value: Value) -> Any:
        """As an mpmath number."""
        if isinstance(value, Fraction):
            return self.mp.mpf(value.numerator) / value.denominator
        return value

    def _bounded(self, value: Value) -> Value:
        if isinstance(value, Fraction):
            large = value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS
            return self.real(value) if large else value
        if self.mp.isnan(value):
            raise NoValue("not a number")
        if isinstance(value, self.mp.mpc) and value.imag == 0:
            value = value.real
        if self.mp.isfinite(value) and value and abs(self.mp.mag(value)) > 1 << 60:
            raise TooLarge("too large")
        return value

    def is_real(self, value: Value) -> bool:
        """Return whether a value is a real number."""
        return not isinstance(value, self.mp.mpc)

    def magnitude(self, value: Value) -> int:
        """An upper bound of log2 of the absolute value; very low for 0."""
        real = self.real(value)
        return (
            int(self.mp.mag(real)) if real and self.mp.isfinite(real) else (1 << 62 if real else -(1 << 62))
        )

    def _add(self, a: Value, b: Value) -> Value:
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a + b
        self._refuse_to_lose(a, b)
        return self.real(a) + self.real(b)

    def _refuse_to_lose(self, a: Value, b: Value) -> None:
        x, y = self.real(a), self.real(b)
        if not (x and y and self.mp.isfinite(x) and self.mp.isfinite(y)):
            return
        gap = abs(self.mp.mag(x) - self.mp.mag(y))
        if gap > _HOPELESS_GAP_BITS:
            raise TooLarge("one term is too small beside the other for any number that is written out")
        if gap > _MAX_GAP_BITS:
            raise Undecided("one term is too small beside the other")

    def _mul(self, a: Value, b: Value) -> Value:
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a * b
        return self.real(a) * self.real(b)

    def quotient(self, a: Value, b: Value) -> Value:
        """`a / b`, exact where both are rational."""
        if b == 0:
            raise NoValue("division by zero")
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a / b
        return self.real(a) / self.real(b)

    def _pow(self, a: Value, b: Value) -> Value:
        """Odd roots of negative numbers are real (`(-8)^{1/3}` is -2); other powers of them are principal."""
        if a == 0 and b == 0:
            raise NoValue("zero to the power of zero")
        if a == 0:
            if isinstance(b, Fraction) and b < 0:
                raise NoValue("division by zero")
            return Fraction(0)
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            exact = exact_power(a, b)
            if exact is not None:
                return exact
        if self.magnitude(b) > 64:
            raise TooLarge("the exponent is too large")
        if isinstance(b, Fraction) and b.denominator == 1:
            if b.numerator.bit_length() + self.magnitude(a).bit_length() > 58:
                raise TooLarge("the power is too large")
            return self.real(a) ** b.numerator
        if isinstance(b, Fraction) and b.denominator % 2 == 1 and self.is_real(a) and a < 0:
            sign = -1 if b.numerator % 2 else 1
            return self._mul(Fraction(sign), self._pow(self._mul(Fraction(-1), a), b))
        log = self.mp.log(self.real(a)) * self.real(b)
        return self._exp(log)

    def _exp(self, a: Value) -> Value:
        if self.magnitude(a) > 50:
            raise TooLarge("the exponent is too large")
        return self.mp.exp(self.real(a)) if a != 0 else Fraction(1)

    def _sqrt(self, a: Value) -> Value:
        return self._root(a, Fraction(2))

    def _root(self, a: Value, degree: Value) -> Value:
        """The real root where there is one, else the principal one."""
        if not isinstance(degree, Fraction) or degree.denominator != 1 or degree < 1:
            raise Undecided("a root of an unusual degree")
        if degree > 1000:
            raise TooLarge("the degree of the root is too large")
        return self._pow(a, 1 / degree)

    def _factorial(self, a: Value) -> Value:
        if not isinstance(a, Fraction) or a.denominator != 1:
            if self.magnitude(a) > 10:
                raise Undecided("a large factorial of something other than a natural number")
            return self.mp.gamma(self.real(a) + 1)
        if a < 0:
            raise NoValue("a factorial of a negative integer")
        if a <= 1500:
            return Fraction(math.factorial(int(a)))
        if a > 10**15:
            raise TooLarge("the factorial is too large")
        return self.mp.exp(self.mp.loggamma(self.real(a + 1)))

    def _binom(self, n: Value, k: Value) -> Value:
        if not (isinstance(n, Fraction) and isinstance(k, Fraction)):
            raise Undecided("a binomial of something other than fractions")
        if max(abs(n), abs(k)) > 10**6:
            raise TooLarge("the binomial is too large")
        if k.denominator != 1 or k < 0:
            return self.mp.binomial(self.real(n), self.real(k))
        if n.denominator != 1 or n < k:
            if k > 50:
                raise Undecided("a binomial out of range")
            return math.prod((n - j) / (j + 1) for j in range(int(k)))
        if n > 5000:
            raise TooLarge("the binomial is too large")
        return Fraction(math.comb(int(n), int(k)))

    def _mod(self, a: Value, b: Value) -> Value:
        if not (isinstance(a, Fraction) and isinstance(b, Fraction)):
            raise Undecided("a remainder of something other than fractions")
        left = remainder(a, b)
        if left is None:
            raise NoValue("division by zero")
        return left

    def _divisor(self, of: Callable[[Sequence[Fraction]], Fraction], values: Sequence[Value]) -> Value:
        if not all(isinstance(value, Fraction) for value in values):
            raise Undecided("a common divisor of something other than fractions")
        return of(values)

    def _greatest(self, sign: int, values: Sequence[Value]) -> Value:
        if not all(self.is_real(value) for value in values):
            raise NoValue("complex numbers have no order")
        return max(values, key=lambda value: sign * self.real(value))

    def _floor(self, a: Value) -> Value:
        if not isinstance(a, Fraction):
            if isinstance(a, self.mp.mpc) or self.magnitude(a) > 100:
                raise Undecided("the integer part is out of reach")
            if abs(a - self.mp.nint(a)) < max(1, abs(a)) * self.mp.mpf(10) ** (SPARE_DIGITS - self.mp.dps):
                raise Undecided("an integer, or too close to one for its integer part to be known")
            return Fraction(int(self.mp.floor(a)))
        return Fraction(math.floor(a))

    def _ceil(self, a: Value) -> Value:
        return -self._floor(self._mul(Fraction(-1), a))

    def _ln(self, a: Value) -> Value:
        if a == 0:
            raise NoValue("the logarithm of zero")
        return Fraction(0) if a == 1 else self.mp.log(self.real(a))

    def _trigonometric(self, name: str, a: Value) -> Value:
        """A sine of a multiple of pi is 0, and not the rounding error that a root would magnify."""
        if self.magnitude(a) > 200:
            raise TooLarge("the angle is too large")
        value = getattr(self.mp, name)(self.real(a))
        noise = self.mp.prec - 25
        if self.magnitude(value) > noise:
            raise NoValue(f"a pole of {name}")
        zero = self.magnitude(value) < -noise and self.magnitude(a) > -20
        return Fraction(0) if zero else value

    def _hyperbolic(self, name: str, a: Value) -> Value:
        if self.magnitude(a) > 50:
            raise TooLarge("the argument is too large")
        return getattr(self.mp, name)(self.real(a))

    def _inverse(self, name: str, a: Value) -> Value:
        return getattr(self.mp, name)(self.real(a))


_OPERATIONS: dict[str, Callable[..., Value]] = {
    "add": Numbers._add,
    "sub": lambda n, a, b: n._add(a, n._mul(Fraction(-1), b)),
    "mul": Numbers._mul,
    "div": Numbers.quotient,
    "neg": lambda n, a: n._mul(Fraction(-1), a),
    "pow": Numbers._pow,
    "sqrt": Numbers._sqrt,
    "root": Numbers._root,
    "factorial": Numbers._factorial,
    "binom": Numbers._binom,
    "percent": lambda n, a: n._mul(a, Fraction(1, 100)),
    "degrees": lambda n, a: n.real(a) * n.mp.pi / 180,
    "abs": lambda n, a: abs(a),
    "floor": Numbers._floor,
    "ceil": Numbers._ceil,
    "ln": Numbers._ln,
    "log10": lambda n, a: n.quotient(n._ln(a), n._ln(Fraction(10))),
    "exp": Numbers._exp,
    "pi": lambda n: +n.mp.pi,
    "e": lambda n: +n.mp.e,
    "i": lambda n: n.mp.mpc(0, 1),
    "inf": lambda n: n.mp.inf,
}


_OPERATIONS |= {
    "mod": Numbers._mod,
    "gcd": lambda n, *values: n._divisor(gcd, values),
    "lcm": lambda n, *values: n._divisor(lcm, values),
    "max": lambda n, *values: n._greatest(1, values),
    "min": lambda n, *values: n._greatest(-1, values),
    "cis": lambda n, a: n._exp(n._mul(n.mp.mpc(0, 1), a)),
    "conj": lambda n, a: a if isinstance(a, Fraction) else n.mp.conj(a),
    "sgn": lambda n, a: n.quotient(a, abs(a)) if a else a,
}


def _trigonometric(name: str) -> Callable[..., Value]:
    return lambda n, a: n._trigonometric(name, a)


def _hyperbolic(name: str) -> Callable[..., Value]:
    return lambda n, a: n._hyperbolic(name, a)


def _inverse(name: str, mp_name: str) -> Callable[..., Value]:
    return lambda n, a: n._inverse(mp_name, a)


for _name in ("sin", "cos", "tan", "cot", "sec", "csc"):
    _OPERATIONS[_name] = _trigonometric(_name)
for _name in ("sinh", "cosh", "tanh", "coth", "sech", "csch"):
    _OPERATIONS[_name] = _hyperbolic(_name)
_INVERSES = "arcsin arccos arctan arccot arcsec arccsc arcsinh arccosh arctanh"
for _name in _INVERSES.split():
    _OPERATIONS[_name] = _inverse(_name, _name.replace("arc", "a"))


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.by_digits: dict[int, Numbers] = {}


_per_thread = _PerThread()


def numbers(digits: int = DIGITS) -> Numbers:
    """This thread's arithmetic at that precision."""
    found = _per_thread.by_digits.get(digits)
    if found is None:
        found = _per_thread.by_digits[digits] = Numbers(digits)
    return found
