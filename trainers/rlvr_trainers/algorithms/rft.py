"""Rejection-sampling fine-tuning (arXiv 2308.01825): sample hot, verify, select, fine-tune on what was selected."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rlvr_gym.config import Config

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class Rft(Config):
    """Rejection-sampling fine-tuning: SFT on the best of a policy's own samples.

    Samples that say the same are one. Those that could not be judged, or were cut off, are never selected.
    """

    kind: Literal["rft"] = "rft"
    """Rejection-sampling fine-tuning: the algorithm that these settings are of."""
    keep: int = Field(default=4, ge=1)
    """Samples selected of a prompt at most, under however many task ids it stands: the best."""
    least_score: float = Field(default=1.0, gt=0.0, le=1.0)
    """The least score that a sample is selected with: 1 selects right ones only."""
    among_equals: Literal["random", "shortest"] = "random"
    """The order of samples that earned the same."""

    least_group: ClassVar[int] = 1

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.supervised import Supervised
        from rlvr_trainers.credit.selection import best_of_each_prompt

        choose = partial(
            best_of_each_prompt,
            keep=self.keep,
            least_score=self.least_score,
            among_equals=self.among_equals,
            seed=around.seed,
        )
        return Supervised(choose, around.reward)
