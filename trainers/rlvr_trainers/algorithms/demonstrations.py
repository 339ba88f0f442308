"""Demonstrations: an environment's own solutions as sequences to imitate, some of them wrong on purpose."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import encode_demonstration, encode_prompt
from rlvr_gym.seeding import derive_rng
from rlvr_gym.tasks import Task
from rlvr_trainers.batch import ScoredBatch, TokenBatch
from rlvr_trainers.learner.policy import Policy


def demonstrations(policy: Policy, tasks: Sequence[Task], labels: Sequence[str]) -> ScoredBatch:
    """Each task with its label as the policy would say it: all of it, and the end of the turn, is to be learned."""
    tokenizer = policy.tokenizer
    prompts = [encode_prompt(tokenizer, task.prompt) for task in tasks]
    said = [encode_demonstration(tokenizer, p, label) for p, label in zip(prompts, labels, strict=True)]
    completions = [(*ids, policy.end_id) for ids in said]
    tokens = TokenBatch.of_sequences(
        prompts,
        completions,
        masks=[(True,) * len(ids) for ids in completions],
        logprobs=[(0.0,) * len(ids) for ids in completions],
        groups=[0] * len(tasks),
        scored=[True] * len(tasks),
    )
    return ScoredBatch(tokens=tokens)


def labels_of(env: Environment, tasks: Sequence[Task], *, noise: float, seed: int) -> list[str]:
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
