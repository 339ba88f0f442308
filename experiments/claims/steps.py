"""Rewards of single steps: how much sooner they teach, and what they teach where steps are judged badly."""

from __future__ import annotations

from typing import Any

import rlvr_gym as rg
from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.training import held_out, mean, trained, warm_start
from rlvr_gym.config import merge

DIGITS, STEPS = 3, 12
ENV = {"id": "reverse", "digits": DIGITS, "style": "symbols"}
TASK: dict[str, Any] = {"model": {"path": "tiny:0123456789>"}, "env": ENV, "sampling": {"max_tokens": 6}}
WARM = {"steps": 100, "batch_size": 64, "learning_rate": 3e-3, "label_noise": 0.7}
LEARN: dict[str, Any] = {
    "algorithm": {"kl_coefficient": 0.0},
    "optimizer": {"learning_rate": 1e-3},
    "batch": {"prompts": 16, "group_size": 8, "minibatches": 2},
    "eval": {"tasks": 50, "n": 4, "every": 4},
    "run": {"steps": STEPS},
}


class EveryDigit(rg.Verifier):
    """Judges each character as a step: by its place, or (`weak`) by whether it stands in the question at all.

    The answer is right if it is the reverse, whatever the steps; its score is that of its steps where `weak`.
    """

    def __init__(self, *, weak: bool) -> None:
        self.weak = weak

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        """Judge the whole and its steps."""
        gold, said = str(task.reference), completion.text
        rights = [self._step(gold, place, digit) for place, digit in enumerate(said)]
        parts = {}
        for place, right in enumerate(rights):
            verdict = rg.Verdict.right() if right else rg.Verdict.wrong()
            parts[f"step {place + 1}"] = verdict.model_copy(update={"span": (place, place + 1)})
        share = sum(rights) / len(rights) if rights else 0.0
        whole = (
            rg.Verdict.right()
            if said == gold
            else rg.Verdict.wrong(score=min(share, 0.99) if self.weak else 0.0)
        )
        return whole.model_copy(update={"parts": parts})

    def _step(self, gold: str, place: int, digit: str) -> bool:
        return digit in gold if self.weak else place < len(gold) and gold[place] == digit


def measure(settings: Settings, seed: int) -> Figures:
    """Held-out accuracy at the end and over the run, and what the last samples were paid."""
    base = warm_start(merge(TASK, {"warmup": WARM}))
    env = rg.make("reverse", split="train", seed=seed, digits=DIGITS, style="symbols")
    env.verifier = EveryDigit(weak=bool(settings["weak"]))
    exact = rg.make("reverse", split="test", digits=DIGITS, style="symbols")
    more = {"model": {"path": str(base)}, "reward": {"steps": settings["steps"]}}
    rows = trained("grpo", merge(merge(TASK, LEARN), more), seed, env=env, held_out=exact)
    scores = held_out(rows)
    return {
        "accuracy": scores[-1],
        "accuracy before": scores[0],
        "accuracy on the way": sum(scores[1:]) / len(scores[1:]),
        "score of steps": mean(rows, "reward/mean", 5),
    }


EXPERIMENT = Experiment(
    name="steps",
    title="Rewards of steps",
    setup="A transformer whose warm-up was on labels of which 70 % are wrong is to reverse three digits, in "
    "12 steps of 16 prompts x 8 samples. The outcome is all or nothing. Steps are the single digits: "
    "a sound judge wants each in its place, a weak one any that stands in the question. Step rewards "
    "are added to the outcome's advantages, or are alone. Accuracy is on held-out numbers, by the "
    "outcome.",
    seeds=tuple(range(5)),
    sides={
        "outcome": {"weak": False, "steps": "off"},
        "sound steps": {"weak": False, "steps": "added"},
        "weak steps alone": {"weak": True, "steps": "alone"},
    },
    measure=measure,
    claims=(
        Claim(
            says="Rewards of steps speed up learning.",
            stands="PRM: finer credit helps to learn the chain of reasoning",
            expectations=(
                Expectation(
                    says="mean accuracy on the way",
                    more=of("sound steps", "accuracy on the way"),
                    less=of("outcome", "accuracy on the way"),
                    shares=True,
                ),
                Expectation(
                    says="accuracy at the end",
                    more=of("sound steps", "accuracy"),
                    less=of("outcome", "accuracy"),
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="Rewards of steps can be hacked: they are earned, and the answer is wrong.",
            stands="PRM; DeepSeek-R1 on failed attempts, arXiv 2501.12948",
            expectations=(
                Expectation(
                    says="weak steps: share of steps paid, and accuracy",
                    more=of("weak steps alone", "score of steps"),
                    less=of("weak steps alone", "accuracy"),
                    shares=True,
                ),
                Expectation(
                    says="accuracy: outcome alone, and weak steps",
                    more=of("outcome", "accuracy"),
                    less=of("weak steps alone", "accuracy"),
                    shares=True,
                ),
            ),
        ),
    ),
)
