"""A small mixture of experts, made on the spot: what the trainer promises holds for it, and GSPO learns beside GRPO.

Experts are chosen anew in every pass (there is no replay of the sampler's routing).
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import Bundles
from rlvr_trainers.learner.policy import LoadedModel, Policy
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.tiny import character_tokenizer
from tests.rlvr_trainers.shuffled import inside_each_group, shuffle_rewards

ALPHABET = "0123456789>"


def mixture(seed: int) -> LoadedModel:
    """Two layers of four experts each, of which a token takes two."""
    tokenizer = character_tokenizer(ALPHABET, context=64)
    config: Any = Qwen3MoeConfig
    config = config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=64, moe_intermediate_size=64,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, head_dim=16, num_experts=4,
        num_experts_per_tok=2, norm_topk_prob=True, max_position_embeddings=64, tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Qwen3MoeForCausalLM(config).eval(), tokenizer


REVERSE = [
    *["model.path=given", "env.id=reverse", "env.digits=2", "env.style=symbols", "sampling.max_tokens=4"],
    *["batch.prompts=32", "batch.group_size=16", "batch.minibatches=4", "optimizer.learning_rate=1e-3"],
    *[
        "optimizer.warmup_steps=0",
        "algorithm.kl_coefficient=0",
        "run.checkpoint_every=1000",
        "env.reward=per_digit",
    ],
]


def trainer(recipe: str, run_dir: Path, *more: str, seed: int = 0) -> Trainer:
    settings = parse_overrides([*REVERSE, f"run.dir={run_dir}", f"run.seed={seed}", *more])
    return Trainer(load_recipe(recipe, settings), model=mixture(seed))


def batch() -> TokenBatch:
    """Two groups of three, with a prompt in common each."""
    prompts = [[5, 6, 7, 8]] * 3 + [[9, 10, 11]] * 3
    completions = [[4, 5], [4, 6, 7], [8], [5, 5], [5, 6, 7, 8], [9, 4]]
    return TokenBatch.of_sequences(
        prompts,
        completions,
        masks=[[True] * len(one) for one in completions],
        logprobs=[[0.0] * len(one) for one in completions],
        groups=[0, 0, 0, 1, 1, 1],
        scored=[True] * 6,
    )


def test_packed_or_with_shared_prefixes_it_says_what_it_says_one_by_one() -> None:
    policy = Policy(ModelConfig(path="given"), seed=0, loaded=mixture(0))
    tokens = batch()
    alone = torch.zeros(tokens.mask_BT.shape)
    for row in range(tokens.size):
        part = tokens.select([row])
        alone[row, : part.mask_BT.shape[1]] = policy.logprobs(part, temperature=1.0)[0][0]
    assert alone[tokens.mask_BT].std() > 0.01
    padded, _ = policy.logprobs(tokens, temperature=1.0)
    packed, _ = policy.logprobs(tokens.packed(), temperature=1.0)
    kind = policy.planner(1_000, part=0, parts=1).mask(8, 16)
    assert kind is not None, "prefixes are shared on a mixture of experts too"
    shared, _ = policy.logprobs(tokens, temperature=1.0, bundles=Bundles(sizes=[3, 3], mask=kind))
    for values in (padded, packed, shared):
        torch.testing.assert_close(values[tokens.mask_BT], alone[tokens.mask_BT], rtol=0, atol=1e-5)


@pytest.mark.parametrize("recipe", ["gspo", pytest.param("grpo", marks=pytest.mark.slow)])
def test_it_is_trained_on_what_it_sampled_and_every_expert_learns(recipe: str, tmp_path: Path) -> None:
    run = trainer(recipe, tmp_path, "run.steps=2", "batch.prompts=8", "batch.group_size=8")
    before = {name: weight.detach().clone() for name, weight in run.models.policy.model.named_parameters()}
    run.run()
    for row in read_lines(tmp_path / "metrics.jsonl"):
        assert row.get("sampler/mismatch", 0.0) < 1e-5
    changed = {
        name for name, weight in run.models.policy.model.named_parameters() if not weight.equal(before[name])
    }
    assert {name for name in before if "expert" in name or "gate" in name} <= changed


def learned(recipe: str, run_dir: Path, *, seed: int, shuffled: bool = False) -> float:
    """The mean reward of a digit over the last ten of 50 steps of 128 samples, which begin at what chance gives."""
    settings = ["run.steps=50", "batch.prompts=16", "batch.group_size=8", "optimizer.learning_rate=2e-3"]
    run = trainer(recipe, run_dir, *settings, seed=seed)
    if shuffled:
        shuffle_rewards(run, inside_each_group)
    run.run()
    rewards = [row["reward/mean"] for row in read_lines(run_dir / "metrics.jsonl") if row["step"]]
    assert rewards[0] < 0.08
    return sum(rewards[-10:]) / 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("recipe", ["gspo", "grpo"])
def test_a_mixture_of_experts_learns_to_reverse_and_nothing_from_shuffled_rewards(
    recipe: str, seed: int, tmp_path: Path
) -> None:
    score = learned(recipe, tmp_path / "run", seed=seed)
    control = learned(recipe, tmp_path / "control", seed=seed, shuffled=True)
    print(f"\n{recipe} seed {seed}: {score:.3f} control {control:.3f}")
    assert score >= 2 * control
    assert control <= 0.1
