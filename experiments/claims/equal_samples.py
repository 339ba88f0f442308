"""GRPO, PPO, rejection sampling, DPO and online DPO from one warm start, after as many samples."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from rlvr_trainers.learner.models import Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.training import Rows, held_out, mean, trained, warm_start
from rlvr_gym.config import merge
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.transformers import TransformersGenerator

SAMPLES, STORED_PROMPTS = 1536, 64
TASK: dict[str, Any] = {
    "model": {"path": "tiny:0123456789>"},
    "env": {"id": "reverse", "digits": 2, "style": "symbols"},
    "sampling": {"max_tokens": 4},
}
WARM = {"steps": 100, "batch_size": 64, "learning_rate": 3e-3, "label_noise": 0.6}
LEARN: dict[str, Any] = {
    "optimizer": {"learning_rate": 1e-3, "warmup_steps": 0},
    "eval": {"tasks": 20, "n": 16, "temperature": 1.0, "every": 100_000},
}
HELD_OUT = {"env": {"id": "reverse", "digits": 2, "style": "symbols", "split": "test"}}


def measure(settings: Settings, seed: int) -> Figures:
    """Held-out pass@1 before and after, what the models take in memory, and figures of the one or other algorithm."""
    given: dict[str, Any] = dict(settings)
    recipe, from_stored = str(given.pop("recipe")), bool(given.pop("stored", False))
    base, held = warm_start(merge(TASK, {"warmup": WARM})), [0.0]
    start = merge(merge(TASK, LEARN), {"model": {"path": str(base)}})

    def weigh(trainer: Trainer) -> None:
        held[0] = bytes_held(trainer) / sum(w.numel() for w in trainer.models.policy.model.parameters())

    with tempfile.TemporaryDirectory() as folder:
        if from_stored:
            store(base, seed, Path(folder))
            del start["env"]
            start = merge(start, {"data": {"runs": [folder]}, "eval": HELD_OUT})
        rows = trained(recipe, merge(start, given), seed, look=weigh)
    scores = held_out(rows)
    return {
        "pass@1": scores[-1],
        "pass@1 before": scores[0],
        "bytes a parameter": held[0],
        **special(rows),
    }


def store(base: Path, seed: int, folder: Path) -> None:
    """Sample as much from the model that all sides begin with, for an algorithm that samples nothing."""
    env = rg.make("reverse", digits=2, style="symbols", split="train", seed=seed)
    generator = TransformersGenerator(*load_model(base, "float32"))
    sampling = rg.SamplingParams(temperature=1.0, max_tokens=4)
    n = SAMPLES // STORED_PROMPTS
    evaluate(env, generator, n=n, sampling=sampling, limit=STORED_PROMPTS, seed=seed, run_dir=folder)


def special(rows: Rows) -> Figures:
    """Figures that only some algorithms log: of preferences, and of the critic."""
    if "preference/chosen" in rows[-1]:
        return {"log-ratio of the preferred": mean(rows, "preference/chosen", 5)}
    if any("critic/explained_variance" in row for row in rows):
        return {
            "steps to half of the policy's way": halfway(rows, "reward/mean"),
            "steps to half of the critic's way": halfway(rows, "critic/explained_variance"),
        }
    return {}


def halfway(rows: Rows, name: str, window: int = 5) -> float:
    """The step at which the running mean of a figure first passed the middle of its first and its best value."""
    logged = [(row["step"], row[name]) for row in rows if row["step"] and name in row]
    ends = range(window, len(logged) + 1)
    means = [
        (logged[end - 1][0], sum(value for _, value in logged[end - window : end]) / window) for end in ends
    ]
    middle = (means[0][1] + max(value for _, value in means)) / 2
    return float(next(step for step, value in means if value >= middle))


def bytes_held(trainer: Trainer) -> int:
    """Bytes of weights, gradients and optimizer states of all models of a run."""
    models = trainer.models
    of_models = list(models.policy.model.parameters())
    if trainer.algorithm.needs_reference:
        reference = models.of(Role.REFERENCE)
        assert isinstance(reference, Policy)
        of_models += reference.model.parameters()
    critic = list(models.critic.parameters) if models.critic is not None else []
    learners = [one for one in (trainer.stage.learner, trainer.stage.critic) if one is not None]
    states: list[torch.Tensor] = [
        tensor
        for learner in learners
        for state in learner.tensors()["optimizer"]["state"].values()
        for tensor in state.values()
        if tensor.numel() > 1
    ]
    learned = [w for w in (*of_models, *critic) if w.requires_grad]
    return sum(t.numel() * t.element_size() for t in (*of_models, *critic, *learned, *states))


PLAIN = {"kl_coefficient": 0.0, "aggregation": "token_mean"}
STORED: dict[str, Any] = {
    "recipe": "dpo",
    "stored": True,
    "algorithm": {"pairs": 12},
    "batch": {"prompts": 16, "minibatches": 4},
}

EXPERIMENT = Experiment(
    name="equal_samples",
    title="Algorithms at equal samples",
    setup="A transformer of 120,000 parameters is to reverse two digits; a warm-up on labels of which 60 % "
    "are wrong has left it right about one time in nine. From there each side draws 1,536 samples and takes 96 "
    "updates with a learning rate of 0.001. GRPO: 24 steps of 8 prompts x 8 samples, without KL. PPO: 24 "
    "steps of 64 prompts, one sample each, without KL, with a critic that learns as fast. Rejection "
    "sampling: 3 rounds of 32 prompts x 16, of which 4 right ones are kept. Online DPO: 6 rounds of 16 x 16, "
    "up to 8 pairs a prompt. DPO: all samples are those of the beginning, 64 prompts x 24, in up to 12 pairs "
    "each; 6 passes over them, or 30, which are 480 updates. pass@1 is on held-out numbers, at temperature 1.",
    seeds=tuple(range(5)),
    sides={
        "GRPO": {
            "recipe": "grpo",
            "algorithm": PLAIN,
            "batch": {"prompts": 8, "group_size": 8, "minibatches": 2, "epochs": 2},
            "run": {"steps": 24},
        },
        "PPO": {
            "recipe": "ppo",
            "algorithm": {"kl_coefficient": 0.0, "critic_learning_rate": 1e-3},
            "batch": {"prompts": 64, "minibatches": 2, "epochs": 2},
            "run": {"steps": 24},
        },
        "rejection sampling": {
            "recipe": "rft",
            "batch": {"prompts": 32, "group_size": 16, "minibatches": 8, "epochs": 4},
            "run": {"steps": 3},
        },
        "online DPO": {
            "recipe": "online_dpo",
            "algorithm": {"pairs": 8},
            "dynamic_sampling": None,
            "batch": {"prompts": 16, "group_size": 16, "minibatches": 8, "epochs": 2},
            "run": {"steps": 6},
        },
        "DPO": {**STORED, "data": {"epochs": 6}},
        "DPO, many passes": {**STORED, "data": {"epochs": 30}},
    },
    measure=measure,
    claims=(
        Claim(
            says="GRPO reaches without a critic what PPO reaches with one, in less memory.",
            stands="GRPO: only the critic goes",
            expectations=(
                Expectation(
                    says="pass@1, GRPO",
                    more=of("GRPO", "pass@1"),
                    less=of("PPO", "pass@1"),
                    margin=0.05,
                    shares=True,
                ),
                Expectation(
                    says="bytes of weights, gradients and optimizer for each parameter, PPO",
                    more=of("PPO", "bytes a parameter"),
                    less=of("GRPO", "bytes a parameter"),
                ),
            ),
            remark="PPO's critic is a model as large as the policy.",
        ),
        Claim(
            says="The critic learns more slowly than the actor.",
            stands="GRPO: the critic lags",
            expectations=(
                Expectation(
                    says="steps to half of the critic's way, and of the policy's",
                    more=of("PPO", "steps to half of the critic's way"),
                    less=of("PPO", "steps to half of the policy's way"),
                ),
            ),
            remark="The policy's way is from its first mean reward to its best, the critic's from the first share "
            "of the variance of returns that it explains to the best, both as means over five steps. The "
            "returns hold the critic's own values, which flatters it.",
        ),
        Claim(
            says="Rejection-sampling fine-tuning learns as much as GRPO from as many samples.",
            stands="SFT, rejection sampling; arXiv 2308.01825",
            expectations=(
                Expectation(
                    says="pass@1, rejection sampling",
                    more=of("rejection sampling", "pass@1"),
                    less=of("GRPO", "pass@1"),
                    margin=0.05,
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="DPO overfits: with more passes it makes even preferred answers less likely, and is right less often.",
            stands="DPO: prone to overfit, presses probabilities too far down",
            expectations=(
                Expectation(
                    says="0, and the log-ratio of preferred answers after 30 passes",
                    more=0.0,
                    less=of("DPO, many passes", "log-ratio of the preferred"),
                ),
                Expectation(
                    says="pass@1 after 6 passes, and after 30",
                    more=of("DPO", "pass@1"),
                    less=of("DPO, many passes", "pass@1"),
                    shares=True,
                ),
            ),
        ),
        Claim(
            says="Online DPO learns more than DPO on samples of the beginning.",
            stands="DPO: no exploration; Online DPO, arXiv 2402.04792",
            expectations=(
                Expectation(
                    says="pass@1, online, 96 updates each",
                    more=of("online DPO", "pass@1"),
                    less=of("DPO", "pass@1"),
                    shares=True,
                ),
            ),
            remark="It is the policy of now that is sampled; nothing else is done to explore.",
        ),
    ),
)
