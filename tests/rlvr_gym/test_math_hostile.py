"""The math verifier against what is written to hang it, bloat it, fool it or run in it."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from rlvr_gym import Completion, Outcome, Task, Verdict
from rlvr_gym.verifiers import Math, judge
from tests.rlvr_gym.hostile_inputs import FOR_WORKERS, GOLDS, IN_PROCESS, Hostile
from tests.timing import at_most

ALL = [*chain(*IN_PROCESS.values(), *FOR_WORKERS.values())]
GRACE_SECONDS = 0.5
SAMPLE = [kind[0] for kind in FOR_WORKERS.values()]
"""One of each kind that may cost a worker; all of them take a minute or two."""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A path that must not exist afterwards."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists()
    assert not Path("CANARY").exists()


def verdict(hostile: Hostile, verifier: Math, canary: Path = Path("CANARY")) -> Verdict:
    task = Task(prompt="?", reference=hostile.gold.replace("CANARY", str(canary)))
    return judge(verifier, task, Completion(text=hostile.completion.replace("CANARY", str(canary))))


def test_the_suite_has_hundreds_of_inputs_that_all_differ():
    assert len(ALL) >= 300
    assert len({(hostile.gold, hostile.completion) for hostile in ALL}) == len(ALL)


@pytest.mark.parametrize("kind", IN_PROCESS)
def test_a_hostile_answer_is_judged_at_once_without_a_worker_and_the_same_way_twice(kind: str, canary: Path):
    verifier = Math()
    for hostile in IN_PROCESS[kind]:
        with at_most(1.0, hostile.name):
            said = verdict(hostile, verifier, canary)
        outcomes = (Outcome.CORRECT,) if hostile.right else (Outcome.INCORRECT, Outcome.MALFORMED)
        assert said.outcome in outcomes, (hostile.name, said)
        assert verdict(hostile, verifier, canary) == said, hostile.name


def judged_in_time(hostile: Hostile, canary: Path, timeout_seconds: float) -> Verdict:
    verdict(Hostile("a worker is up", r"\boxed{\int_0^1 x dx}"), Math(timeout_seconds=60.0))
    start = time.monotonic()
    said = verdict(hostile, Math(timeout_seconds=timeout_seconds), canary)
    late = time.monotonic() - start - timeout_seconds
    assert late < GRACE_SECONDS, (hostile.name, late)
    return said


@pytest.mark.parametrize("hostile", SAMPLE, ids=lambda hostile: hostile.name)
def test_an_answer_for_the_algebra_system_is_refused_by_its_deadline(hostile: Hostile, canary: Path):
    said = judged_in_time(hostile, canary, 1.0)
    assert said.outcome in (Outcome.INCORRECT, Outcome.MALFORMED, Outcome.TIMEOUT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FOR_WORKERS)
def test_every_answer_for_the_algebra_system_is_refused_by_its_deadline(kind: str, canary: Path):
    for hostile in FOR_WORKERS[kind]:
        said = judged_in_time(hostile, canary, 3.0)
        assert said.outcome in (Outcome.INCORRECT, Outcome.MALFORMED, Outcome.TIMEOUT), (hostile.name, said)


@pytest.mark.parametrize("name", GOLDS)
def test_a_hostile_reference_makes_nothing_right_and_nothing_late(name: str, canary: Path):
    said = judged_in_time(Hostile(name, r"\boxed{42}", GOLDS[name]), canary, 1.0)
    assert not said.correct


def test_a_reference_of_a_million_digits_is_its_own_answer_and_nobody_elses():
    digits = "9" * 1_000_000
    assert verdict(Hostile("itself", rf"\boxed{{{digits}}}", digits), Math()).correct
    assert not verdict(Hostile("off by one", rf"\boxed{{{digits[:-1]}8}}", digits), Math()).correct


MEASURE = """
import resource
from rlvr_gym import Completion, Task
from rlvr_gym.verifiers import Math, judge
from tests.rlvr_gym.hostile_inputs import IN_PROCESS

verifier = Math()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
before = peak()
for kind in "long texts", "deep nesting", "markers", "unicode", "matrices":
    for hostile in IN_PROCESS[kind]:
        judge(verifier, Task(prompt="?", reference=hostile.gold), Completion(text=hostile.completion))
print(peak() - before)
"""


def test_hostile_answers_take_no_more_than_a_hundred_megabytes():
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(ran.stdout) < 100 << 20


def test_a_worker_has_no_more_than_a_gibibyte():
    grown = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    hoard = Hostile("hoard", r"\boxed{\max((a+b+c+d+e+f+g+h)^{60},0)}")
    assert not verdict(hoard, Math(timeout_seconds=2.0)).correct
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10 <= max(grown, 1 << 30)
