"""Measure how often our intervals, and the bootstrap alone, cover the true value.

    python benchmarks/intervals/coverage.py

Every line is 2,000 simulated evaluations: problems whose pass rates are drawn from a beta distribution, n samples
of each, and the interval of pass@k. 95 in 100 should hold the true mean. Takes ten minutes.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from rlvr_gym.evaluation.statistics.estimators import pass_at_k
from rlvr_gym.evaluation.statistics.intervals import bootstrap_means, mean_interval

PASS_RATES = {
    "even": (1.0, 1.0),
    "all or nothing": (0.3, 0.3),
    "easy": (2.0, 0.2),
    "hard": (0.2, 2.0),
    "hopeless": (0.1, 5.0),
}
"""The two parameters of the beta distribution."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--evaluations", type=int, default=2_000)
    evaluations = parser.parse_args().evaluations
    print("problems   n   k  pass rates       truth    ours  bootstrap alone  mean width")
    for problems in (30, 100):
        for name, (a, b) in PASS_RATES.items():
            for n, k in ((1, 1), (16, 1), (16, 4)):
                ours, alone, width = coverage(problems, a, b, n, k, evaluations)
                said = f"{problems:8} {n:3} {k:3}  {name:15} {mean_pass_at_k(a, b, k):6.3f}"
                print(f"{said}  {ours:6.1%} {alone:16.1%} {width:11.3f}", flush=True)


def mean_pass_at_k(a: float, b: float, k: int) -> float:
    """pass@k over all problems whose pass rates come from a beta distribution: 1 - E[(1 - p)^k]."""
    return 1 - math.prod((b + j) / (a + b + j) for j in range(k))


def coverage(
    problems: int, a: float, b: float, n: int, k: int, evaluations: int
) -> tuple[float, float, float]:
    """The shares of intervals that cover the truth, ours and the plain bootstrap's, and the mean width of ours."""
    rng = np.random.default_rng([problems, n, k, round(100 * a)])
    worth = np.array([pass_at_k(n, correct, k) for correct in range(n + 1)])
    truth = mean_pass_at_k(a, b, k)
    ours = alone = 0
    width = 0.0
    for evaluation in range(evaluations):
        values = worth[rng.binomial(n, rng.beta(a, b, problems))]
        interval = mean_interval(values, seed=evaluation)
        means = bootstrap_means(values, np.ones(problems), seed=evaluation, replicates=1_000)
        low, high = np.quantile(means, [0.025, 0.975])
        ours += interval.low <= truth <= interval.high
        alone += low <= truth <= high
        width += interval.high - interval.low
    return ours / evaluations, alone / evaluations, width / evaluations


if __name__ == "__main__":
    main()
