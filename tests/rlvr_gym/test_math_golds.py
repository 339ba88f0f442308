"""The published references of GSM8K and MATH-500, from the folder that RLVR_DATA names."""

import json
import os
import random
from pathlib import Path

import pytest

from rlvr_gym import Completion, Task
from rlvr_gym.verifiers import Math, judge

MATH = Math()


@pytest.fixture(scope="module")
def golds() -> list[str]:
    if not (folder := os.environ.get("RLVR_DATA")):
        pytest.skip(
            "set RLVR_DATA to a folder with gsm8k/train.jsonl, gsm8k/test.jsonl and math500/test.jsonl"
        )
    data = Path(folder)
    found = answers(data / "math500/test.jsonl")
    for split in ("train", "test"):
        found += [answer.rpartition("####")[2].strip() for answer in answers(data / f"gsm8k/{split}.jsonl")]
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
