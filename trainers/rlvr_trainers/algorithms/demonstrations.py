"""Demonstrations: an environment's own solutions as sequences to imitate, some of them wrong on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import encode_demonstration, encode_prompt
from rlvr_gym.seeding import derive_rng
from rlvr_gym.tasks import Message, Task
from rlvr_trainers.batch import ScoredBatch, TokenBatch
from rlvr_trainers.learner.policy import Policy

_REMEMBERED = 2**16
"""Largest number of encoded pairs that are remembered."""


class Demonstrations:
    """Labels as the policy would say them: all of each, and the end of the turn, is to be learned."""

    def __init__(self, policy: Policy) -> None:
        self._tokenizer, self._end_id = policy.tokenizer, policy.end_id
        # Epochs repeat the same pairs, and encoding one costs as much as half a tiny model's update on it.
        self._encoded = lru_cache(maxsize=_REMEMBERED)(self._encode)

    def batch(self, tasks: Sequence[Task], labels: Sequence[str]) -> ScoredBatch:
        """Each task with its label, one sequence a row."""
        pairs = [self._encoded(task.prompt, label) for task, label in zip(tasks, labels, strict=True)]
        prompts, completions = [prompt for prompt, _ in pairs], [said for _, said in pairs]
        tokens = TokenBatch.of_sequences(
            prompts,
            completions,
            masks=[(True,) * len(ids) for ids in completions],
            logprobs=[(0.0,) * len(ids) for ids in completions],
            groups=[0] * len(tasks),
            scored=[True] * len(tasks),
        )
        return ScoredBatch(tokens=tokens)

    def _encode(self, messages: tuple[Message, ...], label: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        prompt = encode_prompt(self._tokenizer, messages)
        return prompt, (*encode_demonstration(self._tokenizer, prompt, label), self._end_id)


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
