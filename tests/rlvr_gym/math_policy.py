r"""Answers to accept and to refuse, written from the policy alone, before the verifier they are to measure was read.

They stand in `math_policy.txt`: after `#` a kind, after `=` a reference, under it what is the same (`+`) and what is
not (`-`); `␣` is a blank at an edge and `⏎` the end of a line. Answers stand for what is inside `\boxed{}`, except
under kinds named after an answer marker, which hold whole completions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).with_name("math_policy.txt")
_WHOLE = "completions: "


class Case(NamedTuple):
    """A reference, a completion judged under an answer contract, and whether it is right."""

    kind: str
    contract: str
    gold: str
    completion: str
    right: bool


def cases() -> Iterator[Case]:
    """All of them, in the order of the file."""
    kind = gold = ""
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        sign, text = line[:1], line[2:].replace("␣", " ").replace("⏎", "\n")
        match sign:
            case "#":
                kind = text
            case "=":
                gold = text
            case "+" | "-":
                whole = kind.startswith(_WHOLE)
                contract = kind.removeprefix(_WHOLE) if whole else "boxed"
                completion = text if whole else f"\\boxed{{{text}}}"
                yield Case(kind, contract, gold, completion, sign == "+")
            case _:
                assert not line, f"what is {line!r}?"
