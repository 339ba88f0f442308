"""The last layer, run in a worker process: answers that only a computer algebra system can read.

Both sides are parsed as LaTeX by latex2sympy, whose grammar builds expressions without evaluating text, and must
be consumed whole. Only expressions, matrices and sets are compared; relations are not, because sympy finds any
two without solutions equal.
"""

from __future__ import annotations

from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig

_NORMALISATION = NormalizationConfig(
    basic_latex=True,
    units=False,
    malformed_operators=False,
    nits=True,
    boxed="none",
    equations=False,
)


def decide(question: dict[str, str]) -> dict[str, str]:
    """`{"gold": ..., "answer": ...}` in; out, what `says` whether they are the same, and a `reason`."""
    sides: dict[str, Any] = {}
    for side in ("gold", "answer"):
        try:
            sides[side] = _parse(question[side])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - the parser raises whatever it stumbles over
            return {"says": f"unreadable {side}", "reason": f"{type(error).__name__}: {error}"[:300]}
    try:
        same = _same(sides["gold"], sides["answer"])
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - an answer that sympy stumbles over is not shown to be right
        return {"says": "undecided", "reason": f"{type(error).__name__}: {error}"[:300]}
    return {"says": "same" if same else "different", "reason": ""}


def _parse(text: str) -> Any:
    parsed = latex2sympy(text, normalization_config=_NORMALISATION, conversion_config=ConversionConfig())
    if not isinstance(parsed, sympy.Expr | sympy.MatrixBase | sympy.Set):
        raise TypeError(f"a {type(parsed).__name__} is not compared")
    return parsed


def _same(gold: Any, answer: Any) -> bool:
    if isinstance(gold, sympy.Set) or isinstance(answer, sympy.Set):
        both = isinstance(gold, sympy.Set) and isinstance(answer, sympy.Set)
        return both and bool(gold.doit() == answer.doit())
    if isinstance(gold, sympy.MatrixBase) or isinstance(answer, sympy.MatrixBase):
        return (
            isinstance(gold, sympy.MatrixBase)
            and isinstance(answer, sympy.MatrixBase)
            and gold.shape == answer.shape
            and all(_same(a, b) for a, b in zip(gold.flat(), answer.flat(), strict=True))
        )
    if gold == answer:
        return True
    difference = (gold - answer).doit()
    return bool(difference == 0) or bool(sympy.simplify(difference) == 0)
