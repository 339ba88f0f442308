"""DPO (arXiv 2305.18290), online DPO (arXiv 2402.04792) and IPO (arXiv 2310.12036): learn to prefer, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rlvr_trainers.loss_settings import PreferenceConfig

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class Dpo(PreferenceConfig):
    """Direct preference optimisation, on pairs of data (offline) or of the policy's own samples (online).

    Samples of a prompt are paired by what they earned: the best with the worst, the second best with the second worst,
    as long as the one earned more. Unscored samples are in no pair, and none that was cut off is preferred.
    """

    kind: Literal["dpo"] = "dpo"
    """DPO: the algorithm that these settings are of."""
    pairs: int = Field(default=1, ge=1)
    """Pairs of a prompt at most."""

    least_group: ClassVar[int] = 2

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.preference import Preference

        return Preference(self, around)
