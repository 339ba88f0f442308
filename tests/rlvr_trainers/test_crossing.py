"""Reinforcement learning that buys pass@1 with pass@k, measured."""

from pathlib import Path

import pytest
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.evaluation.compare import compare
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.transformers import TransformersGenerator

SETTINGS = [
    *["env.id=ambiguous", "model.path=tiny:0123456789@=", "warmup.steps=1000", "warmup.label_noise=0"],
    *["optimizer.learning_rate=1e-3", "optimizer.schedule=constant"],
    *["run.steps=150", "run.keep=50", "run.samples_per_step=64"],
]
"""As on the evaluation page."""


def sampled(model: Path) -> rg.EvaluationResult:
    env = rg.make("ambiguous", split="test", style="symbols")
    generator = TransformersGenerator(*load_model(str(model)))
    return rg.evaluate(env, generator, n=64, k=(1, 64), sampling=rg.SamplingParams(max_tokens=6), limit=400)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_trained_model_is_better_at_one_sample_and_worse_at_sixty_four(tmp_path: Path) -> None:
    Trainer(load_recipe("addition", parse_overrides([*SETTINGS, f"run.dir={tmp_path}"]))).run()
    base, trained = sampled(tmp_path / "checkpoints" / "step-0"), sampled(tmp_path / "model")
    comparison = compare(base.samples, trained.samples, k=(1, 64))
    assert {k: difference.sign for k, difference in comparison.differences.items()} == {1: 1, 64: -1}
    assert comparison.crosses_for_certain
    assert len(comparison.lost) > 3 * len(comparison.gained)
