"""Credit through prefixes that samples share: what outcomes alone give to a step, and what weighting adds."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import torch
from rlvr_trainers.batch import CreditedBatch
from torch import Tensor

from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.table import END, Automaton, Table, recipe
from rlvr_gym.rollouts import Group
from rlvr_gym.seeding import derive_seed

DEPTH, STEPS = 4, 100
RECIPE = {
    "recipe": "dapo",
    "reward": {"right": 1.0, "wrong": 0.0},
    "overlong": {"penalty_share": None},
    "dynamic_sampling": None,
    "algorithm": {"prefix_weighting": True},
    "batch": {"prompts": 1, "group_size": 16, "minibatches": 1},
}


def measure(settings: Settings, seed: int) -> Figures:
    """Figures of the identity, or of learning."""
    return identity(str(settings["identity"]), seed) if "identity" in settings else learning(settings, seed)


def learning(settings: Settings, seed: int) -> Figures:
    """The probability of the best leaf, and the expected score, after so many steps."""
    leaves = scores(str(settings["leaves"]), seed)
    table = tree(leaves, seed, float(str(settings["rate"])))
    for _ in range(STEPS):
        groups = table.groups([0])
        step(table, groups, str(settings["direction"]), str(settings["size"]))
    values, reached = exact(table)
    return {"best leaf": reached[int(np.argmax(leaves))], "expected score": values[0]}


def scores(leaves: str, seed: int) -> np.ndarray:
    """One leaf is worth 1, others up to 0.8; or, as a trap, 0.5 in the other half of the tree and 0 in its own."""
    random = np.random.default_rng(seed)
    best, half = int(random.integers(2**DEPTH)), 2 ** (DEPTH - 1)
    found = 0.8 * random.random(2**DEPTH)
    if leaves == "trap":
        found = np.where(np.arange(2**DEPTH) // half == best // half, 0.0, 0.5)
    found[best] = 1.0
    return found


def tree(leaves: np.ndarray, seed: int, rate: float) -> Table:
    """A policy over a binary tree whose every node has logits of its own."""
    nodes = 2**DEPTH - 1
    below = torch.tensor([[2 * node + 1, 2 * node + 2] for node in range(nodes)])

    def judge(prompt: int, tokens: tuple[int, ...], cut_off: bool) -> float:
        return float(leaves[int("".join(map(str, tokens)), 2)])

    task = Automaton(
        next_SV=torch.where(below < nodes, below, END), starts_P=torch.tensor([0]), budget=DEPTH, judge=judge
    )
    logits = torch.randn(nodes, 2, generator=torch.Generator().manual_seed(seed))
    return Table(task, logits, recipe(RECIPE), seed, rate)


def step(table: Table, groups: list[Group], direction: str, size: str) -> None:
    """One update in the direction of one loss, as long as that of another."""
    credited = table.credited(groups)
    if direction == "exact steps":
        credited = with_exact_advantages(table, credited)
    plain = dataclasses.replace(credited, sharers_BT=None)
    losses = {"weighted": credited, "plain": plain, "exact steps": plain}
    (towards,) = torch.autograd.grad(table.loss(losses[direction]), table.logits_SV)
    (as_long,) = torch.autograd.grad(table.loss(losses[size]), table.logits_SV)
    norm = float(towards.norm())
    table.logits_SV.grad = towards * (float(as_long.norm()) / norm if norm > 0 else 0.0)
    table.optimizer.step()


def exact(table: Table) -> tuple[list[float], list[float]]:
    """The expected score from every node on, and the probability of every leaf."""
    nodes = 2**DEPTH - 1
    probabilities = table.probabilities_SV.tolist()
    values = [0.0] * nodes + [
        table.task.judge(0, path, False) for path in itertools.product((0, 1), repeat=DEPTH)
    ]
    reached = [1.0] + [0.0] * (len(values) - 1)
    for node in range(nodes):
        for token in (0, 1):
            reached[2 * node + 1 + token] = reached[node] * probabilities[node][token]
    for node in reversed(range(nodes)):
        values[node] = sum(probabilities[node][token] * values[2 * node + 1 + token] for token in (0, 1))
    return values, reached[nodes:]


def with_exact_advantages(table: Table, credited: CreditedBatch) -> CreditedBatch:
    """The batch with what each step really gains over the group's standard deviation: credit without noise."""
    values, _ = exact(table)
    spread = float(credited.rewards_B.std()) + 1e-4
    rows = []
    for ids in credited.tokens.input_ids[:, 1:].tolist():
        node, row = 0, []
        for token in ids:
            below = 2 * node + 1 + token
            row.append((values[below] - values[node]) / spread)
            node = below
        rows.append(row)
    return dataclasses.replace(credited, advantages_BT=torch.tensor(rows, dtype=torch.float64))


