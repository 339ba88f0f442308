r"""Products of vectors: `\times` between vectors is no product of numbers, and gets a sign of its own, `⨯`."""

from __future__ import annotations

import re
from fractions import Fraction

from rlvr_gym.verifiers.math.expressions.nodes import Node, Num, Op, Sym

_NAME = r"\{\s*(?:\\[a-z]+\s*)?(?:\{\s*)?\\?[A-Za-z][^{}]*\}(?:\s*\})?|\s*(?:\\[A-Za-z]+|[A-Za-z])"
_VECTOR = (
    rf"(?:\\(?:vec|mathbf|boldsymbol|bm|overrightarrow|hat|widehat)\s*(?:{_NAME})"
    r"(?:\s*_\s*(?:\{[^{}]*\}|\w))?'*|\\nabla(?![A-Za-z])|∇)"
)
_TIMES = r"\s*(?:\\times(?![A-Za-z])|×)\s*"
_BRACKET = r"(?:\\(?:left|big|Big|bigg|Bigg)[lr]?\s*)?[(\[]"
_OF_VECTORS = re.compile(rf"({_VECTOR}){_TIMES}(?={_VECTOR}|{_BRACKET})")
_CURL = re.compile(rf"(\\nabla|∇){_TIMES}(?=\\?[A-Za-z])")
_AFTER_A_BRACKET = re.compile(rf"([)\]]){_TIMES}(?={_VECTOR})")


def with_cross_products(text: str) -> str:
    r"""`text` with `⨯` for `\times` where vectors stand beside it."""
    if ("\\times" not in text and "×" not in text) or not (first := re.search(_VECTOR, text)):
        return text
    before, after = text[: first.start()], text[first.start() :]
    for between in (_OF_VECTORS, _CURL, _AFTER_A_BRACKET):
        after = between.sub(r"\1 ⨯ ", after)
    return before + after


def cross_product(a: Node, b: Node) -> Node | None:
    """The product of two vectors that are names: changing their places changes its sign. None for any others."""
    if isinstance(a, Op) and a.name == "neg":
        inner = cross_product(a.args[0], b)
        return Op("neg", (inner,)) if inner else None
    if not isinstance(a, Sym) or not isinstance(b, Sym):
        return None
    if a == b:
        return Num(Fraction(0))
    first, second = sorted((a.name, b.name))
    product = Sym(f"({first}⨯{second})")
    return product if a.name == first else Op("neg", (product,))
