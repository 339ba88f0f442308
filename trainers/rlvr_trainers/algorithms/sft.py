"""SFT: cross-entropy on every turn of the assistant in what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rlvr_gym.config import Config
from rlvr_gym.rollouts import Rollout
from rlvr_gym.verdicts import FinishReason

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class Sft(Config):
    """Supervised fine-tuning: nothing is sampled, each row of the data is shown as it is.

    Of stored samples, another model's say, all are shown that were not cut off, right or wrong.
    """

    kind: Literal["sft"] = "sft"
    """SFT: the algorithm that these settings are of."""

    least_group: ClassVar[int] = 1

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.supervised import Supervised

        return Supervised(lambda rollouts: [_finished(rollout) for rollout in rollouts], around.reward)


def _finished(rollout: Rollout) -> bool:
    """Return whether a stored sample ended by itself: the end of another is not its sampler's."""
    return rollout.finish_reason is FinishReason.STOP
