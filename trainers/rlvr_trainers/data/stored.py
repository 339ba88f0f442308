"""Samples of stored evaluations as judged groups, a group for each prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.samples import Sample
from rlvr_gym.evaluation.stored import read_run
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_trainers.data.conversations import unjudged
from rlvr_trainers.data.said import Said


class StoredSamples:
    """The samples of the evaluations in `folders`, by task. The same task of several runs is one.

    Raises ConfigError where a folder holds no evaluation, or one with tools, DataError for a line that is no sample.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        runs = [read_run(folder) for folder in folders]
        several = len({run.conditions.environment for run in runs}) > 1
        self._samples: dict[str, list[Sample]] = {}
        for run in runs:
            if any(sample.calls is not None for sample in run.samples):
                raise ConfigError(
                    "data.runs: episodes with tools cannot be learned from, for what their prompts showed of the tools "
                    "is not stored: sample them anew (grpo, rft without data.runs)"
                )
            for sample in run.samples:
                task = f"{sample.environment}: {sample.task}" if several else sample.task
                self._samples.setdefault(task, []).append(sample)
        for task, samples in self._samples.items():
            if any(sample.prompt != samples[0].prompt for sample in samples):
                raise ConfigError(
                    f"data.runs: task '{task}' has another prompt in one of the runs than in another: name runs of "
                    "the same tasks"
                )
        self._name = ", ".join(folder.name for folder in folders)

    def environment(self) -> Environment:
        """The tasks that the samples are of, to which nothing new is judged."""
        tasks = [
            Task(id=task, prompt=samples[0].prompt, reference=self._digest(samples))
            for task, samples in self._samples.items()
        ]
        return unjudged(TaskSet.from_tasks(tasks, name=self._name))

    def said_in(self, task: Task) -> list[Said]:
        """The samples of a task, run by run."""
        return [
            Said(
                messages=(*sample.conversation, Message(role="assistant", content=sample.completion)),
                verdict=sample.verdict,
                finish_reason=sample.finish_reason,
            )
            for sample in self._samples[task.id]
        ]

    @staticmethod
    def _digest(samples: Sequence[Sample]) -> list[list[str | float | None]]:
        """All that is learned of samples, so that a resumed run notices others; steps where verdicts name any."""
        return [
            [
                *(sample.completion, sample.verdict.score),
                *(value for step in sample.verdict.steps for value in (*(step.span or ()), step.score)),
            ]
            for sample in samples
        ]