def identity(aggregation: str, seed: int) -> Figures:
    """The distance of GRPO's gradient from that of a reward for each step, weighted by the samples that share it."""
    ended = torch.tensor([[2 * node + 1, 2 * node + 2, END] for node in range(2 ** (DEPTH + 1))])
    task = Automaton(
        next_SV=ended,
        starts_P=torch.tensor([0]),
        budget=DEPTH + 1,
        judge=lambda p, tokens, cut_off: derive_seed(seed, *tokens) % 97 / 97,
    )
    random = torch.Generator().manual_seed(seed)
    settings = {**RECIPE, "algorithm": {"aggregation": aggregation}}
    table = Table(task, torch.randn(2 ** (DEPTH + 1), 3, generator=random), recipe(settings), seed, rate=1.0)
    credited = table.credited(table.groups([0]))
    (found,) = torch.autograd.grad(table.loss(credited), table.logits_SV)
    (expected,) = torch.autograd.grad(loss_of_steps(table, credited), table.logits_SV)
    return {"distance": float((found - expected).norm() / expected.norm())}


def loss_of_steps(table: Table, credited: CreditedBatch) -> Tensor:
    """Of each step: (mean reward of its samples - mean of the group) / std, as many times as it has samples."""
    tokens, rewards = credited.tokens, credited.rewards_B
    logprobs, _ = table.logprobs(tokens, table.logits_SV)
    members: dict[tuple[int, ...], list[int]] = {}
    for row, length in enumerate((tokens.lengths_B - 1).tolist()):
        ids = tuple(tokens.input_ids[row, 1 : 1 + length].tolist())
        for end in range(1, length + 1):
            members.setdefault(ids[:end], []).append(row)
    spread, total = float(rewards.std()) + 1e-4, torch.zeros((), dtype=torch.float64)
    for node, rows in members.items():
        value = float(rewards[rows].mean() - rewards.mean()) / spread
        total = total - len(rows) * value * logprobs[rows[0], len(node) - 1]
    return total / float(tokens.mask_BT.sum())


WAYS: dict[str, Settings] = {
    "outcomes": {"direction": "plain", "size": "plain"},
    "weighted": {"direction": "weighted", "size": "weighted"},
    "outcomes, as long as weighted": {"direction": "plain", "size": "weighted"},
    "weighted, as long as outcomes": {"direction": "weighted", "size": "plain"},
    "exact": {"direction": "exact steps", "size": "exact steps"},
}


def compared(more: str, less: str, figure: str, margin: float = 0.0) -> tuple[Expectation, ...]:
    """An expectation for each kind of tree."""
    return tuple(
        Expectation(
            says=f"{figure}, {leaves}: {more}",
            more=of(f"{more}; {leaves}", figure),
            less=of(f"{less}; {leaves}", figure),
            margin=margin,
            shares=True,
        )
        for leaves in ("random", "trap")
    )


EXPERIMENT = Experiment(
    name="prefixes",
    title="Credit through shared prefixes",
    setup="A policy walks down a binary tree of four steps to one of 16 leaves. One is worth 1. The others "
    "are worth 0 to 0.8 at random; or they are a trap: 0 in that half of the tree, and 0.5 in the "
    "other. It learns for 100 steps from 16 samples each, by DAPO's loss, one update a step, with the "
    "outcome as the only reward. One side divides each step's weight by the samples that share it "
    "(arXiv 2509.21154). Two controls have the one side's direction and the length of the other's "
    "update. `exact` has what each step really gains, computed from the tree, in place of outcomes. "
    "Two more sides compare gradients on 16 samples of unequal lengths.",
    seeds=tuple(range(8)),
    sides={
        **{
            f"{way}; {leaves}": {**settings, "rate": 2.0, "leaves": leaves}
            for way, settings in WAYS.items()
            for leaves in ("random", "trap")
        },
        "token means": {"identity": "token_mean"},
        "sequence means": {"identity": "sequence_mean"},
    },
    measure=measure,
    claims=(
        Claim(
            says="GRPO gives credit to steps by itself, through the prefixes that its samples share.",
            stands="GRPO: a hidden process reward model; arXiv 2509.21154",
            expectations=(
                Expectation(
                    says="means over tokens: the gradient is that of rewards of steps",
                    more=0.0,
                    less=of("token means", "distance"),
                    margin=1e-9,
                ),
                Expectation(
                    says="means over sequences: the same",
                    more=0.0,
                    less=of("sequence means", "distance"),
                    margin=1e-9,
                ),
                *compared("outcomes", "exact", "expected score", margin=0.05),
            ),
            remark="As an identity it holds for means over tokens, and one update a step.",
        ),
        Claim(
            says="Weighting a step once, however many samples share it, learns more.",
            stands="arXiv 2509.21154: lambda-GRPO",
            expectations=(
                *compared("weighted", "outcomes", "best leaf"),
                *compared("weighted", "outcomes", "expected score"),
            ),
        ),
        Claim(
            says="What the weighting brings is its direction, not the size of its updates.",
            stands="a control for arXiv 2509.21154",
            expectations=(
                *compared("weighted", "outcomes, as long as weighted", "best leaf"),
                *compared("weighted, as long as outcomes", "outcomes", "best leaf"),
            ),
        ),
    ),
)
