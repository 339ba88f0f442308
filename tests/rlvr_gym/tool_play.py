"""Tools, an environment that has them, and a policy that calls them turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import pytest

import rlvr_gym as rg
from tests.rlvr_gym.tool_families import (
    TOOL_FAMILIES,
    WITHOUT_TOOLS,
    Speaker,
)

KNOWING = list(TOOL_FAMILIES)
EVERY_FAMILY = pytest.mark.parametrize("family", [*TOOL_FAMILIES, *WITHOUT_TOOLS])
TASK = rg.Task(id="t", prompt="What is 12 + 30?", reference="42")
Script = Callable[[int, Sequence[rg.Message]], str]


class Counter:
    """The state of an episode."""

    def __init__(self, task: rg.Task) -> None:
        self.total, self.task = 0, task


@rg.tool
def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: the first
        b: the second
    """
    return a + b


@rg.tool
def keep(counter: rg.State[Counter], number: int | str) -> str:
    """Keep a number."""
    counter.total += int(number)
    return f"total {counter.total}"


@rg.tool
def fail(text: str = "no") -> str:
    """Fail."""
    raise RuntimeError(text)


@rg.tool
def say(text: str) -> str:
    """Say a text."""
    return text


@rg.tool
def broken() -> str:
    """Break."""
    raise rg.VerifierFault("the database is down")


def right(task: rg.Task, completion: rg.Completion) -> bool:
    return "It is 42." in completion.text


def env_of(*tools: rg.Tool, **settings: Any) -> rg.Environment:
    tasks = rg.TaskSet.from_tasks([TASK], name="sums")
    given: dict[str, Any] = {"state": Counter, "tools": tools or (add, keep, fail, say), **settings}
    return rg.Environment(tasks, rg.FunctionVerifier(right), **given)


def speak(family: str, *turns: str, cut: bool = False) -> Speaker:
    """A policy that says these turns one after the other, and the last one ever again."""

    def script(request: rg.GenerationRequest, sample: int) -> str:
        said = sum(message.role == "assistant" for message in request.messages)
        return turns[min(said, len(turns) - 1)]

    return Speaker(family, script, cut=cut)


def play(
    speaker: Speaker, env: rg.Environment | None = None, *, max_tokens: int = 400, group_size: int = 1
) -> rg.Rollout:
    (group,) = rg.rollout(
        env or env_of(),
        speaker,
        [TASK],
        rg.SamplingParams(max_tokens=max_tokens),
        group_size=group_size,
        seed=0,
    )
    assert all(one == group[0] or one.sample for one in group)
    return group[0]


def runs(rollout: rg.Rollout) -> list[tuple[bool, tuple[int, ...]]]:
    """The turns of policy and environment: whether sampled, and the ids."""
    pairs = zip(rollout.action_mask, rollout.token_ids, strict=True)
    return [
        (sampled, tuple(id for _, id in run)) for sampled, run in groupby(pairs, key=lambda pair: pair[0])
    ]


def outcomes(rollout: rg.Rollout) -> list[str]:
    assert rollout.calls is not None
    return [str(call.outcome) for call in rollout.calls]


def told(rollout: rg.Rollout) -> list[str]:
    return [message.content for message in rollout.messages if message.role == "tool"]


def tags(*bodies: str) -> str:
    return "".join(f"<tool_call>{body}</tool_call>" for body in bodies)
