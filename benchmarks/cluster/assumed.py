"""Rates that are assumed, from a card's data sheet, and the tables of docs/scaling.md that follow from them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.quantities import Cluster, Figures, Rates, Work
from cluster.simulation import simulate


@dataclass(frozen=True, kw_only=True)
class Model:
    """Facts about a model that the assumed rates need."""

    name: str
    parameters: float
    kv_bytes: float
    """Bytes of keys and values that a token leaves, in bfloat16."""
    cards: int
    """Cards of one sampler."""
    rows: int
    least_learners: int
    """Cards that weights, gradients and AdamW's states fill (16 bytes a parameter)."""


MODELS = (
    Model(name="7B", parameters=7.6e9, kv_bytes=57_344, cards=1, rows=256, least_learners=2),
    Model(name="32B", parameters=32.8e9, kv_bytes=262_144, cards=2, rows=64, least_learners=8),
)
FLOPS, MEMORY_BYTES, LINK_BYTES = 989e12, 3.35e12, 50e9
"""A second of one H100 SXM by its data sheet, dense bfloat16, and of a link of 400 Gbit/s."""
MEMORY_SHARE, MATRIX_SHARE, LEARNER_SHARE = 0.6, 0.5, 0.4
"""Shares of these that are assumed to be reached: reading memory, decoding, learning."""


def assumed(model: Model, *, verdict_seconds: float, judges: int) -> Rates:
    """Rates of one H100, from its data sheet and the shares above. Nothing of this was measured."""
    flops = 2 * model.parameters
    memory = MEMORY_BYTES * MEMORY_SHARE * model.cards
    return Rates(
        decode_seconds=flops / memory,  # two bytes a parameter, as many as operations
        row_seconds=flops / (FLOPS * MATRIX_SHARE * model.cards),
        context_seconds=model.kv_bytes / memory,
        prompt_seconds=flops / (FLOPS * MATRIX_SHARE * model.cards),
        max_rows=model.rows,
        verdict_seconds=verdict_seconds,
        judges=judges,
        learn_seconds=4 * flops / (FLOPS * LEARNER_SHARE),  # a scoring pass, forward and backward
        reduce_seconds=4 * flops / LINK_BYTES,  # float32, there and back
        sync_seconds=flops / LINK_BYTES,
    )


def reasoning_lengths(*, median: float = 2000, sigma: float = 0.8, most: int = 16_384) -> list[int]:
    """Lengths of completions as reasoning models have them: log-normal, cut at the budget."""
    rng = random.Random(0)
    return [min(most, max(1, round(rng.lognormvariate(math.log(median), sigma)))) for _ in range(20_000)]


def best_split(rates: Rates, work: Work, model: Model, cards: int, staleness: int) -> tuple[Cluster, Figures]:
    """The share of `cards` that learn, of those tried, with which a step is shortest."""
    tried: list[tuple[Cluster, Figures]] = []
    for share in (1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2):
        learners = max(model.least_learners, round(cards * share))
        samplers = (cards - learners) // model.cards
        if samplers >= 1:
            cluster = Cluster(samplers=samplers, learners=learners, staleness=staleness)
            tried.append((cluster, simulate(rates, work, cluster, steps=6, skip=2)))
    return min(tried, key=lambda one: one[1].step_seconds)


AGES = (1, 2, 4)


def tables(cards: Sequence[int]) -> None:
    """Print what a step takes on so many cards: in turn, and apart at several ages of samples."""
    work = Work(prompts=512, group_size=16, prompt_tokens=256, lengths=reasoning_lengths(), updates=16)
    print(
        "| model | cards | in turn: s a step | learning, of that "
        f"| {' | '.join(f'apart, `max_staleness={age}`' for age in AGES)} | samplers + learners at {AGES[-1]} |"
    )
    print(f"| --- | ---: | ---: | ---: | {'---: | ' * len(AGES)}--- |")
    for model, count in itertools.product(MODELS, cards):
        if count < model.least_learners + model.cards:
            continue
        rates = assumed(model, verdict_seconds=0.01, judges=16)
        in_turn = Cluster(samplers=count // model.cards, learners=count)
        turn = simulate(rates, work, in_turn, steps=4, skip=1)
        apart = [best_split(rates, work, model, count, age) for age in AGES]
        cluster, _ = apart[-1]
        print(
            f"| {model.name} | {count:,} | {turn.step_seconds:,.0f} | {turn.learning_share:.0%} "
            f"| {' | '.join(f'{figures.step_seconds:,.0f}' for _, figures in apart)} "
            f"| {cluster.samplers} of {model.cards} + {cluster.learners} |",
            flush=True,
        )
