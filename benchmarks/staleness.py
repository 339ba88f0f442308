"""Measure samples of older weights: learning curves at several ages, and wall time with a slow judge.

    python benchmarks/staleness.py learn [--seeds 3] [--steps 70] [--out docs/staleness.png]
    python benchmarks/staleness.py slow [--seconds 2] [--steps 12]

`learn` trains `reverse` (four digits, a reward for each, GRPO without KL, a tiny model) with samples of at most 0, 1
and 4 steps ago, with and without a correction, and prints held-out pass@1 after the last step of each seed. `slow`
gives every verdict so many seconds and prints the wall time of a step at ages 0 and 2, in one run.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import torch
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym import Completion, FunctionVerifier, Task, Verdict
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines

SETTINGS = [
    "model.path=tiny:0123456789>", "env.id=reverse", "env.digits=4", "env.reward=per_digit", "env.style=symbols",
    "sampling.max_tokens=6", "algorithm.kl_coefficient=0", "algorithm.aggregation=token_mean",
    "algorithm.clip_high=0.28", "batch.prompts=32", "batch.group_size=16", "batch.minibatches=4",
    "optimizer.learning_rate=1e-3", "run.checkpoint_every=1000",
]  # fmt: skip
AGES, CORRECTIONS = (0, 1, 4), ("none", "token_tis")


def settings(folder: Path, *more: str) -> list[str]:
    """All settings of one run."""
    return [*SETTINGS, f"run.dir={folder}", *more]


def curve(folder: Path, age: int, correction: str, seed: int, steps: int) -> list[tuple[int, float]]:
    """(step, held-out pass@1) of one run."""
    more = [
        f"buffer.max_staleness={age}", f"algorithm.sampler_correction={correction}", f"run.seed={seed}",
        f"run.steps={steps}", "eval.every=10", "eval.tasks=100",
    ]  # fmt: skip
    Trainer(load_recipe("grpo", parse_overrides(settings(folder, *more)))).run()
    return [
        (row["step"], row["eval/pass@1"])
        for row in read_lines(folder / "metrics.jsonl")
        if "eval/pass@1" in row
    ]


def learn(seeds: int, steps: int, out: Path | None) -> None:
    """Print, and draw, what is learned at each age with each correction."""
    found: dict[tuple[int, str], list[list[tuple[int, float]]]] = {}
    print(
        "| max_staleness | correction | pass@1 of each seed after the last step | mean |\n| --- | --- | --- | --- |"
    )
    for age, correction in itertools.product(AGES, CORRECTIONS):
        if age == 0 and correction != "none":
            continue
        with tempfile.TemporaryDirectory() as folder:
            curves = [curve(Path(folder) / str(seed), age, correction, seed, steps) for seed in range(seeds)]
        found[age, correction] = curves
        ends = [points[-1][1] for points in curves]
        print(
            f"| {age} | {correction} | {', '.join(f'{end:.3f}' for end in ends)} | {statistics.mean(ends):.3f} |"
        )
    if out:
        draw(found, out)


def draw(found: dict[tuple[int, str], list[list[tuple[int, float]]]], out: Path) -> None:
    """Mean curves over seeds, a line for each age and correction."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    styles = {"none": "-", "token_tis": "--"}
    for (age, correction), curves in found.items():
        steps = [step for step, _ in curves[0]]
        means = [statistics.mean(points[i][1] for points in curves) for i in range(len(steps))]
        label = f"at most {age} steps old" + ("" if correction == "none" else f", {correction}")
        axes.plot(steps, means, styles[correction], color=f"C{AGES.index(age)}", label=label)
    axes.set(xlabel="step", ylabel="held-out pass@1", ylim=(0, 1.02))
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=130)


def slow(seconds: float, steps: int) -> None:
    """Print the wall time of a step whose verdicts take so many seconds, at ages 0 and 2."""
    means: dict[int, float] = {}
    for age in (0, 2):
        with tempfile.TemporaryDirectory() as folder:
            more = [
                f"buffer.max_staleness={age}",
                f"run.steps={steps}",
                "eval=null",
                "batch.prompts=2",
                "batch.group_size=4",
                "batch.minibatches=1",
            ]
            config = load_recipe("grpo", parse_overrides(settings(Path(folder), *more)))
            env = config.env.make()
            judge = env.verifier

            def slowly(task: Task, completion: Completion) -> Verdict:
                time.sleep(seconds)
                return judge.verify(task, completion)  # noqa: B023 - called before the next

            env.verifier = FunctionVerifier(slowly)
            trainer = Trainer(config, env=env)
            began = time.monotonic()
            trainer.run()
            means[age] = (time.monotonic() - began) / steps
        print(f"max_staleness={age}: {means[age]:.2f} s a step")
    print(f"ratio: {means[2] / means[0]:.2f}")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("learn", "slow"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "learn":
        learn(asked.seeds, asked.steps or 70, asked.out)
    else:
        slow(asked.seconds, asked.steps or 12)


if __name__ == "__main__":
    main()
