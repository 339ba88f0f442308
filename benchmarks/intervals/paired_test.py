"""Measure how often `rlvr compare` tells two equally good models apart.

    python benchmarks/intervals/paired_test.py

Every line is 2,000 simulated comparisons; in 5 of 100 the interval of the difference may leave out zero. The same:
both models have one pass rate on a problem, drawn evenly from 0 to 1. On average: each model has a rate of its own
on every problem, drawn alike. Takes a few minutes.
"""

from __future__ import annotations

import argparse

import numpy as np

from rlvr_gym.evaluation import Tally
from rlvr_gym.evaluation.compare import difference

CASES = ((30, 1, 1), (30, 16, 1), (30, 16, 8), (100, 1, 1), (100, 16, 1), (100, 16, 8))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--comparisons", type=int, default=2_000)
    comparisons = parser.parse_args().comparisons
    print(f"{'problems':>8} {'n':>3} {'k':>3} {'the same':>9} {'on average':>11}")
    for problems, n, k in CASES:
        same, average = (told_apart(problems, n, k, models, comparisons) for models in (1, 2))
        print(f"{problems:8} {n:3} {k:3} {same:9.1%} {average:11.1%}", flush=True)


def told_apart(problems: int, n: int, k: int, models: int, comparisons: int) -> float:
    """The share of comparisons whose interval leaves out zero; of one model with itself, or of two alike."""
    rng = np.random.default_rng([problems, n, k, models])
    apart = 0
    for comparison in range(comparisons):
        rates = np.broadcast_to(rng.random((models, problems)), (2, problems))
        first, second = rng.binomial(n, rates)
        pairs = [
            (tally(task, a, n), tally(task, b, n))
            for task, (a, b) in enumerate(zip(first, second, strict=True))
        ]
        apart += difference(pairs, k, seed=comparison).sign != 0
    return apart / comparisons


def tally(task: int, correct: int, n: int) -> Tally:
    return Tally(
        task=str(task), scores=(1.0,) * int(correct) + (0.0,) * int(n - correct), correct=int(correct)
    )


if __name__ == "__main__":
    main()
