"""DAPO's five parts, each alone on top of GRPO and each left out of the whole, on a table that rambles."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.table import END, Automaton, Table, recipe
from rlvr_gym.config import merge
from rlvr_gym.rollouts import Group
from rlvr_gym.seeding import derive_rng, derive_seed

PROMPTS, ANSWERS, BUDGET = 24, 4, 16
JUNK, STOP = ANSWERS, ANSWERS + 1
ANSWERED, RAMBLING = PROMPTS, PROMPTS + 1
SAMPLES, UPDATES = 2560, 60
BASE = {
    "recipe": "dapo",
    "reward": {"right": 1.0, "wrong": -1.0},
    "sampling": {"max_tokens": BUDGET},
    "batch": {"prompts": 8, "group_size": 8, "minibatches": 4},
}


def measure(settings: Settings, seed: int) -> Figures:
    """Figures after so many samples, some of them after so many updates, and means over the run."""
    given = dict(settings)
    rate = float(str(given.pop("rate")))
    config = recipe(merge(BASE, given))
    table = Table(rambler(seed), beginning(seed), config, seed, rate)
    random = derive_rng("prompts", seed)
    seen: list[State] = []
    after_updates: State | None = None
    while True:
        groups = step(table, random, dynamic=config.dynamic_sampling is not None)
        if table.samples > SAMPLES:
            break
        table.learn(groups)
        seen.append(State.of(table, seed))
        if after_updates is None and table.updates >= UPDATES:
            after_updates = seen[-1]
    last = seen[-1]
    return {
        "right": last.right,
        "right after 60 updates": (after_updates or last).right,
        "entropy": last.entropy,
        "length of wrong answers": sum(one.wrong_length for one in seen) / len(seen),
        "cut off": sum(one.cut_off for one in seen) / len(seen),
        "updates": float(table.updates),
    }


def step(table: Table, random: Random, *, dynamic: bool) -> list[Group]:
    """The groups of a step; with dynamic sampling only those that teach, from new prompts until there are enough."""
    wanted, kept = table.config.batch.prompts, list[Group]()
    if not dynamic:
        return table.groups(random.sample(range(PROMPTS), wanted))
    while len(kept) < wanted and table.samples <= SAMPLES:
        groups = table.groups(random.sample(range(PROMPTS), wanted))
        kept += [group for group in groups if table.algorithm.teaches(group)]
    return kept[:wanted]


def rambler(seed: int) -> Automaton:
    """A question has one right answer of four; then, or instead of an answer, junk may follow until a stop."""
    next_SV = torch.full((PROMPTS + 2, STOP + 1), RAMBLING)
    next_SV[:PROMPTS, :ANSWERS] = ANSWERED
    next_SV[:, STOP] = END

    def judge(prompt: int, tokens: tuple[int, ...], cut_off: bool) -> float:
        return float(tokens[0] == answer(seed, prompt) and not cut_off)

    return Automaton(next_SV=next_SV, starts_P=torch.arange(PROMPTS), budget=BUDGET, judge=judge)


def answer(seed: int, prompt: int) -> int:
    """The right answer to a question."""
    return derive_seed("answer", seed, prompt) % ANSWERS


def beginning(seed: int) -> Tensor:
    """A policy that knows little, and that seldom stops once it rambles."""
    logits = torch.randn(PROMPTS + 2, STOP + 1, generator=torch.Generator().manual_seed(seed))
    logits[:PROMPTS, JUNK] = 1.0
    logits[:PROMPTS, STOP] = -2.0
    logits[ANSWERED] = torch.tensor([-1.0] * ANSWERS + [1.0, 1.5])
    logits[RAMBLING] = torch.tensor([-1.0] * ANSWERS + [2.2, 0.0])
    return logits


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The policy, computed and not sampled: means over all questions."""

    right: float
    entropy: float
    wrong_length: float
    cut_off: float

    @classmethod
    def of(cls, table: Table, seed: int) -> State:
        """Of the policy as it is."""
        p_SV = table.probabilities_SV
        answered, rambling = _tail(p_SV, ANSWERED), _tail(p_SV, RAMBLING)
        start_PV = p_SV[:PROMPTS]
        right_P = start_PV[range(PROMPTS), [answer(seed, prompt) for prompt in range(PROMPTS)]]
        wrong_P = start_PV[:, :ANSWERS].sum(1) - right_P
        junk_P, stop_P = start_PV[:, JUNK], start_PV[:, STOP]
        lengths = wrong_P * (1 + answered[0]) + junk_P * (1 + rambling[0]) + stop_P
        return cls(
            right=float((right_P * (1 - answered[1])).mean()),
            entropy=float(-(start_PV * start_PV.log()).sum(1).mean()),
            wrong_length=float(lengths.sum() / (wrong_P + junk_P + stop_P).sum()),
            cut_off=float(((right_P + wrong_P) * answered[1] + junk_P * rambling[1]).mean()),
        )


