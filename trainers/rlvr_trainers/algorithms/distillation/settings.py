"""On-policy distillation (GKD, arXiv 2306.13649): a teacher's distributions on what the student itself has sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from rlvr_gym.config import Config
from rlvr_trainers.loss_settings import Aggregation, Divergence

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class Distill(Config):
    """On-policy distillation: the student samples, and is drawn to its teacher's distribution at each of its tokens.

    Verdicts are measured and teach nothing, so samples that could not be judged count like all others. The gradient
    through the choice of samples is left out, as in the paper.
    """

    kind: Literal["distill"] = "distill"
    """On-policy distillation: the algorithm that these settings are of."""
    teacher: str = Field(min_length=1)
    """The teacher, a folder or a hub id: frozen, and with the student's tokenizer."""
    divergence: Divergence = "reverse_kl"
    """KL(student || teacher), KL(teacher || student), or the generalised Jensen-Shannon divergence."""
    beta: float | None = Field(default=None, gt=0.0, lt=1.0)
    """The teacher's share of the mixture that `divergence=jsd` measures to."""
    vocabulary: Literal["full", "sampled"] = "full"
    """Compare whole distributions, or estimate the reverse KL from the sampled token alone: less to compute, a noisier
    gradient."""
    aggregation: Aggregation = "sequence_mean"
    """Reduces the divergences of single tokens to one number: GKD takes means over each sequence, then over these."""

    least_group: ClassVar[int] = 1

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.distillation.algorithm import Distillation

        return Distillation(self, around)

    @model_validator(mode="after")
    def _places_fit_together(self) -> Distill:
        if self.vocabulary == "sampled" and self.divergence != "reverse_kl":
            raise ValueError(
                f"vocabulary=sampled estimates the reverse KL: divergence={self.divergence} needs vocabulary=full"
            )
        if self.divergence == "jsd" and self.beta is None:
            raise ValueError("divergence=jsd needs beta, the teacher's share of the mixture (0.5, say)")
        if self.divergence != "jsd" and self.beta is not None:
            raise ValueError(
                f"beta has no meaning with divergence={self.divergence}: leave it out, or set divergence=jsd"
            )
        return self
