"""Clip-higher where clipping acts: several updates on the same samples, and right answers that are said seldom."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import JsonValue
from rlvr_trainers.algorithms.grpo import Grpo

from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.table import END, Automaton, Table, recipe
from rlvr_gym.config import merge
from rlvr_gym.seeding import derive_rng

QUESTIONS, TOKENS, STEPS, RATE = 16, 8, 30, 4.0
LIKELY, SELDOM = 0, 1
"""Two right answers of each question."""
BASE: dict[str, JsonValue] = {
    "recipe": "dapo",
    "reward": {"right": 1.0, "wrong": -1.0},
    "overlong": {"penalty_share": None},
    "dynamic_sampling": None,
    "batch": {"prompts": 8, "group_size": 16, "minibatches": 1, "epochs": 8},
}


def measure(settings: Settings, seed: int) -> Figures:
    """Entropy and shares of answers after training, and the share of tokens that the upper bound held back."""
    given: dict[str, Any] = dict(settings)
    task = Automaton(
        next_SV=torch.full((QUESTIONS, TOKENS), END),
        starts_P=torch.arange(QUESTIONS),
        budget=1,
        judge=lambda question, tokens, cut_off: float(tokens[0] in (LIKELY, SELDOM)),
    )
    table = Table(task, beginning(seed), recipe(merge(BASE, given)), seed, RATE)
    random, held = derive_rng("questions", seed), 0.0
    for _ in range(STEPS):
        held += held_back(table, random.sample(range(QUESTIONS), 8)) / STEPS
    p_SV = table.probabilities_SV
    return {
        "entropy": float(-(p_SV * p_SV.clamp(min=1e-30).log()).sum(1).mean()),
        "right": float(p_SV[:, [LIKELY, SELDOM]].sum(1).mean()),
        "seldom answer": float(p_SV[:, SELDOM].mean()),
        "held back": held,
    }


def held_back(table: Table, questions: list[int]) -> float:
    """Take a step; returns the share of its tokens with a gain whose ratio ended above the upper bound."""
    batch = table.learn(table.groups(questions))
    assert batch.old_logprobs_BT is not None
    now, _ = table.logprobs(batch.tokens, table.logits_SV.detach())
    ratio = (now - batch.old_logprobs_BT).exp()
    algorithm = table.config.algorithm
    bound = algorithm.clip_high if isinstance(algorithm, Grpo) else None
    assert bound is not None
    return float(((ratio > 1 + bound) & (batch.advantages_BT > 0)).double().mean())


def beginning(seed: int) -> torch.Tensor:
    """One right answer is said about four times in ten, the other about four times in a hundred."""
    logits = 0.3 * torch.randn(QUESTIONS, TOKENS, generator=torch.Generator().manual_seed(seed))
    logits[:, LIKELY] += 2.0
    logits[:, SELDOM] -= 0.4
    return logits


EXPERIMENT = Experiment(
    name="clip_higher",
    title="Clip-higher",
    setup="A table answers 16 questions with one of eight tokens. Two are right: one is said about four "
    "times in ten at first, the other four times in a hundred. 30 steps of 8 questions x 16 samples, "
    "each with 8 updates on the same samples, so that the clip acts; the upper bound is 0.2 or 0.28. "
    "All figures but the share held back are computed.",
    seeds=tuple(range(10)),
    sides={
        "clip 0.2": {"algorithm": {"clip_high": 0.2}},
        "clip 0.28": {"algorithm": {"clip_high": 0.28}},
    },
    measure=measure,
    claims=(
        Claim(
            says="Clip-higher keeps entropy, for seldom tokens may gain more.",
            stands="DAPO, decoupled clip",
            expectations=(
                Expectation(
                    says="entropy, nats a token, clip 0.28",
                    more=of("clip 0.28", "entropy"),
                    less=of("clip 0.2", "entropy"),
                ),
                Expectation(
                    says="probability of the seldom right answer, clip 0.28",
                    more=of("clip 0.28", "seldom answer"),
                    less=of("clip 0.2", "seldom answer"),
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="The upper bound acts here: that of 0.2 holds back more tokens than that of 0.28.",
            stands="a check of the experiment",
            expectations=(
                Expectation(
                    says="share of tokens held back, clip 0.2",
                    more=of("clip 0.2", "held back"),
                    less=of("clip 0.28", "held back"),
                    shares=True,
                ),
            ),
        ),
    ),
)
