"""One of several processes that take three optimizer steps together. Run by test_sharding."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.learner.layout import budget, plan
from rlvr_trainers.learner.learner import Learner, UpdatePlan
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.learner.models import Models, Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import BatchConfig, ModelConfig, OptimizerConfig
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.objectives.policy_gradient import PolicyGradientObjective
from torch.distributed.tensor import DTensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from rlvr_gym.clock import PhaseClock
from rlvr_gym.generation.weights import whole


def three_steps(case: Mapping[str, Any], mesh: Mesh) -> dict[str, Any]:
    """Take the case's three steps, whose plans are made for models of its size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "WORTH_OPERATIONS", case["worth"])
        if "available" in case:  # to each process, in bytes
            patch.setattr(budget, "_available", lambda _: case["available"][mesh.rank])
        return _three_steps(case, mesh)


def _three_steps(case: Mapping[str, Any], mesh: Mesh) -> dict[str, Any]:
    """Gradients, weights, metrics and log-probabilities of three optimizer steps, whole in every process.

    `shown` are the tokens that all processes showed their models with gradient, padding included.
    """
    config = ModelConfig.model_validate({"path": "handed in", **case["settings"]})
    policy = Policy(config, seed=0, loaded=(case["model"], case["tokenizer"]), mesh=mesh)
    policy.model.to(case["dtype"])
    policy.shard()
    shown = [0]

    def count(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        shown[0] += kwargs["input_ids"].numel() if torch.is_grad_enabled() else 0

    base_model(policy.model).register_forward_pre_hook(count, with_kwargs=True)
    models = Models(policy)
    models.freeze_reference()
    loss = PolicyGradientConfig.model_validate(case["loss"])
    learner: Learner[CreditedBatch] = Learner(
        models,
        lambda minibatch: PolicyGradientObjective(
            loss, minibatch, max_tokens=13, entropies=lambda tokens: torch.zeros(tokens.mask_BT.shape)
        ),
        plan=UpdatePlan(
            batch=BatchConfig(
                prompts=3, minibatches=3, microbatch_tokens=case["budget"], save_compute=case["save_compute"]
            ),
            optimizer=OptimizerConfig(kind=case["kind"], learning_rate=1e-2, weight_decay=0.1),
            total_updates=3,
            temperature=0.8,
            max_mismatch=1e9,
        ),
        mesh=mesh,
    )
    gradients: list[torch.Tensor] = []

    def note(*_: Any) -> None:
        gradients.extend(
            whole(weight.grad).clone() for weight in policy.parameters if weight.grad is not None
        )

    hook = register_optimizer_step_pre_hook(note)
    metrics = learner.update(case["batch"], PhaseClock(), seed=0)
    hook.remove()
    tokens = case["batch"].tokens
    return {
        "gradients": gradients,
        "weights": {name: whole(weight).detach() for name, weight in policy.model.named_parameters()},
        "metrics": metrics,
        "logprobs": [learner.logprobs(role, tokens)[0] for role in (Role.POLICY, Role.REFERENCE)],
        "budgets": mesh.gather([learner._budget_tokens()]),
        "shown": sum(mesh.gather(shown)),
        "held": sum(held(weight) for weight in policy.model.parameters()),
    }


def held(weight: torch.Tensor) -> int:
    """Numbers of a weight that this process holds."""
    return weight.to_local().numel() if isinstance(weight, DTensor) else weight.numel()


def main(cases_path: str, result_path: str, shard: str) -> None:
    torch.set_num_threads(1)
    mesh = Mesh(shard=int(shard))
    cases = torch.load(cases_path, weights_only=False)
    results = {name: three_steps(case, mesh) for name, case in cases.items()}
    if mesh.first:
        torch.save(results, Path(result_path))
    mesh.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
