"""pass@1 against pass@k, where all questions share what a policy can do: a table of strategies, all computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from pydantic import JsonValue
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.models import Role
from torch import Tensor

from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.table import END, Automaton, Table, recipe
from rlvr_gym.config import merge
from rlvr_gym.rollouts import Group
from rlvr_gym.seeding import derive_rng, derive_seed

QUESTIONS, STRATEGIES = 64, 8
COMMONEST = 0.6
"""The share of questions that strategy 0 answers; each of the others answers a like part of the rest."""
LARGEST = 256
BASE: dict[str, JsonValue] = {"recipe": "dapo", "batch": {"prompts": 16, "group_size": 8, "minibatches": 1}}
GRPO: dict[str, JsonValue] = {
    "reward": {"right": 1.0, "wrong": 0.0},
    "overlong": {"penalty_share": None},
    "dynamic_sampling": None,
    "algorithm": {"clip_high": 0.2},
}


def measure(settings: Settings, seed: int) -> Figures:
    """pass@k after so many steps, and up to which k the policy is ahead of the one it began as."""
    given = dict(settings)
    steps = int(str(given.pop("steps")))
    if given.get("recipe") != "distill":
        given = merge(GRPO, given)
    needed = [strategy(seed, question) for question in range(QUESTIONS)]
    task = Automaton(
        next_SV=torch.full((1, STRATEGIES), END),
        starts_P=torch.zeros(QUESTIONS, dtype=torch.long),
        budget=1,
        judge=lambda question, tokens, cut_off: float(tokens[0] == needed[question]),
    )
    table = Table(task, torch.zeros(1, STRATEGIES), recipe(merge(BASE, given)), seed, rate=1.0)
    before = solved(table, needed)
    random = derive_rng("questions", seed)
    for _ in range(steps):
        groups = table.groups(random.sample(range(QUESTIONS), table.config.batch.prompts))
        if table.config.algorithm.kind == "distill":
            imitate(table, groups, needed)
        else:
            table.learn(groups)
    after = solved(table, needed)
    p_V = table.probabilities_SV[0]
    ahead = next((k for k in range(1, LARGEST) if after(k) < before(k)), LARGEST)
    return {
        **{f"pass@{k}": after(k) for k in (1, 4, 16, 64, LARGEST)},
        "entropy": float(-(p_V * p_V.clamp(min=1e-30).log()).sum()),
        "doublings until base is ahead": math.log2(ahead),
    }


def imitate(table: Table, groups: Sequence[Group], needed: Sequence[int]) -> None:
    """One update towards a teacher that says each strategy as often as questions need it, on the student's samples."""
    shares_V = torch.bincount(torch.tensor(needed), minlength=STRATEGIES).double() + 0.5
    teacher_SV = (shares_V / shares_V.sum()).log()[None]

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        return table.logprobs(tokens, teacher_SV if role is Role.TEACHER else table.logits_SV.detach())

    rollouts = [rollout for group in groups for rollout in group]
    tokens = table.algorithm.tokens(rollouts, [number for number, group in enumerate(groups) for _ in group])
    credited = table.algorithm.credit(rollouts, table.algorithm.score(tokens, scorer))
    table.optimizer.zero_grad()
    table.loss(credited).backward()
    table.optimizer.step()


def strategy(seed: int, question: int) -> int:
    """The one strategy that answers a question."""
    drawn = derive_seed("strategy", seed, question) / 2**63
    if drawn < COMMONEST:
        return 0
    return 1 + int((drawn - COMMONEST) / (1 - COMMONEST) * (STRATEGIES - 1))


def solved(table: Table, needed: Sequence[int]) -> Callable[[int], float]:
    """pass@k of the policy as it is, as a function of k."""
    p_P = table.probabilities_SV[0][list(needed)]
    return lambda k: float((1 - (1 - p_P) ** k).mean())


def moves(side: str, name: str) -> Expectation:
    """A setting that lets the base be ahead only later."""
    return Expectation(
        says=f"doublings of k until the base is ahead, {name}",
        more=of(side, "doublings until base is ahead"),
        less=of("GRPO", "doublings until base is ahead"),
    )


