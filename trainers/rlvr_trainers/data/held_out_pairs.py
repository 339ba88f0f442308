"""A reward model on pairs of answers that it has not learned from: accuracy, margins, calibration."""

from __future__ import annotations

from rlvr_gym.evaluation.statistics.calibration import PairFigures, pair_figures
from rlvr_gym.tasks import Message
from rlvr_gym.verifiers.reward_model import RewardModel
from rlvr_trainers.data.preferences import both_of, preferences


def measure(model: RewardModel, source: str, *, split: str = "train", batch_size: int = 16) -> PairFigures:
    """The figures of a reward model on the pairs of a file, of a folder in the hub's format, or of a hub data set.

    Raises DataError for a row that is no pair, ConfigError for one that the model cannot read, VerifierFault where the
    model cannot be used.
    """
    tasks = preferences(source, split=split).tasks.take(None)
    conversations: list[tuple[Message, ...]] = []
    for task in tasks:
        conversations += [(*task.prompt, *said.messages) for said in both_of(task)]
    rewards = model.rewards_of(conversations, batch_size=batch_size)
    return pair_figures([good - bad for good, bad in zip(rewards[::2], rewards[1::2], strict=True)])
