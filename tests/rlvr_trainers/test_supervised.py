"""The supervised warm-up: what it teaches, and how much of it is wrong on purpose."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.demonstrations import Demonstrations, labels_of
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.objectives.cross_entropy import CrossEntropyObjective
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.display import Display
from rlvr_trainers.run.warm_up import warm_up
from rlvr_trainers.trainer import Trainer

from rlvr_gym import ConfigError, Environment, Task, TaskSet
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.verifiers.base import FunctionVerifier

SMALL = [
    *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols"],
    *["env.reward=per_digit", "sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=4"],
    *["optimizer.learning_rate=1e-3", "run.steps=1", "warmup.steps=4", "warmup.batch_size=32"],
]


def config(*more: str) -> TrainConfig:
    return load_recipe("dr_grpo", parse_overrides([*SMALL, *more]))


def test_the_share_of_wrong_labels_is_what_it_says_and_they_are_always_the_same_tasks() -> None:
    env = config("env.digits=5").env.make()
    tasks = env.tasks.take(2000)
    right = [str(env.solution(task)) for task in tasks]

    def wrong(labels: list[str]) -> list[bool]:
        return [label != solution for label, solution in zip(labels, right, strict=True)]

    noisy = wrong(labels_of(env, tasks, noise=0.3, seed=0))
    assert np.mean(noisy) == pytest.approx(0.3, abs=0.04)
    assert noisy == wrong(labels_of(env, tasks, noise=0.3, seed=0))
    assert noisy[:500] == wrong(labels_of(env, tasks[:500], noise=0.3, seed=0) + right[500:])[:500]
    assert noisy != wrong(labels_of(env, tasks, noise=0.3, seed=1))
    assert not any(wrong(labels_of(env, tasks, noise=0.0, seed=0)))


def test_a_demonstration_is_the_label_and_the_end_of_the_turn() -> None:
    env, policy = config().env.make(), Policy(config().model, seed=0)
    shown = Demonstrations(policy).batch([env.tasks.at(0)], ["42"]).tokens
    said = shown.targets_N.tolist()
    assert policy.tokenizer.decode(said[:-1]) == "42"
    assert said[-1] == policy.end_id
    assert shown.mask_BT.tolist() == [[True] * len(said)]


def test_the_gradient_is_that_of_the_mean_over_tokens_whatever_the_microbatches() -> None:
    env, policy = config().env.make(), Policy(config().model, seed=0)
    policy.model.double()
    tasks = env.tasks.take(9)
    batch = Demonstrations(policy).batch(tasks, ["1234"[: 1 + i % 4] for i in range(9)])

    def gradient(budget: int) -> tuple[float, list[torch.Tensor]]:
        policy.model.zero_grad()
        objective, total = CrossEntropyObjective(batch), 0.0
        for rows in microbatches(batch.tokens.lengths_B.tolist(), budget):
            part = batch.select(rows)
            logprobs_BT, _ = policy.logprobs(part.tokens, temperature=1.0)
            loss, table = objective.loss(part, rows, logprobs_BT, None)
            loss.backward()
            total += step_metrics([table])["loss"]
        return total, [p.grad.clone() for p in policy.parameters if p.grad is not None]

    whole_loss, whole = gradient(10_000)
    parts_loss, parts = gradient(8)
    assert parts_loss == pytest.approx(whole_loss, abs=1e-10)
    for one, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    logprobs, _ = policy.logprobs(batch.tokens, temperature=1.0)
    assert whole_loss == pytest.approx(-float(logprobs.detach().sum()) / int(batch.tokens.mask_BT.sum()))


def test_warming_up_teaches_the_solutions() -> None:
    settings = config("warmup.steps=60", "warmup.batch_size=64", "warmup.learning_rate=3e-3")
    env, policy = settings.env.make(), Policy(settings.model, seed=0)
    tasks = env.tasks.take(20)
    batch = Demonstrations(policy).batch(tasks, [str(env.solution(task)) for task in tasks]).tokens
    before, _ = policy.logprobs(batch, temperature=1.0)
    warm_up(policy, env, settings, Display(), Mesh())
    after, _ = policy.logprobs(batch, temperature=1.0)
    assert float(after.detach().sum()) > 0.3 * float(before.detach().sum())


def test_a_resumed_run_does_not_warm_up_again(tmp_path: Path) -> None:
    settings = config(f"run.dir={tmp_path}", "algorithm.entropy_coefficient=0.0")
    Trainer(settings).run()
    again = Trainer(config(f"run.dir={tmp_path}", "run.steps=2", "run.checkpoint_every=1"))
    assert again.resumed_from == 1
    again.run()
    assert [row["step"] for row in read_lines(tmp_path / "metrics.jsonl")] == [0, 1, 2]


def test_an_environment_without_solutions_is_refused_by_task() -> None:
    tasks = TaskSet.from_tasks([Task(id="t", prompt="1>", reference=1)], name="mute")
    env = Environment(tasks, FunctionVerifier(lambda task, completion: True))
    with pytest.raises(ConfigError, match=r"knows no solution to task 't'.*warmup=null"):
        warm_up(Policy(config().model, seed=0), env, config(), Display(), Mesh())
