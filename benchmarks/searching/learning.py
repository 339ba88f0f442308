"""Learning to search: a model of 100,000 parameters, half of whose warm-up guesses, and three seeds of RL on `lookup`.

    python benchmarks/searching/learning.py --runs runs/lookup --picture docs/lookup.png

Each seed is warmed up by SFT on conversations of which one half looks its key up and says what it was told, and the
other half guesses at once. GRPO then pays for right values alone. Controls: the same RL where notes are blank; and the
trained model on notes whose values are permuted. Runs that the folder holds already are read. Prints, for each seed,
the share of episodes that search and the reward, before and after, on held-out tasks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlvr_trainers
from rlvr_envs.search.lookup import permuted

import rlvr_gym as rg
from rlvr_gym.evaluation.statistics.intervals import wilson
from rlvr_gym.files import read_lines
from rlvr_gym.seeding import derive_rng

MODEL = "tiny:0123456789kx?=:>"
VALUES = 10
CHANCE = 1 / VALUES


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of a run."""

    hops: int = 1
    demonstrations: int = 4096
    epochs: int = 2
    steps: int = 20
    prompts: int = 32
    group_size: int = 8
    held_out: int = 500


@dataclass(frozen=True, kw_only=True)
class Found:
    """Shares of episodes: right, searching, and saying the value that the notes said, whatever they said."""

    episodes: int
    right: float
    searching: float
    repeating: float


def environment(plan: Plan, split: str, results: str = "told") -> rg.Environment:
    """The task in one line of symbols, as the tiny model reads it."""
    return rg.make("lookup", style="symbols", hops=plan.hops, values=VALUES, split=split, results=results)


def conversation(task: rg.Task, *, guess: str | None) -> list[dict[str, str]]:
    """An episode that says `guess` at once or, without one, looks up note after note and says the value."""
    notes, key = task.metadata["notes"], str(task.metadata["asked"])
    assert isinstance(notes, dict)
    messages = [{"role": "user", "content": task.text}]
    while guess is None and key.startswith("k"):
        messages += [
            {"role": "assistant", "content": f"?{key}"},
            {"role": "user", "content": f"{key}:{notes[key]}>"},
        ]
        key = str(notes[key])
    return [*messages, {"role": "assistant", "content": guess or f"={key}"}]


