"""Labelled answers as rollouts: the action tokens are the last ones of the steps that have a label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

from transformers import PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import TurnFrame
from rlvr_gym.generation.step_scores import encode_steps
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Outcome, Verdict
from rlvr_trainers.data.said import Said


@final
class StepDemonstrations:
    """Answers as a process reward model reads them: up to the end of the last step that their verdict names.

    Args:
        tokenizer: encodes them, by its chat template.
        frame: stands around a turn of the assistant.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, frame: TurnFrame) -> None:
        self._tokenizer, self._frame = tokenizer, frame

    def rollout(self, task: Task, said: Said, *, sample: int = 0) -> Rollout:
        """An answer, of which the last tokens of its steps are learned from.

        Raises ConfigError where the template refuses it, and for one without steps.
        """
        steps = _steps(said.verdict)
        ends = [step.span[1] for step in steps if step.span is not None]
        if said.verdict.scored and not said.verdict.steps:
            raise ConfigError(
                "the verdict names no steps: judge samples by a verifier that does (Steps, ProcessRewardModel)"
            )
        if any(one >= following for one, following in pairwise(ends)):
            raise ConfigError("two verdicts are on steps that end at the same place: learn from one of them")
        encoded = encode_steps(self._tokenizer, (*task.prompt, *said.messages), ends, self._frame)
        labelled = {end for end, step in zip(encoded.ends, steps, strict=True) if step.scored}
        count = len(encoded.token_ids)
        return Rollout(
            task=task,
            sample=sample,
            prompt_ids=encoded.prompt_ids,
            token_ids=encoded.token_ids,
            action_mask=tuple(place in labelled for place in range(count)),
            logprobs=(0.0,) * count,
            messages=said.messages,
            finish_reason=said.finish_reason,
            verdict=said.verdict,
        )

    def group(self, task: Task, said: Sequence[Said]) -> Group:
        """All labelled answers to a task."""
        return tuple(self.rollout(task, one, sample=sample) for sample, one in enumerate(said))


def labels_of(rollouts: Sequence[Rollout]) -> list[float]:
    """The labels of all action tokens, in the mask's order."""
    steps = [step for rollout in rollouts for step in _steps(rollout.verdict)]
    return [step.score for step in steps if step.score is not None]


def _steps(verdict: Verdict) -> list[Verdict]:
    """The steps that a verdict judged; one that stands for an answer without steps is none."""
    if not verdict.scored:
        return []
    return [step for step in verdict.steps if step.outcome is not Outcome.MALFORMED]
