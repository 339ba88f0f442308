"""Judging the stored completions of an evaluation again, with today's verifier."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError, DataError, TooManyUnscored
from rlvr_gym.evaluation.answers import wrong_answers
from rlvr_gym.evaluation.judging import judge_all
from rlvr_gym.evaluation.run import SAMPLES, SUMMARY, held
from rlvr_gym.evaluation.samples import Sample
from rlvr_gym.evaluation.statistics.summary import EvaluationResult, commonest_fault, summarize
from rlvr_gym.evaluation.stored import StoredRun, read_run
from rlvr_gym.files import JsonObject, append_lines, write_atomically
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome

RESCORINGS = "rescorings.jsonl"
"""The history of rescorings, a line each: the time, the version, and the flips."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejudged:
    """A sample as it stands in the file, and with today's verdict."""

    stored: Sample
    today: Sample

    @property
    def flip(self) -> tuple[Outcome, Outcome]:
        """The outcome then and now."""
        return self.stored.verdict.outcome, self.today.verdict.outcome

    @property
    def kept(self) -> Sample:
        """The sample that counts from now on: today's, unless it could be judged then and cannot be today."""
        lost = self.stored.verdict.scored and not self.today.verdict.scored
        return self.stored if lost else self.today

    @property
    def changed(self) -> bool:
        """True if the verdict that counts differs from the stored one."""
        return self.kept.verdict != self.stored.verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescoring:
    """An evaluation judged again. `before` and `after` are what its samples said, and what they say now."""

    rejudged: tuple[Rejudged, ...]
    before: EvaluationResult
    after: EvaluationResult

    @property
    def matrix(self) -> dict[tuple[Outcome, Outcome], int]:
        """Number of samples by old and new outcome; pairs without samples are left out."""
        return dict(Counter(one.flip for one in self.rejudged))

    @property
    def changed(self) -> list[Sample]:
        """The samples whose verdict is another now, also where the outcome is the same (its detail, its score)."""
        return [one.kept for one in self.rejudged if one.changed]

    def examples(self, flip: tuple[Outcome, Outcome], count: int) -> list[Rejudged]:
        """Some samples that went from the one outcome to the other, each of another task where there are enough."""
        found = [one for one in self.rejudged if one.flip == flip]
        first = {one.stored.task: one for one in reversed(found)}
        rest = [one for one in found if first[one.stored.task] is not one]
        return [*reversed(first.values()), *rest][:count]


def rescore(
    run: StoredRun,
    env: Environment,
    *,
    k: Sequence[int] = (1,),
    majority: bool = False,
    max_unscored_share: float = 0.1,
) -> Rescoring:
    """Judge the completions of `run` by `env`, whose task set must be the run's. Writes nothing (see `keep`).

    With `majority`, `after` has maj@k too. Samples that the generator failed to give stay as they are. Raises
    ConfigError where the task set is another one today, and TooManyUnscored where more than `max_unscored_share` of
    the samples that were judged then could not be judged now: that says something about the verifier's state, not
    about them.
    """
    if env.tasks.fingerprint != run.conditions.fingerprint:
        raise ConfigError(
            f"{run.folder} was evaluated on the tasks {run.conditions.fingerprint}, and "
            f"{run.conditions.environment} has {env.tasks.fingerprint} today: verdicts on other prompts or references "
            "would not be about these completions; name the run's data with env.data=..., or evaluate anew"
        )
    said = [sample for sample in run.samples if not sample.failed]
    verdicts = judge_all(env, ((_task(env, sample), _completion(sample)) for sample in said))
    rejudged = tuple(
        Rejudged(stored=sample, today=sample.model_copy(update={"verdict": verdict}))
        for sample, verdict in zip(said, verdicts, strict=True)
    )
    _refuse_too_many_unscored(rejudged, max_unscored_share)
    kept = {one.stored.key: one.kept for one in rejudged}
    now = [kept.get(sample.key, sample) for sample in run.samples]
    answers = None
    if majority:
        answers = wrong_answers(env.verifier, {sample.task: _task(env, sample) for sample in now}, now)
    seed = run.conditions.seed
    return Rescoring(
        rejudged=rejudged,
        before=summarize(run.samples, k=k, seed=seed),
        after=summarize(now, k=k, seed=seed, wrong_answers=answers),
    )


def keep(folder: Path, rescoring: Rescoring) -> None:
    """Append the verdicts that changed to the run's samples, and bring its summary up to date.

    The lines with the old verdicts stay where they are: `read_history` shows both, `read_samples` the later one.
    """
    with held(folder):
        if list(read_run(folder).samples) != list(rescoring.before.samples):
            raise ConfigError(f"{folder} has changed while its samples were judged again: do that once more")
        if changed := rescoring.changed:
            append_lines(folder / SAMPLES, [sample.model_dump(mode="json") for sample in changed])
        append_lines(folder / RESCORINGS, [_record(rescoring)])
        write_atomically(folder / SUMMARY, json.dumps(rescoring.after.to_json(), indent=2) + "\n")


def _record(rescoring: Rescoring) -> JsonObject:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rlvr-gym": version("rlvr-gym"),
        "changed": len(rescoring.changed),
        "flips": {f"{then} -> {now}": count for (then, now), count in sorted(rescoring.matrix.items())},
    }


def _task(env: Environment, sample: Sample) -> Task:
    try:
        return env.tasks[sample.task]
    except KeyError as error:
        raise DataError(f"{sample.environment}: {error.args[0]}") from error


def _completion(sample: Sample) -> Completion:
    return Completion(text=sample.completion, finish_reason=sample.finish_reason)


def _refuse_too_many_unscored(rejudged: Sequence[Rejudged], limit: float) -> None:
    scored = [one for one in rejudged if one.stored.verdict.scored]
    lost = [one.today for one in scored if not one.today.verdict.scored]
    if len(lost) > limit * len(scored):
        raise TooManyUnscored(
            f"{len(lost)} of {len(scored)} samples that were judged then could not be judged today. The commonest "
            f"cause: {commonest_fault(lost)}; nothing was changed"
        )
