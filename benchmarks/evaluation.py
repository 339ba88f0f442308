"""Time the statistics of an evaluation, and the opening of a large one.

    python benchmarks/evaluation.py [--folder FOLDER]

Writes a run of 100,000 samples, 64 of each task, with prompts of 500 characters and completions of 1,500, into a
temporary folder (or FOLDER, which keeps it); opens it; and computes every estimate with its interval for 500 of
its problems and for all. The target is 10 s for opening, and 2 s for the statistics of 500 problems x 64 samples.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import rlvr_gym as rg
from rlvr_gym.evaluation import Sample, read_run, summarize
from rlvr_gym.seeding import derive_rng

TASKS, PER_TASK = 1_563, 64
KS = (1, 4, 16, 64)
SYLLABLES = ("ka", "lo", "mi", "ne", "tu", "sa ", "re ", "vo, ", "é", "∑")
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path)
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "samples.jsonl")
        size = (folder / "samples.jsonl").stat().st_size
        run = timed(f"open {TASKS * PER_TASK:,} samples, {size / 1e6:,.0f} MB", lambda: read_run(folder))
    some = run.samples[: 500 * PER_TASK]
    timed(f"statistics of 500 problems x {PER_TASK}", lambda: summarize(some, k=KS))
    timed(f"statistics of {TASKS:,} problems x {PER_TASK}", lambda: summarize(run.samples, k=KS))
    votes = {sample.task: (9, 4, 2, *(1,) * 10) for sample in some}
    timed(f"with maj@k, 500 problems x {PER_TASK}", lambda: summarize(some, k=KS, wrong_answers=votes))


def timed(what: str, call: Callable[[], T]) -> T:
    """Return what `call` returns, and print the wall-clock and processor time it took."""
    wall, processor = time.perf_counter(), time.process_time()
    value = call()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{what:45} {wall:6.2f} s, of which {processor:.2f} s on a processor")
    return value


def write(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(sample.model_dump_json() + "\n" for sample in samples())


def samples() -> Iterator[Sample]:
    for number in range(TASKS):
        rng = derive_rng("benchmark", number)
        text = "".join(rng.choices(SYLLABLES, k=1_000))
        right = rng.randrange(40)
        for index in range(PER_TASK):
            start = rng.randrange(200)
            yield Sample(
                environment="rlvr/Benchmark-v0",
                options={"split": "test"},
                fingerprint="0123456789abcdef",
                model="model",
                weights=None,
                sampling=rg.SamplingParams(),
                seed=0,
                task=f"task-{number}",
                metadata={"subject": "none"},
                sample=index,
                prompt=(rg.Message(role="user", content=text[:500]),),
                conversation=(),
                completion=text[start : start + 1_500],
                prompt_tokens=120,
                completion_tokens=400,
                finish_reason=rg.FinishReason.STOP,
                verdict=rg.Verdict.right(answer="7") if index < right else rg.Verdict.wrong(answer="8"),
                seconds=0.01,
                judging_seconds=0.001,
            )


if __name__ == "__main__":
    main()
