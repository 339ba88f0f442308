"""The door to sympy: which answers may go to a worker process, and how they get there."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from rlvr_gym.verifiers.math.text.notation import COMMANDS, FUNCTIONS
from rlvr_gym.verifiers.workers import Overrun, WorkerPool

MAX_CHARACTERS = 1000

_BEYOND = frozenset({"int", "sum", "prod", "lim", "max", "min", "gcd", "lcm", "det", "setminus", "cap"})
"""Commands that our own grammar leaves to the algebra system."""

_HARMLESS = COMMANDS | FUNCTIONS | _BEYOND | {"to", "rightarrow", "mathbb", "operatorname", "begin", "end"}
_ENVIRONMENTS = frozenset({"pmatrix", "bmatrix", "vmatrix", "matrix", "array"})
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{\s*([A-Za-z]*)\s*\}")
_OPERATOR = re.compile(r"\\operatorname\s*\{\s*([A-Za-z]+)\s*\}")
_DERIVATIVE = re.compile(r"frac\s*\{\s*d\s*\}\s*\{\s*d\s*[a-z]\s*\}")
_BARE_OVER = re.compile(r"\\[dtc]?frac\s*(\d)")
_BARE_UNDER = re.compile(r"(\\frac\{[^{}]*\}\s*)(\d)")
_BARE_ROOT = re.compile(r"\\sqrt\s*(\d+)")
_INDEX = re.compile(r"_\s*\{\s*[a-z]\s*=")
_TERM = re.compile(r"\\(?:sum|prod)\s*_\s*\{?\s*([a-z])(?![A-Za-z])")
_MISREAD = re.compile(r"\d\s+[\d.]|\d\s*_|[A-Za-z]{3}|[=<>:;…@#?\x22'`~$]|\.\.")
"""Text that the algebra system accepts but misreads: it takes `12 34` for 46, and `52_7` for 52."""


def readable(text: str) -> bool:
    """Return whether the algebra system would read all of `text`, and read it right."""
    environments = _ENVIRONMENT.findall(text)
    text = _OPERATOR.sub(lambda m: f"\\{m[1]} ", _ENVIRONMENT.sub(" ", text))
    commands = set(_COMMAND.findall(text))
    rest = _INDEX.sub("_{", _COMMAND.sub(" ", text))
    return (
        len(text) <= MAX_CHARACTERS
        and commands <= _HARMLESS
        and set(environments) <= _ENVIRONMENTS
        and not _MISREAD.search(rest)
        and not any(_indexed_by(letter, text) for letter in _TERM.findall(text))
    )


def _indexed_by(letter: str, text: str) -> bool:
    r"""Return whether a sum's letter is used as an index (`a_k`), which the algebra system takes for one variable."""
    return bool(
        re.search(
            rf"[A-Za-z]\s*_\s*(?:{letter}(?![A-Za-z=])|\{{[^{{}}=]*(?<![A-Za-z]){letter}(?![A-Za-z=]))",
            _TERM.sub(" ", text),
        )
    )


def beyond_our_grammar(text: str) -> bool:
    """Return whether `text` needs the algebra system, and is `readable` by it."""
    marked = (
        "vmatrix" in text
        or _DERIVATIVE.search(text)
        or not _BEYOND.isdisjoint(re.findall(r"[A-Za-z]+", text))
        or "∩" in text
    )
    return bool(marked) and readable(text)


def ask(gold: str, answer: str, timeout_seconds: float) -> dict[str, str]:
    """Ask `symbolic.decide` in a worker. Raises Overrun and VerifierFault as `WorkerPool.call` does.

    An answer that overran its time is not tried again: in a group of rollouts with one answer, only the first waits.
    """
    reply = _asked(_braced(gold), _braced(answer), timeout_seconds)
    if isinstance(reply, Overrun):
        raise Overrun(*reply.args)
    return reply


@lru_cache(maxsize=4096)
def _asked(gold: str, answer: str, timeout_seconds: float) -> dict[str, str] | Overrun:
    try:
        return _workers().call({"gold": gold, "answer": answer}, timeout_seconds=timeout_seconds)
    except Overrun as overrun:
        return overrun


def _braced(text: str) -> str:
    r"""`\frac12` and `\sqrt2` with the braces that the algebra system's parser wants."""
    text = _BARE_OVER.sub(r"\\frac{\1}", text)
    return _BARE_ROOT.sub(r"\\sqrt{\1}", _BARE_UNDER.sub(r"\1{\2}", text))


@cache
def _workers() -> WorkerPool:
    return WorkerPool("rlvr_gym.verifiers.math.symbolic:decide")
