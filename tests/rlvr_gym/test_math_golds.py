"""The published references of GSM8K and MATH-500, from the folder that RLVR_DATA names, and rewrites of them."""

import json
import random
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from rlvr_gym import Completion, Task
from rlvr_gym.verifiers import Math, judge

MATH = Math()


@pytest.fixture(scope="module")
def golds(real_data: Path) -> list[str]:
    found = answers(real_data / "math500/test.jsonl")
    for split in ("train", "test"):
        found += [
            answer.rpartition("####")[2].strip() for answer in answers(real_data / f"gsm8k/{split}.jsonl")
        ]
    return found


def answers(path: Path) -> list[str]:
    return [json.loads(line)["answer"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_published_reference_is_equal_to_itself(golds: list[str]):
    assert len(golds) == 500 + 7473 + 1319
    tasks = [Task(prompt="?", reference=gold) for gold in golds]
    wrong = [t.reference for t in tasks if not judge(MATH, t, Completion(text=MATH.solution(t))).correct]
    assert wrong == []


def test_every_published_reference_can_be_read(golds: list[str]):
    assert [problem for gold in sorted(set(golds)) if (problem := MATH.check_reference(gold))] == []


def test_no_published_reference_is_equal_to_itself_with_one_digit_changed(golds: list[str]):
    rng = random.Random(0)
    wrong: list[tuple[str, str]] = []
    for gold in sorted(set(golds)):
        task = Task(prompt="?", reference=gold)
        for place in [i for i, character in enumerate(gold) if character.isdigit()]:
            digit = rng.choice([d for d in "0123456789" if d != gold[place]])
            changed = gold[:place] + digit + gold[place + 1 :]
            said = judge(MATH, task, Completion(text=f"\\boxed{{{changed}}}"))
            if said.correct or not said.scored:
                wrong.append((gold, changed))
    assert wrong == []


def rewrites(gold: str) -> Iterator[str]:
    """The same answer in other spellings, by rules that cannot change what it says."""
    yield f"${gold}$"
    yield rf"\( {gold} \)"
    yield f"{gold}."
    yield rf"\displaystyle {gold}"
    if "{" not in gold and not re.search(r"\d,\d{3}", gold):
        yield gold.replace(",", ", ")
    yield re.sub(r"(?<=[a-z\d}]) ?([+=]) ?(?=[a-z\d\\])", r" \1 ", gold)
    for name in ("dfrac", "tfrac", "cfrac"):
        yield re.sub(r"\\[dt]?frac(?![a-z])", rf"\\{name}", gold)
    if "\\left" not in gold and "begin" not in gold:
        yield re.sub(r"(?<![\\a-z])\)", r"\\right)", re.sub(r"(?<![\\a-z])\(", r"\\left(", gold))
    if "\\left" in gold:
        yield re.sub(r"\\(left|right)(?![a-z{}.|])", "", gold)
    if word := re.fullmatch(r"\\text\{(\w+)\}", gold):
        yield word[1]
        yield rf"\textbf{{{word[1]}}}"
    if whole := re.fullmatch(r"-?\d+", gold):
        yield from rewritten_integer(int(whole[0]))
    if fraction := re.fullmatch(r"(-?)\\frac\{(\d+)\}\{(\d+)\}", gold):
        yield from rewritten_fraction(fraction[1], int(fraction[2]), int(fraction[3]))
    if terms := re.fullmatch(r"([\w^]+) *\+ *([\w^]+)", gold):
        yield f"{terms[2]} + {terms[1]}"


def rewritten_integer(value: int) -> Iterator[str]:
    yield f"{value}.0"
    yield f"{value:,}"
    yield f"{value:,}".replace(",", "{,}")
    yield f"{value:,}".replace(",", r"\,")
    yield rf"\text{{{value}}}"
    yield f"x = {value}"
    if value:
        yield rf"\frac{{{2 * value}}}{{2}}"


def rewritten_fraction(sign: str, over: int, under: int) -> Iterator[str]:
    yield f"{sign}{over}/{under}"
    yield rf"\frac{{{sign}{over}}}{{{under}}}"
    yield rf"{sign}\frac{{{3 * over}}}{{{3 * under}}}"
    decimal = Fraction(over, under)
    if 10**6 % under == 0:
        yield f"{sign}{float(decimal)}"
    if over > under:
        yield rf"{sign}{over // under}\frac{{{over % under}}}{{{under}}}"


def test_no_rewrite_of_a_published_reference_is_refused_and_none_with_a_digit_changed_accepted(
    golds: list[str],
):
    rng = random.Random(1)
    refused: list[tuple[str, str]] = []
    accepted: list[tuple[str, str]] = []
    seen = 0
    for gold in sorted(set(golds)):
        task = Task(prompt="?", reference=gold)
        for rewrite in sorted({*rewrites(gold)} - {gold}):
            seen += 1
            if not judge(MATH, task, Completion(text=f"\\boxed{{{rewrite}}}")).correct:
                refused.append((gold, rewrite))
            place = rng.choice([i for i, character in enumerate(rewrite) if character.isdigit()] or [-1])
            if place >= 0 and (changed := with_another_digit(rewrite, place, rng)) != rewrite:
                said = judge(MATH, task, Completion(text=f"\\boxed{{{changed}}}"))
                accepted += [(gold, changed)] if said.correct or not said.scored else []
    assert seen > 5000
    assert refused == []
    assert accepted == []


def with_another_digit(text: str, place: int, rng: random.Random) -> str:
    digit = rng.choice([d for d in "0123456789" if d != text[place]])
    return text[:place] + digit + text[place + 1 :]