def write_demonstrations(path: Path, plan: Plan, seed: int) -> None:
    """Write the warm-up's conversations, every second of which guesses."""
    rng = derive_rng("guesses", seed)
    tasks = environment(plan, "train").tasks.take(plan.demonstrations)
    guesses = [f"=x{rng.randrange(VALUES)}" if place % 2 else None for place in range(len(tasks))]
    rows = [{"messages": conversation(task, guess=guess)} for task, guess in zip(tasks, guesses, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def warm_up(folder: Path, plan: Plan, seed: int) -> Path:
    """The model that was shown to search and to guess, trained now unless it is there."""
    run = folder / f"warm-{seed}"
    if not (run / "model").exists():
        write_demonstrations(folder / f"shown-{seed}.jsonl", plan, seed)
        rlvr_trainers.train(
            model=MODEL,
            algorithm="sft",
            progress=False,
            data={"path": str(folder / f"shown-{seed}.jsonl"), "epochs": plan.epochs},
            run={"dir": run, "seed": seed, "checkpoint_every": 10_000},
            batch={"prompts": 64},
            sampling={"max_tokens": 8},
            optimizer={"learning_rate": 3e-3},
            eval=None,
        )
    return run / "model"


def learn(folder: Path, plan: Plan, seed: int, results: str = "told") -> Path:
    """The run that goes on from the warm-up with a reward for right values, trained now unless it is there."""
    run = folder / f"{results}-{seed}"
    if not (run / "model").exists():
        rlvr_trainers.train(
            model=warm_up(folder, plan, seed),
            env={"id": "lookup", "style": "symbols", "hops": plan.hops, "values": VALUES, "results": results},
            algorithm="dr_grpo",
            progress=False,
            run={
                "dir": run,
                "seed": seed,
                "steps": plan.steps,
                "checkpoint_every": 10_000,
                "samples_per_step": plan.prompts * plan.group_size,
            },
            batch={"prompts": plan.prompts, "group_size": plan.group_size},
            sampling={"max_tokens": 8},
            optimizer={"learning_rate": 1e-3},
            eval=None,
        )
    return run


def curve(run: Path) -> tuple[list[float], list[float]]:
    """Of each step: the share of episodes that search, and the mean reward."""
    steps: dict[int, list[dict[str, Any]]] = {}
    for row in read_lines(run / "samples.jsonl"):
        steps.setdefault(row["step"], []).append(row)
    searching = [_mean([_searches(row["messages"]) for row in rows]) for _, rows in sorted(steps.items())]
    return searching, [_mean([row["reward"] for row in rows]) for _, rows in sorted(steps.items())]


def _searches(messages: Sequence[dict[str, Any]]) -> bool:
    return any(message["role"] == "user" for message in messages)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def held_out(model: Path, plan: Plan, results: str = "told") -> Found:
    """Play held-out tasks, one episode each."""
    env = environment(plan, "test", results)
    tasks = env.tasks.take(plan.held_out)
    generator = rg.TransformersGenerator(*rg.load_model(str(model)))
    groups = rg.rollout(env, generator, tasks, rg.SamplingParams(max_tokens=8), group_size=1, seed=0)
    rollouts = [group[0] for group in groups]
    said = [(rollout.messages[-1].content, str(rollout.task.reference)) for rollout in rollouts]
    return Found(
        episodes=len(rollouts),
        right=_mean([rollout.verdict.correct for rollout in rollouts]),
        searching=_mean([len(rollout.messages) > 1 for rollout in rollouts]),
        repeating=_mean([answer == f"={_shown(right, results)}" for answer, right in said]),
    )


def _shown(reference: str, results: str) -> str:
    value = reference.removeprefix("=")
    return permuted(value, VALUES) if results == "permuted" else value


def report(folder: Path, plan: Plan, seed: int) -> None:
    """Print the held-out figures of one seed."""
    warm, told, blank = (
        warm_up(folder, plan, seed), learn(folder, plan, seed) / "model", learn(folder, plan, seed, "blank") / "model"
    )  # fmt: skip
    for name, model, results in (
        ("warm-up", warm, "told"),
        ("after RL", told, "told"),
        ("after RL, values permuted", told, "permuted"),
        ("after RL, notes blank", told, "blank"),
        ("after RL on blank notes", blank, "blank"),
    ):
        found = held_out(model, plan, results)
        right = wilson(found.right * found.episodes, found.episodes)
        print(
            f"| {seed} | {name} | {found.searching:.3f} | {found.right:.3f} [{right.low:.3f}, {right.high:.3f}] "
            f"| {found.repeating:.3f} |",
            flush=True,
        )


def draw(folder: Path, plan: Plan, seeds: int, out: Path) -> None:
    """Draw the share of episodes that search, and the reward, step by step; told and blank."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for results, colour, label in (("told", "C0", "notes are told"), ("blank", "C1", "notes are blank")):
        for seed in range(seeds):
            curves = curve(learn(folder, plan, seed, results))
            for panel, values in zip(panels, curves, strict=True):
                panel.plot(
                    range(1, len(values) + 1), values, color=colour, label=label if seed == 0 else None
                )
    panels[1].axhline(CHANCE, color="grey", linestyle=":", label="chance, by guessing")
    for panel, title in zip(panels, ("episodes that search", "mean reward"), strict=True):
        panel.set(title=title, xlabel="step", ylim=(0, 1.03))
        panel.spines[["top", "right"]].set_visible(False)
    panels[1].legend(fontsize=8, frameon=False, loc="center right")
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
    print(f"wrote {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/lookup"), help="where runs are kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hops", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="draw the curves into this file")
    asked = parser.parse_args()
    plan = Plan(hops=asked.hops)
    print("| seed | model | searching | right, with its 95 % interval | says what the notes say |")
    print("| --- | --- | --- | --- | --- |")
    for seed in range(asked.seeds):
        report(asked.runs, plan, seed)
    if asked.picture:
        draw(asked.runs, plan, asked.seeds, asked.picture)


if __name__ == "__main__":
    main()
