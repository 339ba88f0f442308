"""The manual's table of costs: the models that a recipe holds, and the passes over its samples that a step makes."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.learner.layout.hidden_states import counts_from_zero
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides

PAGE = Path(__file__).parents[2] / "docs/training.md"
ROW = re.compile(
    r"^\| (?P<recipes>`[^|]+) \| (?P<models>[^|]+) \| (?P<bytes>\d+) \| (?P<scored>\d) \| (?P<learned>\d) \|",
    re.M,
)
SMALL = (
    "model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols", "sampling.max_tokens=4",
    "batch.prompts=32", "batch.save_compute=false", "batch.microbatch_tokens=1", "run.steps=1", "eval=null",
)  # fmt: skip
SAMPLED = ("batch.group_size=8", "env.reward=per_digit", "dynamic_sampling=null")
OWN: dict[str, tuple[str, ...]] = {
    "sft": (),
    "mtp": (),
    "rft": (
        "batch.group_size=8",
        "algorithm.least_score=0.01",
        "algorithm.keep=8",
        "env.reward=per_digit",
        "sampling.max_tokens=32",
    ),
    "dpo": (),
    "reward_model": (),
    "prm": ("model.path=tiny:0123456789>\n",),
    "distill": ("algorithm.teacher=tiny:0123456789>",),
    "online_dpo": (*SAMPLED, "sampling.max_tokens=32"),  # none that is cut off is preferred
    "ppo": ("env.reward=per_digit",),
    "tree_grpo": ("env.reward=per_digit", "algorithm.fork=tokens"),
    "reinforce_pp": ("env.reward=per_digit",),
}
"""Settings of recipes that others do not have, or that take whatever was sampled."""


def the_table() -> dict[str, re.Match[str]]:
    rows = ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {name: row for row in rows for name in re.findall(r"`(\w+)`", row["recipes"])}


def models_of(trainer: Trainer) -> list[tuple[Any, list[torch.Tensor]]]:
    """Each model that the run holds, as far as it is one of its own: its layers, and its weights."""
    models = trainer.models
    found = [models.policy, models._reference, models.teacher]
    held: list[tuple[Any, list[torch.Tensor]]] = [
        (base_model(one.model), list(one.model.parameters())) for one in found if one is not None
    ]
    if models.critic is not None:
        held.append((models.critic._base, list(models.critic.parameters)))
    return held


def count(trainer: Trainer, passes: Counter[str]) -> None:
    """Count the tokens that each model is shown in training passes; `learned` are those with gradient."""
    for base, _ in models_of(trainer):
        counts_from_zero(base)  # tries the model once, whatever the step

        def shown(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
            if (
                kwargs.get("use_cache") is False and not args
            ):  # a sampler keeps keys and values, or tries the model
                passes["learned" if torch.is_grad_enabled() else "scored"] += kwargs["input_ids"].numel()

        base.register_forward_pre_hook(shown, with_kwargs=True)


def bytes_held(trainer: Trainer) -> int:
    """Bytes of all models' weights, and of their gradients and optimizer states; without what stands beside them."""
    weights = {id(weight): weight for _, own in models_of(trainer) for weight in own}
    learners = [one for one in (trainer.stage.learner, trainer.stage.critic) if one is not None]
    states = [
        tensor
        for learner in learners
        for weight, state in learner._optimizer.state.items()
        if id(weight) in weights
        for tensor in state.values()
        if tensor.numel() > 1
    ]
    trained = [weight for weight in weights.values() if weight.requires_grad]
    return sum(t.numel() * t.element_size() for t in (*weights.values(), *trained, *states))


@pytest.mark.parametrize("recipe", sorted(the_table()))
def test_a_step_holds_and_makes_what_the_manual_says(recipe: str, tmp_path: Path):
    row = the_table()[recipe]
    settings = [*SMALL, *OWN.get(recipe, SAMPLED), f"run.dir={tmp_path / 'run'}"]
    if recipe in ("dpo", "reward_model"):
        pairs = [
            {"prompt": f"{n}>", "chosen": f"{n}"[::-1], "rejected": f"{n}"} for n in range(12, 60) if n % 11
        ]
        (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
        settings.append(f"data.path={tmp_path / 'pairs.jsonl'}")
    if recipe == "prm":
        steps = [{"prompt": f"{n}>", "completions": ["1", "2"], "labels": [1, 0]} for n in range(12, 60)]
        (tmp_path / "steps.jsonl").write_text("\n".join(map(json.dumps, steps)))
        settings.append(f"data.path={tmp_path / 'steps.jsonl'}")
    trainer = Trainer(load_recipe(recipe, parse_overrides(settings)))
    passes: Counter[str] = Counter()
    taken: list[int] = []
    update = trainer.stage.learner.update

    def noted(batch: Any, *args: Any, **kwargs: Any) -> Any:
        taken.append(int(batch.tokens.lengths_B[batch.tokens.mask_BT.any(1)].sum()))
        return update(batch, *args, **kwargs)

    trainer.stage.learner.update = noted  # pyright: ignore[reportAttributeAccessIssue]
    take_reference = trainer._take_reference

    def counted() -> None:
        take_reference()
        count(trainer, passes)

    trainer._take_reference = counted
    trainer.run()
    (tokens,) = taken
    assert passes["scored"] / tokens == pytest.approx(int(row["scored"]), abs=0.1)
    assert passes["learned"] / tokens == pytest.approx(int(row["learned"]), abs=0.1)
    parameters = sum(weight.numel() for weight in trainer.models.policy.model.parameters())
    assert bytes_held(trainer) / parameters == pytest.approx(int(row["bytes"]), rel=0.02)
