"""SFT: cross-entropy on every turn of the assistant in what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

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
    multi_token_weight: float = Field(default=0.0, ge=0.0)
    """Weight of the loss of a module above the model that predicts one token more, kept beside the model, with which
    `generator.draft=mtp` samples; 0 is no such module. DeepSeek-V3 has 0.3, later 0.1."""

    least_group: ClassVar[int] = 1

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.supervised import Supervised

        def finished(rollouts: Sequence[Rollout]) -> list[bool]:
            return [_finished(rollout) for rollout in rollouts]

        return Supervised(finished, around.reward, multi_token_weight=self.multi_token_weight)


def _finished(rollout: Rollout) -> bool:
    """Return whether a stored sample ended by itself: the end of another is not its sampler's."""
    return rollout.finish_reason is FinishReason.STOP
