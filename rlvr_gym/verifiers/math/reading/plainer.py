"""An answer without what stands around it: braces, what is said behind it, brackets that point outward."""

from __future__ import annotations

import re

from rlvr_gym.verifiers.math.forms.domains import stated
from rlvr_gym.verifiers.math.reading.whole_numbers import (
    QUALIFIER,
    parameters,
    with_integer_signs,
    without_parameters,
)
from rlvr_gym.verifiers.math.text.brackets import closing_at

_OUTWARD = re.compile(r"([\[\]])([^\[\]()]*,[^\[\]()]*)([\[\]])")
_BUILDER = re.compile(rf"⟦[^|:]*[|:]{QUALIFIER.pattern}\s*⟧")


def plainer(text: str) -> tuple[str, list[str]]:
    """`text` without braces around it or what is said behind it, with the usual brackets of intervals.

    Beside it stand the parameters that run over whole numbers.
    """
    said = stated(text)
    text, names = said.expression, [*said.bound]
    text = with_integer_signs(text)
    if text[0] == "{" and "," not in text and closing_at(text, 0) == len(text) - 1:
        text = text[1:-1].strip() or text
    if match := _BUILDER.fullmatch(text):
        return text, re.findall("[a-z]", match[1])
    if "∈" in text:
        text, names = without_parameters(text), names + parameters(text)
    for name in names:  # `2π m` is no length where m is a whole number
        text = re.sub(rf"(?<=[\dπ])\s+(?={name}(?![A-Za-z]))", "", text)
    if text[0] == "]" or text[-1] == "[" or "[∪" in text.replace(" ", ""):
        text = _OUTWARD.sub(
            lambda m: f"{'[' if m[1] == '[' else '('}{m[2]}{']' if m[3] == ']' else ')'}", text
        )
    return text, names
