"""GSPO and GRPO over many minibatches, on a dense model and on a mixture of experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from transformers import MixtralConfig, MixtralForCausalLM

from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from experiments.training import held_out, kept, mean, trained, warm_start
from rlvr_gym.config import merge
from rlvr_gym.generation.tiny import character_tokenizer

ALPHABET, STEPS, MINIBATCHES = "0123456789>", 16, 12
TASK: dict[str, Any] = {
    "env": {"id": "reverse", "digits": 3, "style": "symbols", "reward": "per_digit"},
    "sampling": {"max_tokens": 8},
}
WARM = {"steps": 120, "batch_size": 64, "learning_rate": 3e-3, "label_noise": 0.6}
LEARN: dict[str, Any] = {
    "algorithm": {"kl_coefficient": 0.0},
    "batch": {"prompts": 12, "group_size": 8, "minibatches": MINIBATCHES},
    "eval": {"tasks": 100, "n": 4, "every": 100_000},
    "optimizer": {"learning_rate": 2e-3},
    "run": {"steps": STEPS},
}
EXPERTS = {"experts": 4, "used": 2, "hidden": 64, "layers": 2}


def experts(folder: Path) -> None:
    """Write a mixture of experts with random weights."""
    tokenizer = character_tokenizer(ALPHABET)
    ids: dict[str, Any] = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")
    }
    config = MixtralConfig(
        vocab_size=len(tokenizer),
        hidden_size=EXPERTS["hidden"],
        intermediate_size=2 * EXPERTS["hidden"],
        num_hidden_layers=EXPERTS["layers"],
        num_attention_heads=4,
        num_key_value_heads=4,
        num_local_experts=EXPERTS["experts"],
        num_experts_per_tok=EXPERTS["used"],
        max_position_embeddings=256,
        initializer_range=0.1,
        **ids,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MixtralForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def measure(settings: Settings, seed: int) -> Figures:
    """How the mean reward went, and how far single updates strayed."""
    given: dict[str, Any] = dict(settings)
    recipe, model = str(given.pop("recipe")), str(given.pop("model"))
    path = f"tiny:{ALPHABET}" if model == "dense" else str(kept("experts", EXPERTS, experts))
    base = warm_start(merge(TASK, {"model": {"path": path}, "warmup": WARM}))
    start = merge(merge(TASK, LEARN), {"model": {"path": str(base)}})
    rows = trained(recipe, merge(start, given), seed)
    rewards = [row["reward/mean"] for row in rows if row["step"]]
    best, fall = 0.0, 0.0
    for reward in rewards:
        best = max(best, reward)
        fall = max(fall, best - reward)
    return {
        "pass@1": held_out(rows)[-1],
        "largest fall of the reward": fall,
        "reward at the end": mean(rows, "reward/mean", 5),
        "largest ratio": max(row["ratio/max"] for row in rows if row["step"]),
        "clipped": max(row["clip/low_fraction"] + row["clip/high_fraction"] for row in rows if row["step"]),
    }


def steadier(model: str, than: str) -> tuple[Expectation, ...]:
    """GSPO falls less far and ends higher."""
    return (
        Expectation(
            says=f"largest fall of the mean reward, {model}: {than}",
            more=of(f"{than}, {model}", "largest fall of the reward"),
            less=of(f"GSPO, {model}", "largest fall of the reward"),
            shares=True,
        ),
        Expectation(
            says=f"pass@1 at the end, {model}: GSPO",
            more=of(f"GSPO, {model}", "pass@1"),
            less=of(f"{than}, {model}", "pass@1"),
            shares=True,
        ),
    )


NARROW: dict[str, JsonValue] = {"clip_low": 3e-4, "clip_high": 4e-4}
KINDS: dict[str, Settings] = {
    "GRPO": {"recipe": "grpo"},
    "GRPO, narrow clip": {"recipe": "grpo", "algorithm": NARROW},
    "GSPO": {"recipe": "gspo"},
}

EXPERIMENT = Experiment(
    name="steadiness",
    title="GSPO and GRPO over many minibatches",
    setup="A dense transformer, and a mixture of four experts of which two see each token (no routing "
    "replay), are to reverse three digits, each digit in its place worth a third, after a warm-up on "
    "labels of which 60 % are wrong. 16 steps of 12 prompts x 8 samples, each in 12 minibatches, with "
    "a learning rate of 0.002, without KL. GRPO clips the ratios of tokens at 0.2 below and above, GSPO those "
    "of sequences at 0.0003 and 0.0004, as in their papers; a third side clips the ratios of tokens as narrowly.",
    seeds=tuple(range(5)),
    sides={
        f"{kind}, {model}": {**settings, "model": model}
        for model in ("dense", "experts")
        for kind, settings in KINDS.items()
    },
    measure=measure,
    claims=(
        Claim(
            says="GSPO is steadier than GRPO over many minibatches.",
            stands="GSPO; arXiv 2507.18071",
            expectations=steadier("dense", "GRPO"),
            remark="A fall is from the best mean reward of a step so far to a later one.",
        ),
        Claim(
            says="So it is on a mixture of experts, without routing replay.",
            stands="GSPO: native training of mixtures of experts",
            expectations=steadier("experts", "GRPO"),
        ),
        Claim(
            says="The ratio of sequences makes it steadier, and not the narrow clip alone.",
            stands="a control for arXiv 2507.18071",
            expectations=(
                *steadier("dense", "GRPO, narrow clip"),
                *steadier("experts", "GRPO, narrow clip"),
            ),
        ),
    ),
)
