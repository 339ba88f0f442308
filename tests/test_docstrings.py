"""Docstrings say a thing aloud: they begin with a verb or a noun."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("rlvr_gym", "envs", "sandbox", "trainers", "tests", "benchmarks", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
INVERTED = (
    *("What ", "Whether ", "That of ", "Those of "),
    *("How ", "Where ", "Which ", "Why ", "As long ", "As many ", "So many "),
)


def docstrings(source: str) -> Iterator[str]:
    """Every text that stands alone: docstrings, and those below fields and constants."""
    for node in ast.walk(ast.parse(source)):
        text = (
            node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None
        )
        if isinstance(text, str):
            yield text


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    assert len(FILES) > 400
    found = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in FILES
        for text in docstrings(path.read_text(encoding="utf-8"))
        if text.startswith(INVERTED)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source", ['"""What it is."""', 'def f():\n    """Whether so."""', 'x = 1\n"""That of x."""']
)
def test_a_docstring_is_found_wherever_it_stands(source: str) -> None:
    assert any(text.startswith(INVERTED) for text in docstrings(source))
