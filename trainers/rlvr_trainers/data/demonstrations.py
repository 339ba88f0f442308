"""Demonstrations: what a policy is shown as if it had said it, token by token; some of it wrong on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import final

from transformers import PreTrainedTokenizerBase

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import EncodedConversation, TurnFrame, encode_conversation
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.seeding import derive_rng
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import FinishReason
from rlvr_trainers.data.said import Said

_REMEMBERED = 2**16
"""Largest number of encoded conversations that are remembered."""
_LONGEST_REMEMBERED = 2**9
"""Characters of the longest that is."""


@final
class Demonstrations:
    """Conversations as rollouts: the action tokens are the assistant's turns and their ends.

    Args:
        tokenizer: encodes them, by its chat template.
        frame: stands around a turn of the assistant.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, frame: TurnFrame) -> None:
        self._tokenizer, self._frame = tokenizer, frame
        # Epochs repeat the same rows, and encoding one costs as much as half a tiny model's update on it.
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self.encode)

    def encode(self, prompt: tuple[Message, ...], said: tuple[Message, ...]) -> EncodedConversation:
        """The ids of a conversation. Raises ConfigError where the template refuses it."""
        return encode_conversation(self._tokenizer, (*prompt, *said), self._frame)

    def rollout(self, task: Task, said: Said, *, sample: int = 0) -> Rollout:
        """The episode in which `said` followed the task's prompt."""
        messages = (*task.prompt, *said.messages)
        short = sum(len(message.content) for message in messages) <= _LONGEST_REMEMBERED
        encoded = (self._remembered if short else self.encode)(task.prompt, said.messages)
        # A turn that was cut off has no end: none was sampled, and a reward is read where it stops.
        cut = said.finish_reason is FinishReason.LENGTH and len(encoded.token_ids) > 1
        end = len(encoded.token_ids) - cut
        return Rollout(
            task=task,
            sample=sample,
            prompt_ids=encoded.prompt_ids,
            token_ids=encoded.token_ids[:end],
            action_mask=encoded.said_mask[:end],
            logprobs=(0.0,) * end,
            messages=said.messages,
            finish_reason=said.finish_reason,
            verdict=said.verdict,
        )

    def group(self, task: Task, said: Sequence[Said]) -> Group:
        """All that was said to a task."""
        return tuple(self.rollout(task, one, sample=sample) for sample, one in enumerate(said))

    def of_labels(self, tasks: Sequence[Task], labels: Sequence[str]) -> list[Rollout]:
        """Each task with its label as the only turn."""
        return [self.rollout(task, as_turn(label)) for task, label in zip(tasks, labels, strict=True)]


def as_turn(label: str) -> Said:
    """A text as the assistant's only turn."""
    return Said(messages=(Message(role="assistant", content=label),))


def labels_of(
    env: Environment,
    tasks: Sequence[Task],
    *,
    noise: float,
    seed: int,
    remedy: str = "leave it out with warmup=null",
) -> list[str]:
    """Each task's solution; for a share `noise` of tasks, always the same ones, another task's that is wrong.

    Raises ConfigError, with the `remedy`, for a task that the environment knows no solution to.
    """
    solutions = [solution_of(env, task, remedy) for task in tasks]
    labels = []
    for task, solution in zip(tasks, solutions, strict=True):
        rng = derive_rng(seed, "label", task.id)
        others = [other for other in solutions if other != solution] if rng.random() < noise else []
        labels.append(rng.choice(others) if others else solution)
    return labels


def solution_of(env: Environment, task: Task, remedy: str) -> str:
    """The environment's solution to a task. Raises ConfigError, with the `remedy`, where it knows none."""
    solution = env.solution(task)
    if solution is None:
        raise ConfigError(
            f"the environment knows no solution to task '{task.id}', so there is nothing to imitate: {remedy}"
        )
    return solution
