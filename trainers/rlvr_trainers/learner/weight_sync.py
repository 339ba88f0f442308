"""Weights for the sampler: published after every step, and never other ones than those that were trained."""

from __future__ import annotations

from typing import Protocol, final

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_trainers.learner.policy import Policy


class WeightSync(Protocol):
    """Brings the learner's weights to where samples are drawn."""

    def publish(self, version: int) -> None:
        """Make the sampler use the policy's weights, as they are after optimizer step `version`.

        Raises TrainingError where it does not, whatever the cause: a failed update never samples.
        """
        ...


@final
class SharedWeights:
    """Of a sampler in this process, which reads the very tensors that are trained: there is nothing to bring."""

    def __init__(self, generator: TransformersGenerator, policy: Policy) -> None:
        self._generator, self._policy = generator, policy

    def publish(self, version: int) -> None:
        """See that the tensors are still the same."""
        if self._generator.model is not self._policy.model:
            raise TrainingError(
                f"after optimizer step {version} the sampler holds another model than the learner"
            )
