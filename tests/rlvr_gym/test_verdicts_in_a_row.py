"""Very many math verdicts from one process, on a busy machine, from anywhere in it, in any order."""

import asyncio
import gc
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from rlvr_gym import Completion, Outcome, Task, Verdict
from rlvr_gym.verifiers import Math, judge
from tests.rlvr_gym.hostile_inputs import CODE

GRACE_SECONDS = 0.5
BOMB = r"\int_0^1 x^{x^{x^x}} dx"
EASY = [
    ("42", "42.0", True),
    ("42", "41", False),
    (r"\frac{1}{2}", "50\\%", True),
    (r"\frac{1}{2}", "0.51", False),
    (r"\sqrt{2}", "1.41421", True),
    (r"\sqrt{2}", "1.4142", False),
    ("(x+1)^2", "x^2+2x+1", True),
    ("(x+1)^2", "x^2+2x", False),
    ("1,-2", "-2,1", True),
    ("[2,3)", r"2\le x<3", True),
    ("[2,3)", "(2,3]", False),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", True),
    (r"5\text{ m}", r"500\text{ cm}", True),
    (r"5\text{ m}", r"5\text{ cm}", False),
    (r"\text{east}", "East", True),
    ("y=2x+3", "2x-y+3=0", True),
]
HOSTILE = [
    ("42", "9^{9^{9}}", False),
    ("42", "99999999!", False),
    ("42", "(" * 1500 + "1" + ")" * 1500, False),
    ("42", "9" * 100_000, False),
    *(("42", hostile.completion[7:-1], False) for hostile in CODE[:8]),
]
SLOW = [
    (r"\frac12", r"\int_0^1 x dx", True),
    (r"\frac12", r"\int_0^1 x^2 dx", False),
    ("12", r"\operatorname{lcm}(4,6)", True),
    ("-2", r"\begin{vmatrix} 1 & 2 \\ 3 & 4 \end{vmatrix}", True),
    ("5050", r"\sum_{k=1}^{100} k", True),
]
"""Pairs that need a worker, and get their answer."""


class Footprint(NamedTuple):
    """Resources held by this process, and by its worker processes where those can be told."""

    resident_bytes: int
    descriptors: int
    threads: int
    children: int


def footprint() -> Footprint:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    children = sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
    descriptors = len(os.listdir("/proc/self/fd"))
    return Footprint(pages * os.sysconf("SC_PAGE_SIZE"), descriptors, threading.active_count(), children)


def verdict(gold: str, answer: str, verifier: Math) -> Verdict:
    return judge(verifier, Task(prompt="?", reference=gold), Completion(text=rf"\boxed{{{answer}}}"))


@contextmanager
def busy_cores() -> Iterator[None]:
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def verdicts_in_a_row(count: int, seed: int) -> None:
    """Judge `count` answers: 2 % hostile, one in 250 for a worker, one in 2,500 killing its worker."""
    rng = random.Random(seed)
    verifier, hasty = Math(), Math(timeout_seconds=0.5)
    for number in range(count):
        if number % 2500 == 1250:
            assert verdict("42", BOMB, hasty).outcome is Outcome.TIMEOUT
            continue
        pairs = SLOW if number % 250 == 100 else HOSTILE if number % 50 == 20 else EASY
        gold, answer, right = rng.choice(pairs)
        said = verdict(gold, answer, verifier)
        assert said.scored, said
        assert said.correct == right, (gold, answer[:100], said)


def hold_no_more_after(count: int) -> None:
    verdicts_in_a_row(1500, seed=0)
    before = footprint()
    verdicts_in_a_row(count, seed=1)
    after = footprint()
    assert after.resident_bytes - before.resident_bytes < 8 << 20
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads  # earlier tests of this process may have had more
    assert after.children <= before.children


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")


@needs_proc
def test_five_thousand_verdicts_in_a_row_leave_nothing_behind():
    hold_no_more_after(5000)


@pytest.mark.slow
@needs_proc
def test_a_hundred_thousand_verdicts_in_a_row_leave_nothing_behind():
    hold_no_more_after(100_000)


def seconds_late(verifier: Math, gold: str, answer: str) -> float:
    start = time.monotonic()
    assert verdict(gold, answer, verifier).scored
    return time.monotonic() - start - verifier._symbolic_seconds


