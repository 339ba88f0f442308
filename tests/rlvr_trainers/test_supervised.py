"""Imitation: what is learned of a demonstration, its loss and gradient, and the warm-up that consists of it."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.rft import Rft
from rlvr_trainers.algorithms.sft import Sft
from rlvr_trainers.batch import CreditedBatch, ScoredBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.data.demonstrations import Demonstrations, as_turn, labels_of
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.logprobs import token_logprobs
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.objectives.cross_entropy import CrossEntropyObjective
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from rlvr_trainers.trainer import Trainer
from transformers import LlamaForCausalLM

from rlvr_gym import ConfigError, Environment, FinishReason, Rollout, Task, TaskSet
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


def around() -> Surroundings:
    return Surroundings(
        reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=9, updates_per_step=1, decode=str, seed=0
    )


def shown(policy: Policy, tasks: list[Task], labels: list[str]) -> CreditedBatch:
    """Labels as the batch of an SFT step."""
    rollouts = Demonstrations(policy.tokenizer, policy.turn_frame).of_labels(tasks, labels)
    algorithm = Sft().build(around())
    tokens = algorithm.tokens(rollouts, range(len(rollouts)))
    return algorithm.credit(rollouts, ScoredBatch(tokens=tokens))


@pytest.mark.parametrize("reason", [FinishReason.STOP, FinishReason.LENGTH])
def test_only_a_turn_that_ended_has_an_end(reason: FinishReason) -> None:
    policy = Policy(config().model, seed=0)
    said = dataclasses.replace(as_turn("21"), finish_reason=reason)
    rollout = Demonstrations(policy.tokenizer, policy.turn_frame).rollout(Task(id="1", prompt="12>"), said)
    ended = reason is FinishReason.STOP
    assert (rollout.token_ids[-1] == policy.end_id) is ended
    assert len(rollout.token_ids) == len(rollout.action_mask) == len(rollout.logprobs) == 2 + ended
    assert rollout.action_mask[-1]


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
    tokens = shown(policy, [env.tasks.at(0)], ["42"]).tokens
    said = tokens.targets_N.tolist()
    assert policy.tokenizer.decode(said[:-1]) == "42"
    assert said[-1] == policy.end_id
    assert tokens.mask_BT.tolist() == [[True] * len(said)]


def test_a_demonstration_is_neither_right_nor_wrong_and_all_of_it_counts() -> None:
    env, policy = config().env.make(), Policy(config().model, seed=0)
    batch = shown(policy, env.tasks.take(2), ["1", "23"])
    assert batch.rewards_B.isnan().all()
    assert batch.advantages_BT.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.tokens.scored_B.all()


def test_the_gradient_is_that_of_the_mean_over_tokens_whatever_the_microbatches_and_processes() -> None:
    env, policy = config().env.make(), Policy(config().model, seed=0)
    policy.model.double()
    batch = shown(policy, env.tasks.take(9), ["1234"[: 1 + i % 4] for i in range(9)])

    def gradient(budget: int, processes: int = 1) -> tuple[float, list[torch.Tensor]]:
        """Sum over the microbatches of so many processes."""
        policy.model.zero_grad()
        objective, total = CrossEntropyObjective(batch), 0.0
        lengths = batch.tokens.lengths_B.tolist()
        shares = [microbatches(lengths, budget, part=part, parts=processes) for part in range(processes)]
        for rows in itertools.chain(*shares):
            part = batch.select(rows)
            logprobs_BT, _ = policy.logprobs(part.tokens, temperature=1.0)
            loss, table = objective.loss(part, rows, logprobs_BT, None)
            loss.backward()
            total += step_metrics([table])["loss"]
        return total, [p.grad.clone() for p in policy.parameters if p.grad is not None]

    whole_loss, whole = gradient(10_000)
    for budget, processes in ((8, 1), (10_000, 2), (8, 4)):
        parts_loss, parts = gradient(budget, processes)
        assert parts_loss == pytest.approx(whole_loss, abs=1e-10)
        for one, other in zip(parts, whole, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    logprobs, _ = policy.logprobs(batch.tokens, temperature=1.0)
    assert whole_loss == pytest.approx(-float(logprobs.detach().sum()) / int(batch.tokens.mask_BT.sum()))


def test_the_loss_is_the_mean_over_the_learned_tokens_of_all_sequences_worked_by_hand(
    make_batch: Callable[..., CreditedBatch],
) -> None:
    batch = make_batch([[True, False, True], [True, False, False]])
    probabilities = torch.tensor([[0.5, 0.9, 0.25], [0.125, 0.1, 0.1]], dtype=torch.float64)
    logprobs = (probabilities.log() * batch.tokens.mask_BT).requires_grad_()
    loss, table = CrossEntropyObjective(batch).loss(batch, [0, 1], logprobs, None)
    # ln 2 + ln 4 + ln 8 = 6 ln 2, over three tokens: sequences of two tokens weigh twice those of one.
    assert loss.item() == pytest.approx(2 * math.log(2), abs=1e-15)
    (gradient,) = torch.autograd.grad(loss, [logprobs])
    assert (gradient * batch.tokens.mask_BT).tolist() == [[-1 / 3, 0, -1 / 3], [-1 / 3, 0, 0]]
    mean = pytest.approx(2 * math.log(2))
    assert step_metrics([table]) == {"tokens/trained": 3.0, "loss": mean, "nll": mean}
    # Of two updates the losses add up, and the mean is one over the tokens of both.
    assert step_metrics([table, table]) == {
        "tokens/trained": 6.0,
        "loss": pytest.approx(4 * math.log(2)),
        "nll": mean,
    }


def test_loss_and_gradient_are_those_of_an_oracle_in_loops_without_torch(
    mixed_rollouts: tuple[list[Rollout], list[int]], tiny_llama: Callable[..., LlamaForCausalLM]
) -> None:
    (rollouts, groups), model = mixed_rollouts, tiny_llama(tie_word_embeddings=False)
    algorithm = Rft(keep=2, least_score=0.5).build(around())
    tokens = algorithm.tokens(rollouts, groups)
    batch = algorithm.credit(rollouts, ScoredBatch(tokens=tokens))
    logprobs, _ = token_logprobs(model, tokens, temperature=1.0)
    loss, _ = CrossEntropyObjective(batch).loss(batch, list(range(len(rollouts))), logprobs, None)
    head = model.lm_head.weight
    (gradient,) = torch.autograd.grad(loss, [head])

    chosen = [row for row, one in enumerate(tokens.mask_BT.any(1).tolist()) if one]
    assert 0 < len(chosen) < len(rollouts)
    expected_loss, expected = oracle([rollouts[row] for row in chosen], model)
    assert loss.item() == pytest.approx(expected_loss, rel=1e-12)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-10, atol=1e-14)


def oracle(rollouts: list[Rollout], model: LlamaForCausalLM) -> tuple[float, np.ndarray]:
    """The mean of -log p over what is said, and its gradient by the output weights: softmax less the token, times h."""
    weights = model.lm_head.weight.detach().numpy()
    loss, gradient, count = 0.0, np.zeros_like(weights), sum(rollout.length for rollout in rollouts)
    for rollout in rollouts:
        ids = [*rollout.prompt_ids, *rollout.token_ids]
        with torch.no_grad():
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0].numpy()
        for place, said in enumerate(rollout.action_mask):
            if not said:
                continue
            h = hidden[len(rollout.prompt_ids) + place - 1]
            scores = [math.exp(float(weights[v] @ h)) for v in range(len(weights))]
            loss -= math.log(scores[rollout.token_ids[place]] / sum(scores)) / count
            for v in range(len(weights)):
                residual = scores[v] / sum(scores) - (v == rollout.token_ids[place])
                gradient[v] += residual * h / count
    return loss, gradient


def test_what_a_mask_hides_reaches_neither_loss_nor_gradient(
    make_batch: Callable[..., CreditedBatch],
) -> None:
    batch = make_batch([[True, False, False]])
    logprobs = torch.tensor([[-1.0, math.nan, -math.inf]], dtype=torch.float64, requires_grad=True)
    loss, table = CrossEntropyObjective(batch).loss(batch, [0], logprobs, None)
    assert (loss.item(), step_metrics([table])["loss"]) == (1.0, 1.0)
    assert torch.autograd.grad(loss, [logprobs])[0].tolist() == [[-1, 0, 0]]


def test_the_heat_of_sampling_is_not_that_of_the_loss() -> None:
    hot = load_recipe("rft", parse_overrides([*SMALL, "sampling.temperature=1.5"]))
    surroundings = Surroundings(
        reward=hot.reward,
        overlong=hot.overlong,
        max_tokens=4,
        updates_per_step=1,
        decode=str,
        temperature=1.5,
    )
    assert hot.algorithm.build(surroundings).temperature == 1.0
    assert config().algorithm.build(surroundings).temperature == 1.5


def test_warming_up_teaches_the_solutions(tmp_path: Path) -> None:
    more = [
        "warmup.steps=60",
        "warmup.batch_size=64",
        "warmup.learning_rate=3e-3",
        "optimizer.learning_rate=1e-9",
    ]
    settings = config(*more, f"run.dir={tmp_path}")
    trainer = Trainer(settings)
    policy, tasks = trainer.models.policy, trainer.env.tasks.take(20)
    tokens = shown(policy, tasks, [str(trainer.env.solution(task)) for task in tasks]).tokens

    def likelihood() -> float:
        with torch.no_grad():
            return float(policy.logprobs(tokens, temperature=1.0)[0].sum())

    before = likelihood()
    trainer.run()
    assert likelihood() > 0.3 * before


def test_a_warm_up_is_sft_on_the_same_rows(tmp_path: Path) -> None:
    """All twelve rows are in each of two steps; only their order differs, and with it how float32 rounds."""
    every = ["env.id=twelve_numbers", "model.path=tiny:0123456789>", "sampling.max_tokens=4"]
    warm = ["warmup.steps=2", "warmup.batch_size=12", "warmup.learning_rate=1e-3", "batch.prompts=2"]
    numbers = Environment(
        TaskSet.from_tasks([Task(id=str(n), prompt=f"{n}>", reference=n) for n in range(12)], name="numbers"),
        FunctionVerifier(lambda task, completion: True, solution=lambda task: str(task.reference)),
    )

    def trained(name: str, recipe: str, *more: str) -> Trainer:
        settings = parse_overrides([*every, f"run.dir={tmp_path / name}", "run.steps=2", *more])
        return Trainer(load_recipe(recipe, settings), env=numbers)

    sft = trained(
        "sft", "sft", "batch.prompts=12", "optimizer.learning_rate=1e-3", "optimizer.warmup_steps=0"
    )
    sft.run()
    warmed = trained("warm", "dr_grpo", *warm, "batch.group_size=2", "optimizer.learning_rate=1e-12")
    warmed.run()
    one, other = (trainer.models.policy.model.state_dict() for trainer in (sft, warmed))
    for name, weight in one.items():
        # The gradient of the keys' bias is zero, and Adam makes steps out of its rounding errors.
        atol = 2e-3 if name.endswith("attn.c_attn.bias") else 2e-5
        torch.testing.assert_close(other[name], weight, rtol=0, atol=atol)


def test_a_resumed_run_does_not_warm_up_again(tmp_path: Path) -> None:
    settings = config(f"run.dir={tmp_path}", "algorithm.entropy_coefficient=0.0")
    Trainer(settings).run()
    again = Trainer(config(f"run.dir={tmp_path}", "run.steps=2", "run.checkpoint_every=1"))
    assert again.resumed_from == 1
    again.run()
    assert [row["step"] for row in read_lines(tmp_path / "metrics.jsonl")] == [0, 1, 2]


def mute() -> Environment:
    tasks = TaskSet.from_tasks([Task(id=name, prompt="1>", reference=1) for name in "tu"], name="mute")
    return Environment(tasks, FunctionVerifier(lambda task, completion: True))


def test_a_warm_up_without_solutions_is_refused_by_task(tmp_path: Path) -> None:
    trainer = Trainer(config(f"run.dir={tmp_path}", "batch.prompts=2"), env=mute())
    with pytest.raises(ConfigError, match=r"knows no solution to task '[tu]'.*warmup=null"):
        trainer.run()
