"""Matrices, and what is computed with them: multiples, sums, products, transposes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce

from rlvr_gym.verifiers.math.expressions.grammar import parse
from rlvr_gym.verifiers.math.expressions.nodes import Node, Op
from rlvr_gym.verifiers.math.forms.kinds import Form, Matrix, Scalar
from rlvr_gym.verifiers.math.forms.units import Unit
from rlvr_gym.verifiers.math.text.brackets import places
from rlvr_gym.verifiers.math.text.tokens import Unparsable

MATRIX = re.compile(
    r"\\begin\{([bpB]?(?:small)?matrix|array)\}(?:\{[clr| ]*\})?((?:(?!\\begin).)*?)\\end\{\1\}", re.DOTALL
)
_FACTOR = re.compile(r"⌗(\d+)⌗(\s*\^\s*(?:\{\s*(?:T|\\top|\\intercal)\s*\}|T|\\top))?")
_MAX_FACTORS = 3

Rows = tuple[tuple[Node, ...], ...]


def computed(text: str, read_rows: Callable[[str], Matrix]) -> Matrix | None:
    """The matrix that an expression of matrices is; None where there is nothing to compute. Raises Unparsable."""
    found: list[Matrix] = []

    def placed(match: re.Match[str]) -> str:
        found.append(read_rows(match[2]))
        return f"⌗{len(found) - 1}⌗"

    plain = re.sub(r"\(\s*(⌗\d+⌗)\s*\)", r"\1", MATRIX.sub(placed, text))
    if not found or "\\begin" in plain or len(found) > 2 * _MAX_FACTORS:
        return None
    rows = reduce(_sum, [_term(term, found) for term in _terms(plain)])
    return Matrix(tuple(tuple(Scalar(node, Unit()) for node in row) for row in rows))


def _terms(text: str) -> list[str]:
    cuts = [at for at in places(text, "+-") if text[:at].strip()]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _term(text: str, found: list[Matrix]) -> Rows:
    """A product of numbers and matrices, with its sign."""
    negative = text.strip().startswith("-")
    text = text.strip().lstrip("+-")
    numbers = [piece.strip().strip("*").strip() for piece in _FACTOR.split(text)[::3]]
    factors = [_rows(found[int(match[1])], bool(match[2])) for match in _FACTOR.finditer(text)]
    if not 1 <= len(factors) <= _MAX_FACTORS:
        raise Unparsable("a number beside a matrix, or a product of many")
    rows = reduce(_product, factors)
    for number in [piece for piece in numbers if piece]:
        rows = _scaled(rows, parse(number))
    return tuple(tuple(Op("neg", (node,)) for node in row) for row in rows) if negative else rows


def _rows(matrix: Matrix, transposed: bool) -> Rows:
    rows = tuple(tuple(_node(cell) for cell in row) for row in matrix.rows)
    return tuple(zip(*rows, strict=True)) if transposed else rows


def _node(cell: Form) -> Node:
    if not isinstance(cell, Scalar):
        raise Unparsable("a matrix to compute with has an entry that is no number")
    return cell.node


def _scaled(rows: Rows, by: Node) -> Rows:
    return tuple(tuple(Op("mul", (by, node)) for node in row) for row in rows)


def _sum(a: Rows, b: Rows) -> Rows:
    if [len(row) for row in a] != [len(row) for row in b]:
        raise Unparsable("a sum of matrices of different shapes")
    return tuple(tuple(Op("add", pair) for pair in zip(x, y, strict=True)) for x, y in zip(a, b, strict=True))


def _product(a: Rows, b: Rows) -> Rows:
    if len(a[0]) != len(b):
        raise Unparsable("a product of matrices that do not fit")
    columns = list(zip(*b, strict=True))
    return tuple(tuple(_dot(row, column) for column in columns) for row in a)


def _dot(row: tuple[Node, ...], column: tuple[Node, ...]) -> Node:
    terms: list[Node] = [Op("mul", pair) for pair in zip(row, column, strict=True)]
    return reduce(lambda x, y: Op("add", (x, y)), terms)
