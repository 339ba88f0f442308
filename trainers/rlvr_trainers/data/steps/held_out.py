"""A process reward model on labelled answers that it has not learned from."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.statistics.intervals import mean_interval
from rlvr_gym.tasks import TaskSet
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.data.steps.demonstrations import StepDemonstrations, labels_of
from rlvr_trainers.data.steps.labels import labelled_in
from rlvr_trainers.metrics import Metrics


@final
class HeldOutSteps:
    """Labelled answers that a run measures its model on, every `every` steps and after the last of `steps`.

    Raises ConfigError for an answer that is longer than the model's `context`.
    """

    def __init__(
        self,
        tasks: TaskSet,
        demonstrations: StepDemonstrations,
        *,
        context: int | None,
        every: int,
        steps: int,
    ) -> None:
        self._every, self._steps = every, steps
        groups = [demonstrations.group(task, labelled_in(task)) for task in tasks.take(None)]
        rollouts = [rollout for group in groups for rollout in group]
        self._tasks = [number for number, group in enumerate(groups) for _ in group]
        self._tokens = TokenBatch.of_rollouts(rollouts, self._tasks)
        self._labels = labels_of(rollouts)
        longest = int(self._tokens.lengths_B.max())
        if context is not None and longest > context:
            raise ConfigError(
                f"algorithm.held_out: an answer of {longest} tokens with its prompt is longer than the model's context "
                f"of {context}: leave it out"
            )

    def due(self, step: int) -> bool:
        """Return whether they are measured after that step, the first being 1."""
        return step % self._every == 0 or step == self._steps

    def metrics(self, scores: Callable[[TokenBatch], Tensor]) -> Metrics:
        """The figures of the logits (B, T) that a model gives, each at the last token of a step."""
        mask_BT = self._tokens.mask_BT
        scores_N, labels_N = scores(self._tokens)[mask_BT].double(), torch.tensor(self._labels).double()
        rows_N = mask_BT.nonzero()[:, 0].tolist()
        right_N = ((scores_N > 0) == (labels_N > 0.5)).double().numpy()
        interval = mean_interval(right_N, seed=0, clusters=[self._tasks[row] for row in rows_N])
        return {
            "held_out/accuracy": float(right_N.mean()),
            "held_out/accuracy/low": interval.low,
            "held_out/accuracy/high": interval.high,
            "held_out/loss": float((softplus(scores_N) - labels_N * scores_N).mean()),
            "held_out/ranking": ranking(scores_N.numpy(), labels_N.numpy() > 0.5),
        }


def ranking(scores: np.ndarray, right: np.ndarray) -> float:
    """The probability that a right step has a higher score than a wrong one, equal scores counting half.

    It is 1/2 where all steps are right, or all wrong: there is nothing to tell apart.
    """
    good, bad = scores[right], np.sort(scores[~right])
    if not len(good) or not len(bad):
        return 0.5
    below, upto = np.searchsorted(bad, good, "left"), np.searchsorted(bad, good, "right")
    return float((below + upto).mean() / (2 * len(bad)))
