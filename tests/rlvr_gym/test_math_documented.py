"""Every example of the table in docs/verifiers.md is judged as the table says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers import Math

PAGE = Path(__file__).parents[2] / "docs" / "verifiers.md"
PROMPT = "How many eggs are left?"
_CELL = re.compile(r"(?<!\\)\|")
_SPAN = re.compile(r"`([^`]+)`")


def documented() -> Iterator[tuple[str, str, str]]:
    """Yield the reference, the answer and the outcome of each example."""
    section = PAGE.read_text(encoding="utf-8").split("### Examples\n")[1].split("\n### ")[0]
    assert PROMPT in section
    header, _, *rows = (row for row in section.splitlines() if row.startswith("|"))
    outcomes = _spans(header)
    for row in rows:
        _, _, reference, *cells, _ = _CELL.split(row)
        assert len(cells) == len(outcomes), row
        for outcome, cell in zip(outcomes, cells, strict=True):
            for answer in _spans(cell):
                yield _spans(reference)[0], answer, outcome


def _spans(cell: str) -> list[str]:
    return [span.replace("\\|", "|") for span in _SPAN.findall(cell)]


EXAMPLES = list(documented())


@pytest.mark.parametrize(("reference", "answer", "outcome"), EXAMPLES)
def test_a_documented_example_is_judged_as_the_page_says(reference: str, answer: str, outcome: str) -> None:
    task = rg.Task(prompt=PROMPT, reference=reference)
    verdict = Math().verify(task, rg.Completion(text=f"\\boxed{{{answer}}}"))
    assert verdict.outcome == outcome, verdict.detail


def test_the_page_has_examples_of_every_outcome() -> None:
    assert len(EXAMPLES) > 250
    assert {outcome for _, _, outcome in EXAMPLES} == {"correct", "incorrect", "malformed"}
