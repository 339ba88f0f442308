"""How often do the intervals that evaluations report cover the truth, and how often would the bootstrap alone?

    python benchmarks/interval_coverage.py

Every line is 2,000 simulated evaluations: problems whose pass rates are drawn from a beta distribution, n samples
of each. 95 in 100 intervals should hold the true mean. Takes a few minutes.
"""

from __future__ import annotations

import argparse

import numpy as np

from rlvr_gym.evaluation.intervals import bootstrap_means, mean_interval

PASS_RATES = {"even": (1.0, 1.0), "all or nothing": (0.3, 0.3), "hard": (0.2, 2.0), "hopeless": (0.1, 5.0)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--evaluations", type=int, default=2_000)
    evaluations = parser.parse_args().evaluations
    print(
        f"{'problems':>8} {'n':>3}  {'pass rates':15} {'ours':>6} {'bootstrap alone':>16} {'mean width':>11}"
    )
    for problems in (30, 100):
        for name, (a, b) in PASS_RATES.items():
            for n in (1, 16):
                ours, alone, width = coverage(problems, a, b, n, evaluations)
                print(f"{problems:8} {n:3}  {name:15} {ours:6.1%} {alone:16.1%} {width:11.3f}", flush=True)


def coverage(problems: int, a: float, b: float, n: int, evaluations: int) -> tuple[float, float, float]:
    """The shares of intervals that cover the truth, ours and the plain bootstrap's, and the mean width of ours."""
    rng = np.random.default_rng([problems, n, round(100 * a)])
    truth = a / (a + b)
    ours = alone = 0
    width = 0.0
    for evaluation in range(evaluations):
        values = rng.binomial(n, rng.beta(a, b, problems)) / n
        interval = mean_interval(values, seed=evaluation)
        means = bootstrap_means(values, np.ones(problems), seed=evaluation, replicates=1_000)
        low, high = np.quantile(means, [0.025, 0.975])
        ours += interval.low <= truth <= interval.high
        alone += low <= truth <= high
        width += interval.high - interval.low
    return ours / evaluations, alone / evaluations, width / evaluations


if __name__ == "__main__":
    main()