def _tail(p_SV: Tensor, state: int) -> tuple[float, float]:
    """The expected number of tokens after the first, and the probability that they are cut off."""
    length, going, place = 0.0, 1.0, state
    for _ in range(BUDGET - 1):
        length += going
        going *= 1 - float(p_SV[place, STOP])
        place = RAMBLING
    return length, going


OFF: dict[str, Settings] = {
    "clip-higher": {"algorithm": {"clip_high": 0.2}},
    "token mean": {"algorithm": {"aggregation": "sequence_mean"}},
    "soft overlong": {"overlong": {"penalty_share": None}},
    "overlong filter": {"overlong": {"filter": False}},
    "dynamic sampling": {"dynamic_sampling": None},
}
ON: dict[str, Settings] = {
    "clip-higher": {"algorithm": {"clip_high": 0.28}},
    "token mean": {"algorithm": {"aggregation": "token_mean"}},
    "soft overlong": {"overlong": {"penalty_share": 0.25}},
    "overlong filter": {"overlong": {"filter": True}},
    "dynamic sampling": {"dynamic_sampling": {"max_rounds": 10}},
}


def side(*parts: str) -> Settings:
    """GRPO with these parts of DAPO."""
    settings: Settings = {"rate": 10.0}
    for part in OFF:
        settings = merge(dict(settings), dict((ON if part in parts else OFF)[part]))
    return settings


def helps(part: str) -> tuple[Expectation, Expectation]:
    """A part alone, and among the others, after as many samples."""
    return (
        Expectation(
            says=f"right: {part} alone", more=of(part, "right"), less=of("GRPO", "right"), shares=True
        ),
        Expectation(
            says=f"right: all five with {part}",
            more=of("DAPO", "right"),
            less=of(f"without {part}", "right"),
            shares=True,
        ),
    )


EXPERIMENT = Experiment(
    name="dapo",
    title="DAPO, part by part",
    setup="A table answers 24 questions with one right answer of four each. After an answer, or in place of "
    "one, it may go on with junk until it stops, at most 16 tokens; how it rambles is the same for "
    "all questions. Each side draws 2,560 samples (8 questions x 8 a step, 4 updates a step): GRPO "
    "(clip 0.2, means over sequences), GRPO with one part of DAPO, all five, and all but one. Shares "
    "of right answers, entropies, lengths and cut-off shares are computed from the table; lengths and "
    "cut-off shares are means over the run.",
    seeds=tuple(range(10)),
    sides={
        "GRPO": side(),
        **{part: side(part) for part in OFF},
        "DAPO": side(*OFF),
        **{f"without {part}": side(*(other for other in OFF if other != part)) for part in OFF},
    },
    measure=measure,
    claims=(
        Claim(
            says="Each of DAPO's five parts helps, alone and together.",
            stands="DAPO; arXiv 2503.14476, table 1 (single runs)",
            expectations=(
                Expectation(
                    says="right: all five together",
                    more=of("DAPO", "right"),
                    less=of("GRPO", "right"),
                    shares=True,
                ),
                *(expectation for part in OFF for expectation in helps(part)),
            ),
            remark="After as many samples. Of prompts that a table can learn by heart, most groups soon "
            "teach nothing, and what dynamic sampling throws away was paid for.",
        ),
        Claim(
            says="Means over tokens shorten long wrong answers.",
            stands="DAPO, token-level loss",
            expectations=(
                Expectation(
                    says="length of wrong answers, means over sequences",
                    more=of("GRPO", "length of wrong answers"),
                    less=of("token mean", "length of wrong answers"),
                ),
                Expectation(
                    says="the same, among the other parts",
                    more=of("without token mean", "length of wrong answers"),
                    less=of("DAPO", "length of wrong answers"),
                ),
            ),
        ),
        Claim(
            says="A soft punishment of overlong answers lowers the share that is cut off.",
            stands="DAPO, overlong reward shaping",
            expectations=(
                Expectation(
                    says="cut off, without it",
                    more=of("GRPO", "cut off"),
                    less=of("soft overlong", "cut off"),
                    shares=True,
                ),
                Expectation(
                    says="the same, among the other parts",
                    more=of("without soft overlong", "cut off"),
                    less=of("DAPO", "cut off"),
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="Dynamic sampling makes training much more efficient.",
            stands="DAPO, dynamic sampling",
            expectations=(
                Expectation(
                    says="right after 60 updates",
                    more=of("dynamic sampling", "right after 60 updates"),
                    less=of("GRPO", "right after 60 updates"),
                    shares=True,
                ),
                Expectation(
                    says="right after 2,560 samples",
                    more=of("dynamic sampling", "right"),
                    less=of("GRPO", "right"),
                    shares=True,
                ),
            ),
            remark="It saves updates; samples are another matter.",
        ),
    ),
)
