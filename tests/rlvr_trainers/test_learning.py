"""That it learns: tiny transformers from random weights, on a CPU, against a control that must not."""

from pathlib import Path

import numpy as np
import pytest
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.files import read_lines
from tests.rlvr_trainers.shuffled import inside_each_group, shuffle_rewards

pytestmark = pytest.mark.long

REVERSE = [
    "model.path=tiny:0123456789>",
    "env.id=reverse",
    "env.style=symbols",
    "algorithm.kl_coefficient=0",
    "algorithm.aggregation=token_mean",
    "algorithm.clip_high=0.28",
    "batch.prompts=32",
    "batch.group_size=16",
    "batch.minibatches=4",
    "optimizer.learning_rate=1e-3",
    "run.checkpoint_every=1000",
]


def reverse(run_dir: Path, *more: str) -> Trainer:
    return Trainer(load_recipe("grpo", parse_overrides([*REVERSE, f"run.dir={run_dir}", *more])))


def held_out_exact_match(trainer: Trainer, digits: int) -> float:
    """Greedy exact match on the held-out split, whatever the reward in training was."""
    import rlvr_gym as rg

    env = rg.make("reverse", split="test", digits=digits, style="symbols")
    greedy = rg.SamplingParams(temperature=0.0, max_tokens=digits + 2)
    return evaluate(env, trainer.generator, n=1, sampling=greedy, limit=200).avg_at_n.value


def test_two_digits_are_learned_from_a_reward_that_only_says_right_or_wrong(tmp_path: Path) -> None:
    trainer = reverse(tmp_path, "env.digits=2", "sampling.max_tokens=4", "run.steps=70")
    assert held_out_exact_match(trainer, 2) <= 0.05
    trainer.run()
    assert held_out_exact_match(trainer, 2) >= 0.95


@pytest.mark.slow
def test_four_digits_are_learned_from_a_reward_per_digit(tmp_path: Path) -> None:
    trainer = reverse(
        tmp_path, "env.digits=4", "env.reward=per_digit", "sampling.max_tokens=6", "run.steps=50"
    )
    assert held_out_exact_match(trainer, 4) <= 0.05
    trainer.run()
    assert held_out_exact_match(trainer, 4) >= 0.95


def test_nothing_is_learned_when_rewards_are_shuffled_inside_each_group(tmp_path: Path) -> None:
    trainer = reverse(tmp_path, "env.digits=2", "sampling.max_tokens=4", "run.steps=70")
    shuffle_rewards(trainer, inside_each_group)
    trainer.run()
    assert held_out_exact_match(trainer, 2) <= 0.05


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_quickstart_as_it_stands_learns_from_a_start_of_a_fifth(tmp_path: Path) -> None:
    result = Trainer(load_recipe("quickstart", parse_overrides([f"run.dir={tmp_path}"]))).run()
    assert result.before is not None
    assert result.after is not None
    assert result.before.value <= 0.3
    assert result.after.value >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dapo_mends_what_noisy_labels_taught(seed: int, tmp_path: Path) -> None:
    trainer = Trainer(
        load_recipe("addition", parse_overrides([f"run.dir={tmp_path}", f"run.seed={seed}", *LONG]))
    )
    result = trainer.run()
    assert result.before is not None
    assert result.after is not None
    assert result.before.value <= 0.6
    assert result.after.value >= 0.95
    assert all(
        row["groups/degenerate_share"] == 0.0 for row in read_lines(tmp_path / "metrics.jsonl") if row["step"]
    )


LONG = [
    *["warmup.steps=1500", "optimizer.learning_rate=1e-3", "optimizer.schedule=linear", "run.steps=200"],
    "dynamic_sampling.max_rounds=200",
]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_plain_grpo_trains_on_degenerate_groups_where_dapo_has_none(tmp_path: Path) -> None:
    settings = ["dynamic_sampling=null", "run.steps=100", f"run.dir={tmp_path}"]
    Trainer(load_recipe("addition", parse_overrides(settings))).run()
    shares = [row["groups/degenerate_share"] for row in read_lines(tmp_path / "metrics.jsonl") if row["step"]]
    assert np.mean(shares[-20:]) > 0.1
