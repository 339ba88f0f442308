"""Judging completions that exist already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict


def judge_all(
    env: Environment, pairs: Iterable[tuple[Task, Completion]], *, batch_size: int = 64
) -> Iterator[Verdict]:
    """The verdict on each completion as the final turn of its task, in order; batches are judged concurrently.

    In a multi-turn environment nothing but the final turn is looked at: the turns before it are not played.
    """
    final_turn = Environment(env.tasks, env.verifier)
    remaining = iter(pairs)
    while batch := list(islice(remaining, batch_size)):
        lanes = GroupVectorEnv(final_turn, len(batch), 1)
        try:
            lanes.reset(options={"tasks": [task for task, _ in batch]})
            for lane, (_, completion) in enumerate(batch):
                lanes.send(lane, completion)
            for lane in range(len(batch)):
                verdict = lanes.recv(lane).verdict
                assert verdict is not None
                yield verdict
        finally:
            lanes.close()
