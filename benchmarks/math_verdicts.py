"""Math verdicts per second and accuracy, ours and math-verify as shipped, in one run.

    python benchmarks/math_verdicts.py            # a few minutes: math-verify takes seconds over each bomb
    RLVR_DATA=... python benchmarks/math_verdicts.py   # the published references of GSM8K and MATH-500 too

Three workloads, each judged once by each, in one process and one thread:

- easy: rollouts of some 700 characters that end in a boxed integer, half of them right;
- mixed: the accept and refuse pairs of `tests/rlvr_gym/math_cases.py`, which also give the accuracy;
- published: every distinct reference against itself and with one digit changed.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from math_verify import parse, verify
from rich.console import Console
from rich.table import Table

from rlvr_gym import Completion, Task
from rlvr_gym.verifiers import Math, judge

CASES = Path(__file__).parents[1] / "tests/rlvr_gym/math_cases.py"
Judge = Callable[[str, str], bool]


class Rollout(NamedTuple):
    """A reference, a completion, and whether the completion is right."""

    gold: str
    completion: str
    right: bool


def ours(gold: str, completion: str) -> bool:
    return judge(MATH, Task(prompt="?", reference=gold), Completion(text=completion)).correct


def math_verify(gold: str, completion: str) -> bool:
    return verify(parse(f"\\boxed{{{gold}}}"), parse(completion))


MATH = Math()
JUDGES: dict[str, Judge] = {"ours": ours, "math-verify": math_verify}


def easy_rollouts(count: int) -> list[Rollout]:
    rng = random.Random(0)
    made: list[Rollout] = []
    for _ in range(count):
        a, b, right = rng.randrange(1000), rng.randrange(1000), rng.random() < 0.5
        steps = " ".join(f"First take {a} and add {k}, which makes ${a} + {k} = {a + k}$." for k in range(12))
        made.append(Rollout(str(a + b), f"{steps} So it is $\\boxed{{{a + b + (not right)}}}$.", right))
    return made


def mixed_rollouts() -> list[Rollout]:
    spec = importlib.util.spec_from_file_location("math_cases", CASES)
    assert spec is not None
    assert spec.loader is not None
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    return [
        Rollout(gold, f"\\boxed{{{answer}}}", right)
        for right, kinds in ((True, cases.ACCEPT), (False, cases.REFUSE))
        for pairs in kinds.values()
        for gold, answer in pairs
    ]


def published_rollouts(data: Path) -> list[Rollout]:
    golds: set[str] = set()
    for path in ("math500/test.jsonl", "gsm8k/train.jsonl", "gsm8k/test.jsonl"):
        rows = (json.loads(line) for line in (data / path).read_text(encoding="utf-8").splitlines())
        golds |= {row["answer"].rpartition("####")[2].strip() for row in rows}
    rng = random.Random(0)
    made: list[Rollout] = []
    for gold in sorted(golds):
        made.append(Rollout(gold, f"\\boxed{{{gold}}}", True))
        if places := [i for i, character in enumerate(gold) if character.isdigit()]:
            place = rng.choice(places)
            digit = rng.choice([d for d in "0123456789" if d != gold[place]])
            made.append(Rollout(gold, f"\\boxed{{{gold[:place]}{digit}{gold[place + 1 :]}}}", False))
    return made


def measure(judge: Judge, rollouts: list[Rollout]) -> list[str]:
    said: list[bool] = []
    seconds: list[float] = []
    cpu_start = time.process_time()
    for gold, completion, _ in rollouts:
        start = time.perf_counter()
        said.append(judge(gold, completion))
        seconds.append(time.perf_counter() - start)
    cpu_seconds = time.process_time() - cpu_start
    right = [said for said, rollout in zip(said, rollouts, strict=True) if rollout.right]
    wrong = [said for said, rollout in zip(said, rollouts, strict=True) if not rollout.right]
    seconds.sort()
    return [
        str(len(rollouts)),
        f"{len(rollouts) / sum(seconds):,.0f}",
        f"{len(rollouts) / cpu_seconds:,.0f}",
        f"{1000 * seconds[int(0.99 * len(seconds))]:.2f}",
        f"{seconds[-1]:.2f}",
        f"{100 * sum(right) / len(right):.1f}",
        f"{100 * sum(wrong) / len(wrong):.1f}",
    ]


def main() -> None:
    logging.disable(logging.CRITICAL)
    workloads = {"easy": easy_rollouts(4000), "mixed": mixed_rollouts()}
    if data := os.environ.get("RLVR_DATA"):
        workloads["published"] = published_rollouts(Path(data))
    columns = "workload judge rollouts per-s per-CPU-s p99-ms worst-s right-accepted-% wrong-accepted-%"
    table = Table(*columns.split())
    for name, rollouts in workloads.items():
        for judge_name, judged_by in JUDGES.items():
            judged_by("1", "\\boxed{1}")
            table.add_row(name, judge_name, *measure(judged_by, rollouts))
    Console(width=110, file=sys.stdout).print(table)


if __name__ == "__main__":
    main()
