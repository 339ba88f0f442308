"""The nodes of an expression, and what can be asked of a tree of them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


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

SERIES = ("sum", "prod")
"""Operations on a term, a variable, and its first and last value."""


def symbols(node: Node) -> set[str]:
    """The variables in an expression; what a sum runs over is none."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Sym):
            found.add(current.name)
        elif isinstance(current, Op) and current.name in SERIES:
            body, variable, *bounds = current.args
            found |= symbols(body) - symbols(variable)
            waiting.extend(bounds)
        elif isinstance(current, Op):
            waiting.extend(current.args)
    return found


def mentions(node: Node, name: str) -> bool:
    """Return whether an operation or constant occurs anywhere in an expression."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Op):
            if current.name == name:
                return True
            waiting.extend(current.args)
    return False


def written_fraction(node: Node) -> Fraction | None:
    """The value of a number, with its sign and over another; None where anything else is written."""
    if isinstance(node, Num):
        return node.value
    if isinstance(node, Op) and node.name == "neg":
        inner = written_fraction(node.args[0])
        return None if inner is None else -inner
    if isinstance(node, Op) and node.name == "div" and all(isinstance(arg, Num) for arg in node.args):
        over, under = (written_fraction(arg) for arg in node.args)
        return over / under if over is not None and under else None
    return None


def size(node: Node) -> int:
    """Number of nodes in an expression."""
    return 1 + sum(size(arg) for arg in node.args) if isinstance(node, Op) else 1


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


def substituted(node: Node, values: Mapping[str, Node]) -> Node:
    """The expression with other nodes in the place of some of its variables."""
    if isinstance(node, Sym):
        return values.get(node.name, node)
    if isinstance(node, Op):
        return Op(node.name, tuple(substituted(arg, values) for arg in node.args))
    return node


def in_series_bounds(node: Node) -> set[str]:
    """The variables that say how far a sum or product runs: `n` in the sum over k from 1 to n."""
    if not isinstance(node, Op):
        return set()
    inside = {name for arg in node.args for name in in_series_bounds(arg)}
    return (
        inside | {name for bound in node.args[2:] for name in symbols(bound)}
        if node.name in SERIES
        else inside
    )


def with_plain_indices(node: Node) -> Node:
    """An expression with one name, that no text can have, for whatever a sum or product runs over."""
    if not isinstance(node, Op):
        return node
    args = tuple(with_plain_indices(arg) for arg in node.args)
    if node.name not in SERIES or not isinstance(index := args[1], Sym):
        return Op(node.name, args)
    return Op(node.name, (with_other_letters(args[0], {index.name: "#"}), Sym("#"), *args[2:]))


def with_other_letters(node: Node, names: Mapping[str, str]) -> Node:
    """An expression with other letters for some variables, in indices too: `a_{k+1}` with n for k is `a_{n+1}`."""
    if isinstance(node, Op):
        return Op(node.name, tuple(with_other_letters(arg, names) for arg in node.args))
    if not isinstance(node, Sym):
        return node
    letter, line, index = node.name.partition("_")
    renamed = re.sub(r"#\d*|[^\W\d_]+", lambda m: names.get(m[0], m[0]), index)
    return Sym(names.get(node.name) or f"{letter}{line}{renamed}")


def depends_by_index(node: Node, name: str) -> bool:
    """Return whether a variable occurs in another's index, as k in `a_k`: then the other has no single value."""
    return with_other_letters(node, {name: "#"}) != substituted(node, {name: Sym("#")})
