"""A reward model on pairs of answers that it has not learned from: accuracy, margins, calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.statistics.calibration import PairFigures, pair_figures
from rlvr_gym.tasks import Message, TaskSet
from rlvr_gym.verifiers.reward_model import RewardModel
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.data.demonstrations import Demonstrations
from rlvr_trainers.data.preferences import both_of, preferences
from rlvr_trainers.metrics import Metrics


def measure(model: RewardModel, source: str, *, split: str = "train", batch_size: int = 16) -> PairFigures:
    """The figures of a reward model on the pairs of a file, of a folder in the hub's format, or of a hub data set.

    Raises DataError for a row that is no pair, ConfigError for one that the model cannot read, VerifierFault where the
    model cannot be used.
    """
    conversations: list[tuple[Message, ...]] = []
    for task in preferences(source, split=split).tasks.take(None):
        conversations += [(*task.prompt, *said.messages) for said in both_of(task)]
    rewards = model.rewards_of(conversations, batch_size=batch_size)
    return pair_figures([good - bad for good, bad in zip(rewards[::2], rewards[1::2], strict=True)])


@final
class HeldOutPairs:
    """Pairs that a run measures its reward model on, every `every` steps and after the last of `steps`.

    Raises ConfigError for an answer that is longer than the model's `context`.
    """

    def __init__(
        self,
        tasks: TaskSet,
        demonstrations: Demonstrations,
        *,
        context: int | None,
        every: int,
        steps: int,
    ) -> None:
        self._every, self._steps = every, steps
        groups = [demonstrations.group(task, both_of(task)) for task in tasks.take(None)]
        rollouts = [rollout for group in groups for rollout in group]
        numbers = [number for number, group in enumerate(groups) for _ in group]
        self._tokens = TokenBatch.of_rollouts(rollouts, numbers)
        longest = int(self._tokens.lengths_B.max())
        if context is not None and longest > context:
            raise ConfigError(
                f"algorithm.held_out: an answer of {longest} tokens with its prompt is longer than the model's context "
                f"of {context}: leave it out"
            )

    def due(self, step: int) -> bool:
        """Return whether the pairs are measured after that step, the first being 1."""
        return step % self._every == 0 or step == self._steps

    def metrics(self, rewards: Callable[[TokenBatch], Tensor]) -> Metrics:
        """The figures of the rewards (B, T) that a model gives, each at an answer's last action token."""
        rewards_B = rewards(self._tokens).double().sum(1)
        found = pair_figures((rewards_B[::2] - rewards_B[1::2]).tolist())
        return {
            "held_out/accuracy": found.accuracy,
            "held_out/accuracy/low": found.accuracy_interval.low,
            "held_out/accuracy/high": found.accuracy_interval.high,
            "held_out/margin": found.mean_margin,
            "held_out/loss": found.loss,
            "held_out/calibration_error": found.calibration_error,
            "held_out/calibration_error/low": found.calibration_interval.low,
            "held_out/calibration_error/high": found.calibration_interval.high,
        }