def test_no_verdict_is_late_while_both_cores_are_busy():
    verifier = Math(timeout_seconds=1.0)
    verdict(*SLOW[0][:2], Math(timeout_seconds=60.0))
    with busy_cores():
        assert seconds_late(verifier, "42", BOMB) < GRACE_SECONDS
        for gold, answer, _ in EASY + HOSTILE:
            assert seconds_late(verifier, gold, answer) < GRACE_SECONDS


@pytest.mark.slow
def test_no_bomb_in_forty_is_late_while_both_cores_are_busy():
    verifier = Math(timeout_seconds=3.0)
    with busy_cores():
        assert max(seconds_late(verifier, "42", BOMB) for _ in range(40)) < GRACE_SECONDS


@pytest.mark.slow
def test_a_worker_that_is_still_starting_does_not_make_the_verdict_late():
    script = f"""
import time
from rlvr_gym import Completion, Task
from rlvr_gym.verifiers import Math, judge
start = time.monotonic()
said = judge(Math(timeout_seconds=3.0), Task(prompt="?", reference="42"), Completion(text=r"\\boxed{{{BOMB}}}"))
print(said.outcome, time.monotonic() - start)
"""
    with busy_cores():
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    outcome, seconds = ran.stdout.split()
    assert outcome == "timeout"
    assert float(seconds) < 3.0 + GRACE_SECONDS


def alone() -> dict[tuple[str, str], Verdict]:
    verifier = Math()
    return {(gold, answer): verdict(gold, answer, verifier) for gold, answer, _ in EASY + HOSTILE + SLOW}


def in_this_thread(
    judged: Callable[[tuple[str, str]], Verdict], pairs: list[tuple[str, str]]
) -> list[Verdict]:
    return [judged(pair) for pair in pairs]


def in_another_thread(
    judged: Callable[[tuple[str, str]], Verdict], pairs: list[tuple[str, str]]
) -> list[Verdict]:
    said: list[Verdict] = []
    thread = threading.Thread(target=lambda: said.extend(judged(pair) for pair in pairs))
    thread.start()
    thread.join()
    return said


def in_eight_threads(
    judged: Callable[[tuple[str, str]], Verdict], pairs: list[tuple[str, str]]
) -> list[Verdict]:
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(judged, pairs))


def in_a_running_event_loop(
    judged: Callable[[tuple[str, str]], Verdict], pairs: list[tuple[str, str]]
) -> list[Verdict]:
    async def judge_all() -> list[Verdict]:
        return [judged(pair) for pair in pairs]

    return asyncio.run(judge_all())


def as_tasks_of_an_event_loop(
    judged: Callable[[tuple[str, str]], Verdict], pairs: list[tuple[str, str]]
) -> list[Verdict]:
    async def judge_all() -> list[Verdict]:
        return await asyncio.gather(*(asyncio.to_thread(judged, pair) for pair in pairs))

    return asyncio.run(judge_all())


@pytest.mark.parametrize(
    "somewhere",
    [
        in_this_thread,
        in_another_thread,
        in_eight_threads,
        in_a_running_event_loop,
        as_tasks_of_an_event_loop,
    ],
)
def test_the_verdict_is_the_same_wherever_and_whatever_was_judged_before(
    somewhere: Callable[[Callable[[tuple[str, str]], Verdict], list[tuple[str, str]]], list[Verdict]],
):
    known = alone()
    pairs = [*known, *known, *known]
    random.Random(somewhere.__name__).shuffle(pairs)
    verifier = Math()
    assert somewhere(lambda pair: verdict(*pair, verifier), pairs) == [known[pair] for pair in pairs]


def test_the_verdicts_of_a_fresh_process_are_the_same():
    script = """
from rlvr_gym.verifiers import Math
from tests.rlvr_gym.test_verdicts_in_a_row import EASY, HOSTILE, SLOW, verdict
verifier = Math()
for gold, answer, _ in reversed(EASY + HOSTILE + SLOW):
    print(verdict(gold, answer, verifier).model_dump_json())
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    there = [Verdict.model_validate_json(line) for line in ran.stdout.splitlines()]
    assert there == list(alone().values())[::-1]
