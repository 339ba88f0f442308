r"""Math verdicts: accuracy and speed, ours and math-verify as shipped, in one run over the same answers.

    RLVR_DATA=... OMP_NUM_THREADS=1 python benchmarks/math_verdicts.py
    ... --bombs 400   # math-verify over all hostile answers, at up to ten seconds each

Six workloads:

- easy: rollouts of some 700 characters that end in a boxed integer, half of them right;
- real: 4,800 published solutions of MATH-500 and GSM8K with their answer in a box, spelled in one of the ways
  models spell it; in half of them one digit of the answer is changed;
- published: every distinct reference as it is and with one digit changed;
- pairs: what `tests/rlvr_gym/math_cases.py` says is the same and is not;
- policy: the same of `tests/rlvr_gym/math_policy.txt`, which was written without a look at the verifier;
- hostile: `tests/rlvr_gym/hostile_inputs.py`, nearly all wrong; math-verify is asked a sample.

Easy and real are judged by one process, then split over two. What is measured is the call of the judge, in warm
processes. "None" are answers without a verdict, "late" those with one only half a second after the five
seconds that both judges take as their limit. CPU seconds are those of the judging process, not of our workers.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import multiprocessing
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from math_verify import parse, verify
from rich.console import Console
from rich.table import Table

from rlvr_gym import Completion, Task
from rlvr_gym.verifiers import Math, judge

TESTS = Path(__file__).parents[1] / "tests/rlvr_gym"
LATE_SECONDS = 5.5
MATH = Math()


class Rollout(NamedTuple):
    """A reference, a completion, and whether the completion is right."""

    gold: str
    completion: str
    right: bool


class Judged(NamedTuple):
    """A judge's verdict (None if it gave none) and the time it took.

    `cpu_seconds` are those of the judging process; the rest of `seconds` went to waiting for a worker or a core.
    """

    said: bool | None
    seconds: float
    cpu_seconds: float


def ours(gold: str, completion: str) -> bool | None:
    said = judge(MATH, Task(prompt="?", reference=gold), Completion(text=completion))
    return said.correct if said.scored else None


def math_verify(gold: str, completion: str) -> bool | None:
    return verify(parse(f"\\boxed{{{gold}}}"), parse(completion))


JUDGES: dict[str, Callable[[str, str], bool | None]] = {"ours": ours, "math-verify": math_verify}


def judge_all(name: str, rollouts: list[Rollout]) -> list[Judged]:
    judged: list[Judged] = []
    for gold, completion, _ in rollouts:
        start, cpu_start = time.perf_counter(), time.process_time()
        said = JUDGES[name](gold, completion)
        cpu_seconds = time.process_time() - cpu_start
        judged.append(Judged(said, time.perf_counter() - start, cpu_seconds))
    return judged


WARM_UP = [Rollout(r"\frac12", r"\boxed{\int_0^1 x dx}", True), Rollout("1", r"\boxed{1}", True)]


def get_ready(name: str, all_ready: Barrier) -> None:
    """Called first in every process, so that none is measured while another still starts."""
    logging.disable(logging.CRITICAL)
    judge_all(name, WARM_UP)
    all_ready.wait()


def module_of_tests(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def easy(count: int) -> list[Rollout]:
    rng = random.Random(0)
    made: list[Rollout] = []
    for _ in range(count):
        a, b, right = rng.randrange(1000), rng.randrange(1000), rng.random() < 0.5
        steps = " ".join(f"First take {a} and add {k}, which makes ${a} + {k} = {a + k}$." for k in range(12))
        made.append(Rollout(str(a + b), f"{steps} So it is $\\boxed{{{a + b + (not right)}}}$.", right))
    return made


def pairs() -> list[Rollout]:
    cases = module_of_tests("math_cases")
    return [
        Rollout(gold, f"\\boxed{{{answer}}}", right)
        for right, kinds in ((True, cases.ACCEPT), (False, cases.REFUSE))
        for kind in kinds.values()
        for gold, answer in kind
    ]


def policy() -> list[Rollout]:
    return [
        Rollout(case.gold, case.completion, case.right)
        for case in module_of_tests("math_policy").cases()
        if case.contract == "boxed"
    ]


def hostile() -> list[Rollout]:
    inputs = module_of_tests("hostile_inputs")
    return [
        Rollout(hostile.gold, hostile.completion, hostile.right)
        for kinds in (inputs.IN_PROCESS, inputs.FOR_WORKERS)
        for kind in kinds.values()
        for hostile in kind
    ]


def solutions(data: Path) -> Iterator[tuple[str, str]]:
    """Every published reference, and its solution up to where the answer is stated."""
    for path in ("math500/test.jsonl", "gsm8k/test.jsonl", "gsm8k/train.jsonl"):
        for line in (data / path).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if path.startswith("math500"):
                yield row["answer"], row["solution"].rpartition("\\boxed")[0]
            else:
                text, _, gold = row["answer"].rpartition("####")
                yield gold.strip(), text


INTEGER = re.compile(r"-?\d+")
SIMPLE_FRACTION = re.compile(r"\\frac\{(\d+)\}\{(\d+)\}")
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as published": lambda gold: gold,
    "display fractions": lambda gold: gold.replace(r"\frac", r"\dfrac"),
    "slashes": lambda gold: SIMPLE_FRACTION.sub(r"\1/\2", gold) if SIMPLE_FRACTION.fullmatch(gold) else gold,
    "plain brackets": lambda gold: gold.replace(r"\left", "").replace(r"\right", ""),
    "with a name": lambda gold: f"x = {gold}" if INTEGER.fullmatch(gold) else gold,
    "a decimal": lambda gold: f"{gold}.0" if INTEGER.fullmatch(gold) else gold,
    "in text": lambda gold: rf"\text{{{gold}}}" if INTEGER.fullmatch(gold) else gold,
    "thousands": lambda gold: f"{int(gold):,}" if INTEGER.fullmatch(gold) else gold,
    "in dollars": lambda gold: rf"\${gold}" if INTEGER.fullmatch(gold) else gold,
    "a full stop": lambda gold: f"{gold}.",
    "thin spaces": lambda gold: rf"\,{gold}\,",
    "without text": lambda gold: re.sub(r"\\text\{([^{}]*)\}", r"\1", gold),
    "display style": lambda gold: rf"\displaystyle {gold}",
    "unicode": lambda gold: re.sub(r"\\pi(?![a-z])", "π", gold).replace("-", "−"),
}


def one_digit_changed(text: str, rng: random.Random) -> str | None:
    places = [i for i, character in enumerate(text) if character.isdigit()]
    if not places:
        return None
    place = rng.choice(places)
    digit = rng.choice([d for d in "0123456789" if d != text[place]])
    return f"{text[:place]}{digit}{text[place + 1 :]}"


def real(data: Path, count: int) -> list[Rollout]:
    """Half of the references from MATH-500, half of the rollouts right."""
    rng = random.Random(0)
    stated = list(solutions(data))
    made: list[Rollout] = []
    while len(made) < count:
        gold, steps = stated[rng.randrange(500)] if rng.random() < 0.5 else rng.choice(stated[500:])
        answer, right = rng.choice(list(SPELLINGS.values()))(gold), len(made) % 2 == 0
        said = answer if right else one_digit_changed(answer, rng)
        if said is not None:
            made.append(Rollout(gold, f"{steps}\n\nThe answer is $\\boxed{{{said}}}$.", right))
    return made


def published(data: Path) -> list[Rollout]:
    rng = random.Random(0)
    made: list[Rollout] = []
    for gold in sorted({gold for gold, _ in solutions(data)}):
        made.append(Rollout(gold, f"\\boxed{{{gold}}}", True))
        if wrong := one_digit_changed(gold, rng):
            made.append(Rollout(gold, f"\\boxed{{{wrong}}}", False))
    return made


def row(name: str, processes: int, rollouts: list[Rollout]) -> list[str]:
    """Judge all of them in so many processes; the figures of one row."""
    shards = [rollouts[start::processes] for start in range(processes)]
    spawn = multiprocessing.get_context("spawn")
    all_ready = spawn.Barrier(processes + 1)
    with spawn.Pool(processes, get_ready, (name, all_ready)) as pool:
        all_ready.wait()
        start = time.perf_counter()
        judged = [one for shard in pool.map(partial(judge_all, name), shards, chunksize=1) for one in shard]
        wall_seconds = time.perf_counter() - start
    ordered = [rollout for shard in shards for rollout in shard]
    seconds, cpu_seconds = sorted(one.seconds for one in judged), sorted(one.cpu_seconds for one in judged)
    p99 = int(0.99 * len(judged))
    return [
        name,
        str(processes),
        f"{len(judged):,}",
        share([one.said is True for one, rollout in zip(judged, ordered, strict=True) if rollout.right]),
        share([one.said is True for one, rollout in zip(judged, ordered, strict=True) if not rollout.right]),
        str(sum(one.said is None for one in judged)),
        str(sum(one.seconds > LATE_SECONDS for one in judged)),
        f"{len(judged) / wall_seconds:,.0f}",
        f"{len(judged) / sum(cpu_seconds):,.0f}",
        f"{1000 * seconds[p99]:.1f}",
        f"{1000 * cpu_seconds[p99]:.1f}",
        f"{seconds[-1]:.2f}",
    ]


def share(said: list[bool]) -> str:
    return f"{100 * sum(said) / len(said):.1f} of {len(said):,}" if said else ""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bombs", type=int, default=20, help="hostile answers for math-verify (20)")
    parser.add_argument("--easy", type=int, default=8000, help="easy rollouts (8000)")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    easy_rollouts = easy(chosen.easy)
    jobs = [("easy", name, processes, easy_rollouts) for name in JUDGES for processes in (1, 2)]
    if data := os.environ.get("RLVR_DATA"):
        mix = real(Path(data), 4800)
        jobs += [("real", name, processes, mix) for name in JUDGES for processes in (1, 2)]
        jobs += [("published", name, 1, published(Path(data))) for name in JUDGES]
    else:
        print("without RLVR_DATA, a folder with math500 and gsm8k, no real and no published answers")
    for workload, rollouts in {"pairs": pairs(), "policy": policy()}.items():
        jobs += [(workload, name, 1, rollouts) for name in JUDGES]
    bombs = hostile()
    sample = random.Random(0).sample(bombs, min(chosen.bombs, len(bombs)))
    jobs += [("hostile", "ours", 1, bombs), ("hostile", "math-verify", 1, sample)]
    columns = (
        "workload judge processes verdicts right-accepted-% wrong-accepted-% none late "
        "per-s per-CPU-s p99-ms p99-CPU-ms worst-s"
    )
    table = Table(*columns.split())
    for workload, name, processes, rollouts in jobs:
        table.add_row(workload, *row(name, processes, rollouts))
        print(f"{workload}, {name}, {processes}: done", file=sys.stderr)
    Console(width=170, file=sys.stdout).print(table)


if __name__ == "__main__":
    main()
