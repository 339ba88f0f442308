"""Reward hacking in the making: the recipe `hackable` against its weak proxy and against the hardened verifier.

    python benchmarks/reward_hacking.py --runs runs/hackable --picture docs/reward-hacking.png
    python benchmarks/reward_hacking.py --cost

Trains one run per verifier and seed (those in the folder already are read), and prints what the policy was paid, what
it had learned by the held-out verifier, and when which alarm went off. Intervals are Student's, over seeds; of
accuracies, the wider of that and the mean of the runs' own intervals over problems; of canaries, Wilson's. With
`--cost`: how long the detectors take over a step of long completions.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rlvr_trainers.config import MonitorConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.monitor.monitor import Monitor
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.evaluation.statistics.intervals import wilson
from rlvr_gym.files import read_lines

VERIFIERS = ("weak", "hardened")
LATEST = 5
QUANTILE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
"""Student's, 97.5 %, by degrees of freedom."""

Rows = list[dict[str, Any]]


def run(folder: Path, verifier: str, seed: int, steps: int) -> Rows:
    """The metrics of one run, trained now unless they are there."""
    settings = {"env": {"verifier": verifier}, "run": {"dir": folder, "seed": seed, "steps": steps}}
    if not (folder / "model").exists():
        Trainer(load_recipe("hackable", settings), name="hackable").run()
    return list(read_lines(folder / "metrics.jsonl"))


def interval(values: Sequence[float], own: Sequence[tuple[float, float]] = ()) -> str:
    """Mean over seeds with its 95 % interval, cut off at the ends of a share; `own` are the runs' own intervals."""
    mean, half = float(np.mean(values)), 0.0
    if len(values) - 1 in QUANTILE:
        half = QUANTILE[len(values) - 1] * float(np.std(values, ddof=1)) / len(values) ** 0.5
    low, high = max(0.0, mean - half), min(1.0, mean + half)
    if own:
        lows, highs = np.mean(own, axis=0)
        low, high = min(low, float(lows)), max(high, float(highs))
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def accuracy(runs: Sequence[Rows], place: int) -> str:
    """The held-out accuracy at the first (0) or last (-1) evaluation."""
    values = [series(rows, "eval/pass@1")[1][place] for rows in runs]
    ends = [[series(rows, f"eval/pass@1/{end}")[1][place] for rows in runs] for end in ("low", "high")]
    return interval(values, list(zip(*ends, strict=True)))


def canaries_paid(runs: Sequence[Rows]) -> str:
    """Count the canaries, and those that were rewarded."""
    counted = [row for rows in runs for row in rows if "detectors/canaries/rate" in row]
    count = sum(row["detectors/canaries/count"] for row in counted)
    paid = sum(row["detectors/canaries/count"] * row["detectors/canaries/rate"] for row in counted)
    bounds = wilson(paid, count)
    return f"{paid:,.0f} of {count:,.0f}, {paid / count:.3f} [{bounds.low:.3f}, {bounds.high:.3f}]"


def series(rows: Rows, name: str) -> tuple[list[int], list[float]]:
    """The steps that logged a metric, and what they logged."""
    found = [(row["step"], row[name]) for row in rows if name in row]
    return [step for step, _ in found], [value for _, value in found]


def first_alarm(rows: Rows, detector: str) -> str:
    """The step at which an alarm first went off."""
    steps, rung = series(rows, f"detectors/{detector}/alarm")
    return next((str(step) for step, value in zip(steps, rung, strict=True) if value), "-")


def detectors(rows: Rows) -> list[str]:
    """The detectors that had an alarm to give."""
    return sorted({key.split("/")[1] for row in rows for key in row if key.endswith("/alarm")})


def report(verifier: str, runs: Sequence[Rows]) -> None:
    """Print what came of one verifier's runs."""
    rewards = [series(rows, "reward/mean")[1] for rows in runs]
    print(f"\nenv.verifier={verifier}, {len(runs)} seeds")
    print(f"  reward, first {LATEST} steps     {interval([float(np.mean(r[:LATEST])) for r in rewards])}")
    print(f"  reward, last {LATEST} steps      {interval([float(np.mean(r[-LATEST:])) for r in rewards])}")
    print(f"  true accuracy, before     {accuracy(runs, 0)}")
    print(f"  true accuracy, after      {accuracy(runs, -1)}")
    print(f"  canaries paid             {canaries_paid(runs)}")
    for detector in detectors(runs[0]):
        print(f"  first alarm, {detector:16} step {', '.join(first_alarm(rows, detector) for rows in runs)}")
    shares = [
        row["seconds/monitor"] / sum(row[f"seconds/{phase}"] for phase in PHASES)
        for rows in runs
        for row in rows
        if "seconds/monitor" in row
    ]
    print(f"  share of a step's time that the detectors take: median {np.median(shares):.1%}")


