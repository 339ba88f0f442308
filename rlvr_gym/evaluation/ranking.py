"""Rank samples by a model that judges, so as to choose one of several: for bon@k."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.evaluation.samples import Key, Sample
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion
from rlvr_gym.verifiers.base import Verifier, judge
from rlvr_gym.verifiers.process_reward import STEP_HEAD, Aggregate, ProcessRewardModel
from rlvr_gym.verifiers.reward_model import HEAD, RewardModel


def ranks_of(
    ranker: Verifier, samples: Iterable[Sample], on_ranked: Callable[[int], object] = lambda count: None
) -> dict[Key, float]:
    """The score that `ranker` gives to each sample, which sees its prompt and what was said, and no reference.

    What the sampler failed to give has none. `on_ranked` is told how many are ranked. Raises VerifierFault where the
    ranker fails: a choice among some of the samples would be another one.
    """
    ranks: dict[Key, float] = {}
    for sample in samples:
        if sample.failed:
            continue
        task = Task(id=sample.task, prompt=(*sample.prompt, *sample.conversation))
        completion = Completion(text=sample.completion, finish_reason=sample.finish_reason)
        verdict = judge(ranker, task, completion)
        if verdict.score is None:
            raise VerifierFault(
                f"task '{sample.task}', sample {sample.sample} has no rank: {verdict.detail or 'no reason given'}"
            )
        ranks[sample.key] = verdict.score
        on_ranked(len(ranks))
    return ranks


def ranker_in(folder: Path, aggregate: Aggregate | None = None) -> RewardModel | ProcessRewardModel:
    """The model of a folder that judges. Raises ConfigError where there is none, and for an aggregate of no steps."""
    if (folder / STEP_HEAD).exists():
        return ProcessRewardModel(folder, aggregate=aggregate or "product")
    if not (folder / HEAD).exists():
        raise ConfigError(
            f"{folder} is no folder of a model that judges (neither {HEAD} nor {STEP_HEAD}): rlvr train reward_model "
            "and rlvr train prm write one"
        )
    if aggregate is not None:
        raise ConfigError(f"{folder} holds a reward model, which scores no steps: leave out --aggregate")
    return RewardModel(folder)