EXPERIMENT = Experiment(
    name="crossing",
    title="pass@1 and pass@k, with shared strategies",
    setup="A policy chooses one of eight strategies without a look at the question, as parameters are "
    "shared by all questions. Each of 64 questions is answered by one strategy, about 60 % of them by "
    "the same. All strategies are equally likely before; each side takes 100 steps of 16 questions x "
    "8 samples, without KL, with KL to the base (k3 in the loss, 0.3), with an entropy bonus (0.2) "
    "or with credit for the best of four samples. "
    "Distillation samples as much, and is drawn to a teacher. pass@k is computed from the table.",
    seeds=tuple(range(6)),
    sides={
        "base": {"steps": 0},
        "GRPO": {"steps": 100},
        "KL": {"steps": 100, "algorithm": {"kl_coefficient": 0.3}},
        "distillation": {
            "steps": 100,
            "recipe": "distill",
            "algorithm": {"teacher": "a table", "vocabulary": "sampled"},
        },
        "entropy bonus": {"steps": 100, "algorithm": {"entropy_coefficient": 0.2}},
        "pass@4": {"steps": 100, "algorithm": {"advantage": "max_at_k", "at_k": 4}},
    },
    measure=measure,
    claims=(
        Claim(
            says="RL raises pass@1 and lowers pass@k for large k.",
            stands="RLVR; arXiv 2504.13837",
            expectations=(
                Expectation(says="pass@1", more=of("GRPO", "pass@1"), less=of("base", "pass@1"), shares=True),
                Expectation(
                    says="pass@256 of the base",
                    more=of("base", "pass@256"),
                    less=of("GRPO", "pass@256"),
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="Training too long collapses diversity.",
            stands="RLVR",
            expectations=(
                Expectation(
                    says="entropy of the base", more=of("base", "entropy"), less=of("GRPO", "entropy")
                ),
                Expectation(
                    says="pass@64 of the base",
                    more=of("base", "pass@64"),
                    less=of("GRPO", "pass@64"),
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="Distillation raises pass@1, and does not lower pass@k.",
            stands="arXiv 2504.13837: distillation expands what can be solved",
            expectations=(
                Expectation(
                    says="pass@1", more=of("distillation", "pass@1"), less=of("base", "pass@1"), shares=True
                ),
                Expectation(
                    says="pass@256",
                    more=of("distillation", "pass@256"),
                    less=of("base", "pass@256"),
                    margin=0.01,
                    shares=True,
                ),
            ),
            remark="Its teacher says every strategy as often as questions need it; it could not know which "
            "question needs which.",
        ),
        Claim(
            says="A KL to the base and an entropy bonus move the crossing to larger k.",
            stands="arXiv 2504.13837, remedies",
            expectations=(
                moves("KL", "KL"),
                moves("entropy bonus", "entropy bonus"),
                Expectation(
                    says="pass@256, KL", more=of("KL", "pass@256"), less=of("GRPO", "pass@256"), shares=True
                ),
                Expectation(
                    says="pass@256, entropy bonus",
                    more=of("entropy bonus", "pass@256"),
                    less=of("GRPO", "pass@256"),
                    shares=True,
                ),
                Expectation(
                    says="pass@1 is kept, KL",
                    more=of("KL", "pass@1"),
                    less=of("GRPO", "pass@1"),
                    margin=0.05,
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="Credit for the best of k samples raises pass@k, and keeps what is solved at large k.",
            stands="arXiv 2505.15201",
            expectations=(
                Expectation(
                    says="pass@4", more=of("pass@4", "pass@4"), less=of("GRPO", "pass@4"), shares=True
                ),
                Expectation(
                    says="pass@256",
                    more=of("pass@4", "pass@256"),
                    less=of("base", "pass@256"),
                    margin=0.01,
                    shares=True,
                ),
                moves("pass@4", "best of four"),
                Expectation(
                    says="pass@1 of GRPO", more=of("GRPO", "pass@1"), less=of("pass@4", "pass@1"), shares=True
                ),
            ),
            remark="What it costs is pass@1. Six seeds that agree on pass@256 to four digits do not narrow an "
            "interval of shares enough to decide a margin of 0.01.",
        ),
    ),
)
