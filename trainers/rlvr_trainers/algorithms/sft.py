"""SFT: cross-entropy on every turn of the assistant in what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rlvr_gym.config import Config

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class Sft(Config):
    """Supervised fine-tuning: nothing is sampled, each row of the data is shown as it is."""

    kind: Literal["sft"] = "sft"
    """SFT: the algorithm that these settings are of."""

    least_group: ClassVar[int] = 1

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.supervised import Supervised

        return Supervised(lambda rollouts: [True] * len(rollouts), around.reward)