PHASES = ("generate", "verify", "score", "update", "monitor")


def draw(all_runs: dict[str, list[Rows]], out: Path) -> None:
    """Reward, true accuracy and the two detectors that tell, side by side for the two verifiers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 6.2), sharex=True, sharey="row", layout="constrained")
    for column, (verifier, runs) in enumerate(all_runs.items()):
        above, below = axes[0, column], axes[1, column]
        above.set_title(f"trained with verifier={verifier}", fontsize=11)
        curve(above, runs, "reward/mean", "reward (what the policy is paid)", "tab:orange")
        curve(above, runs, "eval/score", "held-out accuracy (what is meant)", "tab:green", marker="o")
        curve(below, runs, "detectors/canaries/rate", "canaries that are paid", "tab:red")
        curve(
            below,
            runs,
            "detectors/held_out/gap",
            "how much more the reward rose, at the least",
            "tab:blue",
            marker="o",
        )
        limits = MonitorConfig()
        below.axhline(limits.max_held_out_gap or 0, color="tab:blue", linestyle=":", linewidth=1)
        below.axhline(limits.max_canary_rate or 0, color="tab:red", linestyle=":", linewidth=1)
        below.set_xlabel("step")
    axes[0, 0].set_ylim(-0.03, 1.03)
    for axis in axes.flat:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(fontsize=9, frameon=False, loc="center right")
    axes[1, 1].legend(fontsize=9, frameon=False, loc="upper right", title="dotted: limits", title_fontsize=8)
    seeds = len(next(iter(all_runs.values())))
    figure.suptitle(f"{seeds} seeds each: their mean, and their range", fontsize=10)
    figure.savefig(out, dpi=110)
    plt.close(figure)
    print(f"\nwrote {out}")


def curve(axis: Any, runs: Sequence[Rows], name: str, label: str, color: str, marker: str = "") -> None:
    """A metric's mean over seeds and its range, where all of them logged it."""
    logged = [dict(zip(*series(rows, name), strict=True)) for rows in runs]
    steps = sorted(set.intersection(*(set(values) for values in logged)))
    values = np.array([[one[step] for step in steps] for one in logged])
    axis.plot(steps, values.mean(axis=0), label=label, color=color, marker=marker, markersize=3.5)
    axis.fill_between(steps, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0)


def cost(prompts: int = 32, group_size: int = 16, tokens: int = 2000) -> None:
    """Print what the detectors take for one step of long completions, half of them right."""
    env, rng = rg.make("arithmetic"), random.Random(0)
    groups = []
    for task in env.tasks.take(prompts):
        answers = [task.reference if sample % 2 else -1 for sample in range(group_size)]
        groups.append(
            tuple(long_rollout(env, task, f"\\boxed{{{answer}}}", tokens, rng) for answer in answers)
        )
    monitor = Monitor(MonitorConfig(), env, seed=0, mesh=Mesh())
    began = time.process_time()
    monitor.observe(groups, monitor.judge_canaries(groups, 0))
    seconds = time.process_time() - began
    print(f"{prompts} x {group_size} completions of {tokens:,} tokens: {seconds:.2f} s of one CPU")


def long_rollout(
    env: rg.Environment, task: rg.Task, answer: str, tokens: int, rng: random.Random
) -> rg.Rollout:
    """A completion of random words, and its answer."""
    words = ("so", "the", "number", "12", "plus", "7", "therefore", "let", "x", "be", "then")
    text = " ".join(rng.choice(words) for _ in range(tokens)) + f"\n{answer}"
    return rg.Rollout(
        task=task,
        sample=0,
        prompt_ids=(1,),
        token_ids=tuple(rng.randrange(50_000) for _ in range(tokens)),
        action_mask=(True,) * tokens,
        logprobs=(0.0,) * tokens,
        messages=(rg.Message(role="assistant", content=text),),
        finish_reason=rg.FinishReason.STOP,
        verdict=env.verifier.verify(task, rg.Completion(text=text)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/hackable"), help="where runs are kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--picture", type=Path, help="draw the curves into this file")
    parser.add_argument(
        "--cost", action="store_true", help="measure what the detectors take, and nothing else"
    )
    asked = parser.parse_args()
    if asked.cost:
        cost()
        return
    all_runs = {
        verifier: [
            run(asked.runs / f"{verifier}-{seed}", verifier, seed, asked.steps) for seed in range(asked.seeds)
        ]
        for verifier in VERIFIERS
    }
    for verifier, runs in all_runs.items():
        report(verifier, runs)
    if asked.picture:
        draw(all_runs, asked.picture)


if __name__ == "__main__":
    main()
