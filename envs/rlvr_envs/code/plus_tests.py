"""EvalPlus's published tests, and what they need to mean what they say."""

from __future__ import annotations

import io
import re
import tokenize
from decimal import Decimal

from rlvr_gym.verifiers.code.problems import Limit

LIMITS: dict[Limit, int | float] = {"cpu_seconds": 20.0, "wall_seconds": 80.0, "memory_bytes": 1 << 30}
"""For a thousand inputs of which some are large."""

_CLOSE = """\
import numpy as _numpy


def _alike(out, exp):
    if isinstance(exp, (list, tuple)):
        return type(out) is type(exp) and len(out) == len(exp) and all(map(_alike, out, exp))
    return isinstance(out, (int, float, complex)) and not isinstance(out, bool)


def _close(out, exp, _published=_numpy.allclose, **tolerance):
    return _alike(out, exp) and _published(out, exp, **tolerance)


_numpy.allclose = _close
"""
_ASSERTED = """
def _assert_close(out, exp, rtol=1e-07, atol=0, **options):
    assert _close(out, exp, rtol=rtol, atol=atol)


_numpy.testing.assert_allclose = _assert_close
"""


def before(test: str) -> str:
    """Return what runs before a published test, so that closeness means what it says.

    numpy stretches one side to the shape of the other: `[]` and `[[1.0]]` are close to `1.0`, so that a function that
    returns an empty list would pass. Here numbers are close to numbers, and lists to lists of their length, as in
    EvalPlus's own evaluator; the test text that it publishes lacks this.
    """
    return _CLOSE + _ASSERTED if "assert_allclose" in test else _CLOSE


_LONG = re.compile(r"[0-9]{4301}")
"""More digits than Python reads in a decimal number of a source; in a hexadecimal one it reads any."""


def readable(test: str) -> str:
    """Return a test with its longest whole numbers in hexadecimal, which is the only way that Python reads them."""
    if not _LONG.search(test):
        return test
    lines = io.StringIO(test).readlines()
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(test).readline))):
        if token.type == tokenize.NUMBER and _LONG.match(token.string):
            row, begin, end = token.start[0] - 1, token.start[1], token.end[1]
            lines[row] = f"{lines[row][:begin]}{int(Decimal(token.string)):#x}{lines[row][end:]}"
    return "".join(lines)
