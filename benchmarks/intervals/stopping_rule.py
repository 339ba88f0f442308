"""Measure how stopping at a half-width biases an estimate and its interval.

    python benchmarks/intervals/stopping_rule.py [--evaluations 2000] [--half-width 0.1]

Each line summarises that many simulated evaluations: an endless set of problems whose pass rates come from a beta
distribution, n samples of each, drawn in the rounds of `rlvr eval --until-half-width`. It shows the mean error of the
estimate and the coverage of its interval, next to those of a naive rule that checks after every problem from the
second on, with the plain interval of mean +- 1.96 standard errors. Takes minutes.
"""

from __future__ import annotations

import argparse

import numpy as np

from rlvr_gym.evaluation.rounds import FIRST_ROUND, GROWTH
from rlvr_gym.evaluation.statistics.intervals import mean_interval

PASS_RATES = {"even": (1.0, 1.0), "all or nothing": (0.3, 0.3), "hard": (0.2, 2.0)}
PROBLEMS = 4_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--evaluations", type=int, default=2_000)
    parser.add_argument("--half-width", type=float, default=0.1)
    options = parser.parse_args()
    print(
        f"{'half-width':>10} {'n':>3}  {'pass rates':15} {'problems':>8} "
        f"{'error':>8} {'covered':>8} {'eager error':>12} {'covered':>8}"
    )
    for name, (a, b) in PASS_RATES.items():
        for n in (1, 4):
            figures = line(options.half_width, a, b, n, options.evaluations)
            print(f"{options.half_width:10} {n:3}  {name:15} {figures}", flush=True)


def line(half_width: float, a: float, b: float, n: int, evaluations: int) -> str:
    """The figures of one line."""
    rng = np.random.default_rng([round(1000 * half_width), round(100 * a), n])
    truth = a / (a + b)
    rows: list[tuple[float, float, float, float, float]] = []
    for evaluation in range(evaluations):
        values = rng.binomial(n, rng.beta(a, b, PROBLEMS)) / n
        count, value, covered = in_rounds(values, half_width, truth, evaluation)
        eager, eager_covered = after_every_problem(values, half_width, truth)
        rows.append((count, value - truth, covered, eager - truth, eager_covered))
    count, error, covered, eager, eager_covered = np.mean(rows, axis=0)
    return f"{count:8.0f} {error:+8.4f} {covered:8.1%} {eager:+12.4f} {eager_covered:8.1%}"


def in_rounds(values: np.ndarray, half_width: float, truth: float, seed: int) -> tuple[int, float, bool]:
    """Draw problems in rounds; return their number, their mean, and whether its interval holds the truth."""
    upto = FIRST_ROUND
    while True:
        seen = values[:upto]
        interval = mean_interval(seen, seed=seed)
        if (interval.high - interval.low) / 2 <= half_width or upto >= len(values):
            return len(seen), float(seen.mean()), interval.low <= truth <= interval.high
        upto = round(upto * GROWTH)


def after_every_problem(values: np.ndarray, half_width: float, truth: float) -> tuple[float, bool]:
    """The mean, and whether its interval holds the truth, of a rule that looks after every problem."""
    count = np.arange(1, len(values) + 1)
    means = np.cumsum(values) / count
    variances = np.maximum(np.cumsum(values**2) / count - means**2, 0.0)
    halves = 1.96 * np.sqrt(variances / np.maximum(count - 1, 1))
    enough = np.flatnonzero(halves[1:] <= half_width)
    at = int(enough[0]) + 1 if len(enough) else len(values) - 1
    return float(means[at]), abs(float(means[at]) - truth) <= halves[at]


if __name__ == "__main__":
    main()
