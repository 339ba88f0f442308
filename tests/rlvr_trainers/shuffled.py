"""Controls of learning: runs whose rewards are shuffled, from which nothing can be learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from rlvr_trainers.sampling.buffer import Play, StepRollouts
from rlvr_trainers.sampling.collector import InTurn
from rlvr_trainers.trainer import Trainer

from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task

Shuffle = Callable[[Sequence[Group]], list[Group]]


def inside_each_group(groups: Sequence[Group]) -> list[Group]:
    """Give the samples of a prompt each other's rewards."""
    return [_dealt_out(group, group[0].task.id, *map(_said, group)) for group in groups]


def among_all(groups: Sequence[Group]) -> list[Group]:
    """Give all samples of a round each other's rewards.

    Within a prompt's, which prompts are easy would still teach a critic's policy.
    """
    together = tuple(rollout for group in groups for rollout in group)
    rest = iter(_dealt_out(together, together[0].task.id, *map(_said, together)))
    return [tuple(next(rest) for _ in group) for group in groups]


def shuffle_rewards(trainer: Trainer, shuffle: Shuffle) -> None:
    """Let a trainer see the rewards of other samples."""
    assert isinstance(trainer.source, InTurn)
    buffer = trainer.source.buffer
    take = buffer.take

    def take_shuffled(weights_version: int, play: Play) -> StepRollouts:
        def played(tasks: Sequence[Task], round_number: int) -> list[Group]:
            return shuffle(play(tasks, round_number))

        return take(weights_version, played)

    buffer.take = take_shuffled


def pass_at_1(trainer: Trainer, shuffle: Shuffle | None = None) -> tuple[float, float]:
    """Held-out pass@1 before and after a run."""
    if shuffle:
        shuffle_rewards(trainer, shuffle)
    result = trainer.run()
    assert result.before is not None
    assert result.after is not None
    return result.before.value, result.after.value


def _dealt_out(rollouts: Sequence[Rollout], *seeded_by: str) -> Group:
    order = np.random.default_rng(derive_seed("shuffle", *seeded_by)).permutation(len(rollouts))
    return tuple(
        dataclasses.replace(one, verdict=rollouts[i].verdict, turn_rewards=rollouts[i].turn_rewards)
        for one, i in zip(rollouts, order, strict=True)
    )


def _said(rollout: Rollout) -> str:
    return "\n".join(message.content for message in rollout.messages)
