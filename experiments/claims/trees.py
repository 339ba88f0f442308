"""Tree rollouts against chains, at as many sampled tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

import rlvr_gym as rg
from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.training import Rows, mean, trained
from rlvr_gym.config import merge

TURNS, TOKENS = 3, 12_000
LEARN: dict[str, Any] = {
    "model": {"path": "tiny:0123456789>"},
    "env": {"id": "guess"},
    "sampling": {"max_tokens": 1},
    "eval": None,
    "optimizer": {"learning_rate": 2e-3, "warmup_steps": 0},
    "batch": {"prompts": 16},
}
ALGORITHM: dict[str, JsonValue] = {"kl_coefficient": 0.0}


class Spell(rg.Environment):
    """The policy says one digit of the prompt a turn, in order; what each right one pays is told at the end."""

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response:
        """Ask for the next digit."""
        right = replies[-1].text == str(task.reference)[len(replies) - 1]
        return rg.Response(messages=(rg.Message(role="user", content=">"),), reward=right / TURNS)


def spell() -> rg.Environment:
    """Three digits, said in three turns."""
    tasks = [rg.Task(id=f"{n:03}", prompt=f"{n:03}>", reference=f"{n:03}") for n in range(0, 1000, 3)]
    judge = rg.FunctionVerifier(lambda task, completion: rg.Verdict.wrong())
    return Spell(rg.TaskSet.from_tasks(tasks, name="spell"), judge, max_turns=TURNS)


def measure(settings: Settings, seed: int) -> Figures:
    """The mean reward when so many tokens have been sampled, and over the whole way there."""
    given = dict(settings)
    rows = trained(str(given.pop("recipe")), merge(LEARN, given), seed, env=spell())
    steps = [row for row in within(rows, "tokens/sampled", TOKENS) if row["step"]]
    return {
        "reward at the end": mean(steps, "reward/mean", 5),
        "reward on the way": mean(steps, "reward/mean", len(steps)),
        "steps": float(len(steps)),
        "shared": steps[0].get("tree/shared_share", 0.0),
    }


def within(rows: Rows, figure: str, budget: float) -> Rows:
    """The steps until `figure` has come to `budget` in all. Raises ValueError where all steps together stay below."""
    spent, steps = 0.0, Rows()
    for row in rows:
        spent += row[figure] if row["step"] else 0.0
        if spent > budget:
            return steps
        steps.append(row)
    raise ValueError(f"{len(steps)} rows come to {spent:.0f} of {figure}, not more than {budget:.0f}")


def learns_more(than: str) -> tuple[Expectation, Expectation]:
    """Trees end higher, and are higher on the way."""
    return (
        Expectation(
            says=f"reward after 12,000 tokens, trees over {than}",
            more=of("trees", "reward at the end"),
            less=of(than, "reward at the end"),
            shares=True,
        ),
        Expectation(
            says=f"mean reward on the way there, trees over {than}",
            more=of("trees", "reward on the way"),
            less=of(than, "reward on the way"),
            shares=True,
        ),
    )


EXPERIMENT = Experiment(
    name="trees",
    title="Tree rollouts",
    setup="A transformer from random weights spells three digits in three turns, each of which pays a third "
    "if it is right; the policy is credited with the sum. Each side samples 12,000 tokens, counted "
    "once where leaves of a tree share them. Chains: GRPO, 16 prompts x 6 samples a step. Trees: Tree-GRPO, "
    "16 prompts, 2 trees of 3 leaves each that fork before a turn, with advantages within a tree and over all "
    "leaves. A step of trees costs fewer tokens, so they take more updates; short steps are chains of 12 prompts "
    "x 6 samples, which take about as many.",
    seeds=tuple(range(5)),
    sides={
        "chains": {
            "recipe": "grpo",
            "algorithm": ALGORITHM,
            "batch": {"group_size": 6},
            "run": {"steps": 46},
        },
        "chains, short steps": {
            "recipe": "grpo",
            "algorithm": ALGORITHM,
            "batch": {"prompts": 12, "group_size": 6},
            "run": {"steps": 62},
        },
        "trees": {"recipe": "tree_grpo", "algorithm": ALGORITHM, "run": {"steps": 62}},
    },
    measure=measure,
    claims=(
        Claim(
            says="Trees have more leaves for as many tokens.",
            stands="Tree-GRPO; arXiv 2509.21240",
            expectations=(
                Expectation(
                    says="steps of 96 leaves for 12,000 tokens",
                    more=of("trees", "steps"),
                    less=of("chains", "steps"),
                ),
            ),
        ),
        Claim(
            says="Trees learn more from as many tokens.",
            stands="Tree-GRPO; arXiv 2509.21240",
            expectations=learns_more("chains"),
        ),
        Claim(
            says="They learn more than chains that take as many updates.",
            stands="a control for arXiv 2509.21240",
            expectations=learns_more("chains, short steps"),
        ),
    ),
)
