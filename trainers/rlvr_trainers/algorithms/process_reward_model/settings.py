"""Process reward models (arXiv 2305.20050): for each step of an answer, the probability that it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rlvr_gym.config import Config
from rlvr_gym.verifiers.steps import Separator
from rlvr_trainers.data.steps.reading import Reading

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class ProcessRewardModelling(Config):
    """A process reward model, on labels of the steps of answers; nothing is sampled.

    The loss of a labelled step is the binary cross-entropy of the probability that the model has at the step's last
    token, a mean over the labelled steps of an optimizer step. Labels are people's (PRM800K), shares of right
    completions from there on (`rlvr label-steps`), or the verdicts on the steps of stored samples.
    """

    kind: Literal["process_reward_model"] = "process_reward_model"
    """A process reward model: the algorithm that these settings are of."""
    steps: Separator = "line"
    """A step: a line, a paragraph, or what stands in `<step>...</step>`. Texts of single steps are joined so, and the
    verifier cuts completions so."""
    labels: Literal["soft", "hard"] = "soft"
    """Labels between 0 and 1 as they are, or (Math-Shepherd's hard estimation) as 1 where they are above 0."""
    neutral: Literal["right", "wrong", "left_out"] = "right"
    """The label of what PRM800K rates 0: neither wrong nor of any use. The paper's scores count it as right."""
    held_out: str | None = None
    """Labelled answers that are measured and not learned from, as data.path names them."""
    measure_every: int = Field(default=10, ge=1)
    """Steps between these measurements."""

    least_group: ClassVar[int] = 1

    @property
    def reading(self) -> Reading:
        """The settings that labels are read by."""
        return Reading(by=self.steps, labels=self.labels, neutral=self.neutral)

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.process_reward_model.algorithm import StepLabels

        return StepLabels(around)
