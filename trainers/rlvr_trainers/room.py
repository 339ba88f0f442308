"""Whether prompts leave room for an answer in the model's context, found out before any work is done."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import encode_prompt
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.tasks import Message, Task, TaskSet

ENDLESS_SAMPLE = 64
"""How many tasks of an endless set are looked at; the generator refuses a longer one when it comes."""


def refuse_prompts_without_room(
    tasks: TaskSet, generator: TransformersGenerator, *, max_tokens: int, limit: int | None = None
) -> None:
    """Raise ConfigError, naming the longest, when prompts and `max_tokens` exceed the model's context.

    Of a finite set every task is looked at, or the first `limit`.
    """
    if generator.context is None:
        return
    count = limit if tasks.size is not None else min(limit or ENDLESS_SAMPLE, ENDLESS_SAMPLE)
    lengths = _lengths_over(generator.context - max_tokens, tasks.take(count), generator)
    if not lengths:
        return
    task, length = max(lengths, key=lambda pair: pair[1])
    fit = generator.context - length
    remedy = f"lower sampling.max_tokens to at most {fit}, or" if fit > 0 else "shorten it, or"
    raise ConfigError(
        f"{len(lengths)} prompts of '{tasks.name}' ({tasks.split}) leave no room for sampling.max_tokens={max_tokens} "
        f"in the model's context of {generator.context} tokens; the longest, task '{task.id}' "
        f"('{' '.join(task.text.split())[:60]}...'), has {length}: {remedy} take such tasks out of the data"
    )


def _lengths_over(
    room: int, tasks: Sequence[Task], generator: TransformersGenerator
) -> list[tuple[Task, int]]:
    """(task, tokens of its prompt) where these are more than `room`.

    Only prompts that may be too long are encoded: a token stands for one byte or more, and the chat
    template adds to each message what it adds to an empty one.
    """
    added = len(encode_prompt(generator.tokenizer, (Message(role="user", content=""),)))
    found = []
    for task in tasks:
        most = sum(len(message.content.encode()) + added for message in task.prompt)
        if most > room:
            length = len(encode_prompt(generator.tokenizer, task.prompt))
            if length > room:
                found.append((task, length))
    return found
