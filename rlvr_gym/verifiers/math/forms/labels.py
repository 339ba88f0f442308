"""Names that may stand before `=`: `x`, `f(2)`, `P(A)`, `|AB|`, `\\text{Area}`, `\\frac{NO}{BO}`."""

from __future__ import annotations

import re

from rlvr_gym.verifiers.math.forms.texts import TEXT, is_doubt
from rlvr_gym.verifiers.math.text.notation import FUNCTIONS

_NAME = r"[A-Za-zα-ωΑ-Ω∠△][A-Za-zα-ωΑ-Ω' ∠△]*(?:_(?:\w|\{[\w,]+\}))?"
_ARGUMENTS = r"(?:\s*\([A-Za-zα-ω]\w*(?:,\s*[A-Za-zα-ω])*\))?"
_BRACKETS = r"[(\[](?:[^()\[\]]|[(\[][^()\[\]]*[)\]]){1,60}[)\]]"
_OPERATORS = "det|tr|dim|deg|rank|lim|Var|var|Cov|Corr|ord|vol|Vol|area|Area|Re|Im|arg|nullity|diam|length"
_FUNCTION = r"[A-Za-zα-ω]'*(?:_(?:\w|\{\w+\}))?"
NAME = re.compile(
    rf"{_NAME}(?:\^\{{-1\}})?{_ARGUMENTS}"
    r"|[A-Za-z]'*\(-?\d+(?:,\s*-?\d+)*\)|P\s*\([^()]{1,60}\)|\|[A-Za-z]{1,2}\||‖\s*[A-Za-z]{1,2}\s*‖"
    rf"|(?:[fghFGH]'*(?:\^\{{-1\}}|_\w)?|[EPVD]|\([fgh](?:\s*∘\s*[fgh])+\))\s*{_BRACKETS}"
    r"|[nN#]\s*\([A-Z'](?:[A-Z'∪∩∖|\s]*)\)"
    rf"|\\(?:{_OPERATORS})\s*(?:_\s*\{{[^{{}}=]*\}}|_\w)?\s*(?:{_BRACKETS}|{_FUNCTION}\s*(?:\([a-zα-ω, ]*\))?)"
    rf"|\\(?:max|min|gcd|lcm)\s*(?:_\s*\{{[^{{}}=]*\}}|_\w)?\s*(?:\([A-Za-z,\s]*\)|{_FUNCTION}\s*(?:\([a-z, ]*\))?)"
)
"""Brackets after a function or an operator are not parsed: their content is part of the name."""
_TUPLE = re.compile(r"\(\s*[A-Za-zα-ω]\w?(?:\s*,\s*[A-Za-zα-ω]\w?)+\s*\)")
_COMMANDS = "|".join(sorted({"frac", "text"} | FUNCTIONS))
_LETTERS_ONLY = re.compile(
    rf"(?=[A-Za-zα-ωΑ-Ω∠△|(\\])(?:\\(?:{_COMMANDS})(?![A-Za-z])"
    r"|[A-Za-zα-ωΑ-Ω∠△|'+*/:(){}\s-]|_(?:\w|\{[\w,]+\}))+"
)
_MULTIPLE_OF_PI = re.compile(r"π\s*[A-Za-zα-ω]")
_VALUE_OF_FUNCTION = re.compile(r"[A-Za-z]\([a-z](,[a-z])*\)")
_OF_ARGUMENTS = re.compile(
    r"[A-Za-zα-ωΑ-Ω]'*(?:_\w+)?(?:\^-1)?\(((?![eiπ])[a-zα-ω](?:,(?![eiπ])[a-zα-ω])*)\)"
)
_INDEXED = re.compile(r"[A-Za-zα-ω]_(?!e$)([a-z])")
_ONE_LETTER = re.compile(r"[A-Za-zα-ωΑ-Ω]'*(?:_(?:\w|\{\w+\}))?|[A-Z]{2}")
CONSTANTS = frozenset({"e", "i", "π"})


def is_name(text: str) -> bool:
    """Return whether a side of an equation merely names the other side."""
    if text in CONSTANTS or is_doubt(text) or _MULTIPLE_OF_PI.search(text):
        return False
    return bool(TEXT.fullmatch(text) or NAME.fullmatch(text))


def is_tuple_of_names(text: str) -> bool:
    """Return whether a side of an equation is a tuple of names, such as `(x, y)`."""
    return bool(_TUPLE.fullmatch(text))


def is_variable(text: str) -> bool:
    """Return whether a text is a variable or a segment (`AB`), which may also follow its value (`5 = x`)."""
    return bool(_ONE_LETTER.fullmatch(text)) and text not in CONSTANTS


def is_expression_of_names(text: str) -> bool:
    r"""Return whether a side has names and operations but no number: `a+b`, `\frac{NO}{BO}`, `V_1:V_2`."""
    if is_doubt(text) or _MULTIPLE_OF_PI.search(text):
        return False
    return bool(_LETTERS_ONLY.fullmatch(text) and re.search(r"[A-Za-zα-ω]", text.replace("π", "")))


def is_product(text: str) -> bool:
    """Return whether a name reads better as a product of variables: `xy`."""
    return bool(re.fullmatch(r"[a-z]{2,3}", text))


def is_of_segments(text: str) -> bool:
    """Return whether an expression has only capital letters: names of points, lengths and areas."""
    return not re.search(r"[a-zα-ω]", re.sub(r"\\frac|_(?:\w|\{[\w,]+\})", "", text))


def label(text: str) -> str:
    """A name to compare by: `E[X]` is `E(X)`, and `x_{1}` is `x_1`."""
    plain = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text.replace("[", "(").replace("]", ")"))
    plain = re.sub(r"([_^])\s*\{([^{}]*)\}", r"\1\2", plain)
    return re.sub(rf"\\(?={_OPERATORS})|\s", "", plain)


def arguments(label: str) -> list[str]:
    """The arguments of a function whose value a label names: x and y of `f(x,y)`."""
    match = _OF_ARGUMENTS.fullmatch(label)
    return match[1].split(",") if match else []


def index_of(label: str) -> str:
    """The letter that counts the terms of a sequence in a label: n of `a_n`."""
    match = _INDEXED.fullmatch(label)
    return match[1] if match else ""


def same_label(a: str, b: str) -> bool:
    """Return whether two labels name the same thing: `f(x)` may also be called `y` or `f`."""
    if len(a) == 1 != len(b) and arguments(b):
        a, b = b, a
    if arguments(a) and len(b) == 1 and a.startswith(f"{b}("):
        return True
    return a == b or ("y" in (a, b) and any(_VALUE_OF_FUNCTION.fullmatch(label) for label in (a, b)))
