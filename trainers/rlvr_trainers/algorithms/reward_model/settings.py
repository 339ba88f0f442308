"""Reward models (arXiv 2203.02155): a number for an answer, such that the preferred one of a pair has the larger."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rlvr_gym.config import Config

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class RewardModelling(Config):
    """A reward model by Bradley and Terry, on pairs of data or of stored samples; nothing is sampled.

    The loss of a pair is -log sigmoid(reward of the preferred - reward of the other). Stored samples are paired as in
    DPO: the best with the worst, the second best with the second worst, as long as the one earned more.
    """

    kind: Literal["reward_model"] = "reward_model"
    """A reward model: the algorithm that these settings are of."""
    pairs: int = Field(default=1, ge=1)
    """Pairs of a prompt's stored samples at most."""
    held_out: str | None = None
    """Pairs that are measured and not learned from, as data.path names them: accuracy, margins, calibration."""
    measure_every: int = Field(default=10, ge=1)
    """Steps between these measurements."""

    least_group: ClassVar[int] = 1

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.reward_model.algorithm import BradleyTerry

        return BradleyTerry(self, around)
