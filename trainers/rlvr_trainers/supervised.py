"""The supervised stage before reinforcement learning: for tiny models and for cold starts."""

from __future__ import annotations

import numpy as np
import torch
from torch.optim import AdamW

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.chat import demonstration, encode_prompt
from rlvr_gym.rollouts import Rollout
from rlvr_gym.seeding import derive_rng, derive_seed
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import FinishReason, Verdict
from rlvr_trainers.batch import TokenBatch, microbatches
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.display import Display
from rlvr_trainers.groups import TaskStream
from rlvr_trainers.policy import Policy
from rlvr_trainers.ranks import Ranks


def warm_up(policy: Policy, env: Environment, config: TrainConfig, display: Display, ranks: Ranks) -> None:
    """Maximise the log-likelihood of the environment's own solutions, averaged over tokens.

    Deterministic given the run's seed; interrupted, it starts again.
    """
    settings = config.warmup
    assert settings is not None
    stream = TaskStream(env.tasks, seed=derive_seed(config.run.seed, "warm-up"))
    optimizer = AdamW(policy.parameters, lr=settings.learning_rate, weight_decay=0.0)
    display.start("warm-up", settings.steps)
    for step in range(1, settings.steps + 1):
        tasks = [task for _ in range(settings.batch_size) for task in stream.draw(1)]
        labels = _labels(env, tasks, settings.label_noise, config.run.seed)
        pairs = list(zip(tasks, labels, strict=True))
        batch = TokenBatch.of(
            [_demonstration(policy, task, label) for task, label in pairs],
            [0] * len(pairs),
            np.zeros(len(pairs)),
        )
        loss = _likelihood_step(policy, batch, config.batch.microbatch_tokens, ranks)
        if not np.isfinite(loss):
            raise TrainingError(f"warm-up step {step}: the loss is {loss}; lower warmup.learning_rate")
        torch.nn.utils.clip_grad_norm_(policy.parameters, config.optimizer.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        display.advance(step, f"loss {loss:.3f}")
    display.stop()


def _likelihood_step(policy: Policy, batch: TokenBatch, budget_tokens: int, ranks: Ranks) -> float:
    """Gradients of the mean negative log-likelihood over the batch's tokens; returns it."""
    total = 0.0
    tokens = int(batch.mask_BT.sum())
    lengths = batch.lengths_B.tolist()
    for rows in microbatches(lengths, budget_tokens, part=ranks.rank, parts=ranks.world):
        part = batch.select(rows).to(policy.device)
        logprobs_BT, _ = policy.logprobs(part, temperature=1.0)
        loss = -logprobs_BT.sum() / tokens
        loss.backward()
        total += float(loss.detach())
    ranks.sum_gradients(policy.parameters)
    return sum(ranks.gather([total]))


def _labels(env: Environment, tasks: list[Task], noise: float, seed: int) -> list[str]:
    """Each task's solution; for a share `noise` of tasks, always the same ones, another task's that is wrong."""
    solutions = [_solution(env, task) for task in tasks]
    labels = []
    for task, solution in zip(tasks, solutions, strict=True):
        rng = derive_rng(seed, "label", task.id)
        others = [other for other in solutions if other != solution] if rng.random() < noise else []
        labels.append(rng.choice(others) if others else solution)
    return labels


def _solution(env: Environment, task: Task) -> str:
    solution = env.solution(task)
    if solution is None:
        raise ConfigError(
            f"the environment knows no solution to task '{task.id}', so there is nothing to warm up on: "
            "leave it out with warmup=null"
        )
    return solution


def _demonstration(policy: Policy, task: Task, label: str) -> Rollout:
    """The label as if it had been sampled: every token of it, and the end of the turn, is to be learned."""
    tokenizer = policy.tokenizer
    prompt_ids = encode_prompt(tokenizer, task.prompt)
    said = demonstration(tokenizer, prompt_ids, label)
    ids = (*tokenizer.encode(said, add_special_tokens=False), policy.end_id)
    return Rollout(
        task=task,
        sample=0,
        prompt_ids=prompt_ids,
        token_ids=ids,
        action_mask=(True,) * len(ids),
        logprobs=(0.0,) * len(ids),
        messages=(Message(role="assistant", content=label),),
        finish_reason=FinishReason.STOP,
        verdict=Verdict.right(),
    )
