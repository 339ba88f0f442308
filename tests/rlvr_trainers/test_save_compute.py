"""Runs that compute what sequences share once learn what runs learn that compute each sequence alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.learner.layout import plan
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.policy_gradient import PolicyGradientObjective
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines

FEW = (
    "sampling.max_tokens=4", "batch.prompts=8", "batch.group_size=8", "run.seed=7", "batch.minibatches=2",
    "optimizer.learning_rate=1e-3", "run.steps=2", "eval=null", "run.checkpoint_every=9",
)  # fmt: skip
SMALL = (*FEW, "model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols")
TURNS = (*FEW, "env.id=guess", "env.high=10", "env.max_turns=3", "model.path=tiny")
PARTIAL = (*SMALL, "env.reward=per_digit")
FIGURES = ("loss", "grad_norm", "entropy", "sampler/", "ratio/", "clip/", "kl", "tokens/", "reward")


@pytest.fixture(autouse=True)
def plans_for_models_of_any_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "WORTH_OPERATIONS", 0)


def run(
    folder: Path, recipe: str, *settings: str
) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor], int]:
    """Metrics, weights, and how many tokens the model was shown with gradient."""
    trainer = Trainer(load_recipe(recipe, parse_overrides([*settings, f"run.dir={folder}"])))
    shown = 0

    def count(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        nonlocal shown
        shown += kwargs["input_ids"].numel() if torch.is_grad_enabled() else 0

    base_model(trainer.models.policy.model).register_forward_pre_hook(count, with_kwargs=True)
    trainer.run()
    rows = [
        {name: value for name, value in row.items() if name.startswith(FIGURES)}
        for row in read_lines(folder / "metrics.jsonl")
    ]
    return rows, trainer.models.policy.model.state_dict(), shown


def assert_same_weights(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, weight in found.items():
        # The bias of keys has no gradient but rounding, which Adam makes as large as any.
        if not name.endswith("c_attn.bias"):
            torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("grpo", PARTIAL),
        ("dapo", (*PARTIAL, "batch.microbatch_tokens=60", "algorithm.entropy_coefficient=0.01")),
        ("dr_grpo", TURNS),
        ("gspo", PARTIAL),
    ],
)
def test_a_run_is_the_same_but_for_rounding(tmp_path: Path, recipe: str, settings: tuple[str, ...]):
    saving, weights, shown = run(tmp_path / "on", recipe, *settings)
    plain, plain_weights, all_shown = run(tmp_path / "off", recipe, *settings, "batch.save_compute=false")
    assert 0 < shown < all_shown
    assert len(saving) == len(plain) > 0
    for one, other in zip(saving, plain, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
    assert_same_weights(weights, plain_weights)


def test_samples_of_groups_that_teach_nothing_are_not_put_through_the_backward_pass(tmp_path: Path):
    # A model from random initialisation hardly ever reverses four digits: most groups have no advantage at all.
    hard = (*SMALL, "env.digits=4", "algorithm.kl_coefficient=0")
    saving, weights, shown = run(tmp_path / "on", "grpo", *hard)
    plain, plain_weights, all_shown = run(tmp_path / "off", "grpo", *hard, "batch.save_compute=false")
    assert 0 < shown < all_shown / 2
    for one, other in zip(saving, plain, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
    assert_same_weights(weights, plain_weights)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [True, False, False]),
        ({"kl_coefficient": 0.1}, [True, True, False]),
        ({"kl_coefficient": 0.1, "kl_place": "reward", "kl_estimator": "k1"}, [True, False, False]),
        ({"entropy_coefficient": 0.1}, [True, True, False]),
        ({"ratio": "sequence"}, [True, False, False]),
    ],
)
def test_a_sample_without_an_advantage_has_a_gradient_where_kl_or_entropy_is_in_the_loss(
    make_batch: Callable[..., CreditedBatch], settings: dict[str, Any], expected: list[bool]
):
    lp = torch.full((3, 2), -1.0, dtype=torch.float64, requires_grad=True)
    advantages = np.array([[0.0, 2.0], [0.0, 0.0], [1.0, 1.0]])
    batch = make_batch([[1, 1], [1, 0], [0, 0]], advantages=advantages, ref_logprobs=-2.0)
    config = PolicyGradientConfig.model_construct(**(PolicyGradientConfig().model_dump() | settings))
    objective = PolicyGradientObjective(config, batch, max_tokens=2, entropies=lambda tokens: lp.detach())
    assert objective.learns(batch).tolist() == expected
    objective.loss(batch, [0, 1, 2], lp, 2 * lp)[0].backward()
    assert lp.grad is not None
    assert (lp.grad != 0).any(1).tolist() == expected
