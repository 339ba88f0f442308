"""One of several processes that train a critic, a reward model or a student. Run by test_sharded_models."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.learner import logprobs
from rlvr_trainers.learner.critic import Critic
from rlvr_trainers.learner.distillation import student
from rlvr_trainers.learner.distillation.student import Student
from rlvr_trainers.learner.layout import plan
from rlvr_trainers.learner.learner import Learner, UpdatePlan
from rlvr_trainers.learner.models import Models, Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.rewards.model import RewardModelInTraining
from rlvr_trainers.learner_settings import BatchConfig, ModelConfig, OptimizerConfig
from rlvr_trainers.loss_settings import PreferenceConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.objectives.cross_entropy import CrossEntropyObjective
from rlvr_trainers.objectives.divergence import DivergenceObjective
from rlvr_trainers.objectives.preference import PreferenceObjective
from rlvr_trainers.objectives.step_labels import StepLabelObjective
from rlvr_trainers.objectives.value import ValueObjective
from torch.optim.optimizer import register_optimizer_step_pre_hook

from rlvr_gym.clock import PhaseClock
from rlvr_gym.generation.weights import whole
from tests.rlvr_trainers.sharded_rank import held

Case = Mapping[str, Any]
Objectives = Callable[[CreditedBatch], Any]
Weights = Callable[[], list[Any]]


def three_steps(case: Case, mesh: Mesh) -> dict[str, Any]:
    """Take the case's three steps, whose plans are made for models of its size, in chunks of its size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "WORTH_OPERATIONS", case["worth"])
        for module in (logprobs, student):
            patch.setattr(module, "chunk_tokens", lambda *_: case["chunk"])
        return _three_steps(case, mesh)


def _policy(case: Case, name: str, mesh: Mesh, **settings: Any) -> Policy:
    config = ModelConfig.model_validate({"path": "handed in", **settings})
    policy = Policy(config, seed=0, loaded=(case[name], case["tokenizer"]), mesh=mesh)
    policy.model.to(case["dtype"])
    return policy


def _wave(like: torch.Tensor) -> torch.Tensor:
    return torch.sin(torch.arange(like.numel(), dtype=torch.float64)).view(like.shape)


def _critic(models: Models, own_model: bool) -> Critic:
    critic = models.critic = Critic(models.policy, own_model=own_model)
    critic.begin()
    weights = {name: whole(weight) for name, weight in critic.state().items()}
    critic.restore({**weights, "head.weight": _wave(weights["head.weight"])})
    return critic


def _trained(case: Case, models: Models, score: Callable[..., Any]) -> tuple[Role, Objectives, Weights]:
    """The role that is trained, its objectives, and all weights that have a part, as they are when asked for."""
    policy = models.policy
    match case["trains"]:
        case "critic" | "critic head":
            critic = _critic(models, case["trains"] == "critic")
            return Role.CRITIC, partial(ValueObjective, clip=0.2), lambda: critic.parameters
        case "reward":
            reward = models.reward = RewardModelInTraining(policy)
            reward.restore({"weight": _wave(reward.state()["weight"])})
            config = PreferenceConfig(beta=1.0)
            objectives = partial(
                PreferenceObjective, config, logprobs=lambda tokens: score(Role.REWARD, tokens)[0]
            )
            return Role.REWARD, objectives, lambda: reward.parameters
        case "steps":
            steps = models.reward = RewardModelInTraining(policy, steps="line")
            steps.restore({name: _wave(weight) + 0.1 for name, weight in steps.state().items()})
            return Role.REWARD, StepLabelObjective, lambda: steps.parameters
        case "student":
            assert models.teacher is not None
            teacher = models.teacher.model.requires_grad_(False)
            models.student = Student(policy, models.teacher, kind="jsd", beta=0.3)
            objectives = partial(DivergenceObjective, "token_mean", max_tokens=13)
            return Role.STUDENT, objectives, lambda: [*policy.model.parameters(), *teacher.parameters()]
        case _:
            return Role.POLICY, CrossEntropyObjective, lambda: policy.parameters


def _three_steps(case: Case, mesh: Mesh) -> dict[str, Any]:
    """Gradients, weights, metrics and numbers of three optimizer steps, whole in every process.

    `held` are the numbers that this process holds of all weights at an optimizer step and at the end, at most; `left`
    are the policy's gradients that nobody used.
    """
    teacher = _policy(case, "teacher", mesh) if "teacher" in case else None
    models = Models(_policy(case, "model", mesh, **case["settings"]), teacher=teacher)
    models.shard()
    role, objectives, weights = _trained(case, models, lambda *args: learner.logprobs(*args))
    learner: Learner[CreditedBatch] = Learner(
        models,
        objectives,
        plan=UpdatePlan(
            batch=BatchConfig(prompts=3, minibatches=3, microbatch_tokens=case["budget"]),
            optimizer=OptimizerConfig(kind=case["kind"], learning_rate=1e-2, weight_decay=0.1),
            total_updates=3,
            temperature=0.8,
            max_mismatch=1e9,
        ),
        mesh=mesh,
        role=role,
    )
    trained = list(models.of(role).parameters)
    gradients: list[torch.Tensor] = []
    kept: list[int] = []

    def note(*_: Any) -> None:
        kept.append(sum(map(held, weights())))
        gradients.extend(whole(weight.grad).clone() for weight in trained if weight.grad is not None)

    hook = register_optimizer_step_pre_hook(note)
    metrics = learner.update(case["batch"], PhaseClock(), seed=0)
    hook.remove()
    numbers = learner.logprobs(role, case["batch"].tokens, with_entropy=True)
    return {
        "gradients": gradients,
        "weights": [whole(weight).detach() for weight in trained],
        "metrics": metrics,
        "numbers": numbers,
        "held": max(*kept, sum(map(held, weights()))),
        "left": sum(weight.grad is not None for weight in models.policy.parameters),
    }


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
