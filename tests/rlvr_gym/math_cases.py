"""Pairs of a reference and an answer: what must be accepted and what must be refused, by reason.

They stand in five files beside this one. `benchmarks/math_verdicts.py` measures on the same list.
"""

from pathlib import Path
from runpy import run_path

Pairs = dict[str, list[tuple[str, str]]]


def _pairs(file: str, name: str) -> Pairs:
    return run_path(str(Path(__file__).with_name(file)))[name]


ACCEPT: Pairs = {
    **_pairs("math_accepted.py", "ACCEPT"),
    **_pairs("math_accepted_elsewhere.py", "ACCEPT"),
    **_pairs("math_twins.py", "ACCEPT"),
}
REFUSE: Pairs = {
    **_pairs("math_refused.py", "REFUSE"),
    **_pairs("math_refused_near.py", "REFUSE"),
    **_pairs("math_twins.py", "REFUSE"),
}
