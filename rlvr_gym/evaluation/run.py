"""Sample, judge, keep, report: an evaluation from beginning to end, and from wherever an earlier one stopped."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rlvr_gym.environment import Environment
from rlvr_gym.errors import ConfigError, TooManyUnscored
from rlvr_gym.evaluation.estimators import avg_at_n
from rlvr_gym.evaluation.samples import Conditions, Sample, SampleStore
from rlvr_gym.evaluation.summary import EvaluationResult, commonest_fault, summarize
from rlvr_gym.files import write_atomically
from rlvr_gym.generation.base import Generator, Prompt, SamplingParams
from rlvr_gym.rollouts import Group, collect
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message, Task
from rlvr_gym.vector import GroupVectorEnv
from rlvr_gym.verdicts import Completion

__all__ = ["EvaluationResult", "ModelName", "Progress", "evaluate"]

SAMPLES, CONFIG, SUMMARY = "samples.jsonl", "config.yaml", "summary.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelName:
    """Which model is evaluated: its path or id, and its weights' hash where they are within reach."""

    name: str = "unnamed"
    weights: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far an evaluation is. `completion_tokens` counts those sampled in this call, resumed ones left out.

    `pass_at_1` is the mean over the tasks that are done, None before the first.
    """

    tasks: int
    tasks_done: int
    tasks_resumed: int
    completion_tokens: int
    pass_at_1: float | None


OnProgress = Callable[[Progress], None]


def evaluate(
    env: Environment,
    generator: Generator,
    *,
    n: int | None = None,
    k: int | Sequence[int] = 1,
    sampling: SamplingParams | None = None,
    limit: int | None = None,
    seed: int = 0,
    model: ModelName = ModelName(),
    run_dir: str | Path | None = None,
    max_unscored_share: float = 0.1,
    samples_in_flight: int = 256,
    on_progress: OnProgress | None = None,
) -> EvaluationResult:
    """Draw `n` samples of every task, judge them, and report unbiased pass@k with its intervals.

    With `run_dir`, every sample is appended to `samples.jsonl` there as it comes, and the same call goes on where
    an earlier one ended: samples that are missing are drawn, and those that could not be judged are drawn and
    judged again. A larger `n` or `limit` extends what is there. Without it, everything stays in memory. No
    global random state is read or changed.

    Args:
        env: its task set is evaluated in order.
        generator: samples from the model.
        n: samples per task; None means what the environment's card recommends.
        k: every k to report pass@k for, none above `n`.
        sampling: None means what the environment's card recommends.
        limit: how many tasks; None means all. Endless task sets need one.
        seed: names the random streams of samples and bootstrap; a task's samples depend on it and on the
            task's id, not on `limit` or the order of things.
        model: which model this is, for the record.
        run_dir: the folder to keep samples, configuration and summary in.
        max_unscored_share: the share of all samples that may stay without a verdict.
        samples_in_flight: how many samples are drawn together (at least one task's); a run that is killed
            loses these at most.
        on_progress: called with the state of things, at the start and whenever it changes.

    Raises ConfigError when the arguments cannot work, or when `run_dir` holds another evaluation's samples;
    TooManyUnscored as soon as more than `max_unscored_share` of all samples could not be judged.
    """
    card = env.card
    if n is None:
        n = card.samples_per_task if card else 1
    ks = _validated(n, k, max_unscored_share, samples_in_flight)
    tasks = _take(env, limit)
    conditions = _conditions(env, model, sampling or (card.sampling if card else SamplingParams()), seed)
    folder = Path(run_dir) if run_dir is not None else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    store = SampleStore(folder / SAMPLES if folder else None, conditions, tasks, n)
    if folder:
        _write_config(folder, conditions, n=n, k=ks, limit=limit)
    evaluation = _Evaluation(env, generator, tasks, store, max_unscored_share, on_progress)
    evaluation.run(max(1, samples_in_flight // n))
    result = summarize(store.samples, k=ks, seed=seed)
    if folder:
        write_atomically(folder / SUMMARY, json.dumps(result.to_json(), indent=2) + "\n")
    return result


class _Evaluation:
    """The loop over batches of tasks."""

    def __init__(
        self,
        env: Environment,
        generator: Generator,
        tasks: Sequence[Task],
        store: SampleStore,
        max_unscored_share: float,
        on_progress: OnProgress | None,
    ) -> None:
        self.env, self.tasks, self.store = env, tasks, store
        self.generator = _Metered(generator, self._sampled)
        self.max_unscored_share = max_unscored_share
        self.on_progress = on_progress
        self.pending = [task for task in tasks if store.missing(task)]
        self.resumed = len(tasks) - len(self.pending)
        self.done = self.tokens = 0
        self.unscored: list[Sample] = []
        self._accuracies: dict[str, float] = {}

    def run(self, tasks_per_batch: int) -> None:
        """Draw and judge whatever is missing."""
        self._settle([task for task in self.tasks if not self.store.missing(task)])
        self._report()
        for batch in _batches(self.pending, tasks_per_batch):
            new = self._play(batch)
            self.store.add(new)
            self._settle(batch)
            self.unscored += [sample for sample in new if not sample.verdict.scored]
            self._report()
            self._refuse_too_many_unscored()

    def _play(self, batch: Sequence[Task]) -> list[Sample]:
        """The samples that `batch` lacks.

        A task that lacks some of its samples is played whole, so that each sample is the one that an
        uninterrupted run would have drawn; those already held are left out.
        """
        conditions, n = self.store.conditions, self.store.n
        vector = GroupVectorEnv(self.env, len(batch), n)
        began = time.perf_counter()
        try:
            seed = derive_seed("evaluate", conditions.seed)
            groups: list[Group] = collect(vector, self.generator, batch, conditions.sampling, seed=seed)
        finally:
            vector.close()
        seconds = time.perf_counter() - began
        lacking = {(task.id, index) for task in batch for index in self.store.missing(task)}
        rollouts = [r for group in groups for r in group if (r.task.id, r.sample) in lacking]
        return [Sample.of(r, conditions, seconds=seconds / len(rollouts)) for r in rollouts]

    def _sampled(self, completions: Sequence[Completion]) -> None:
        self.tokens += sum(len(completion.token_ids) for completion in completions)
        self._report()

    def _settle(self, tasks: Sequence[Task]) -> None:
        self.done += len(tasks)
        for task in tasks:
            right = [sample.verdict.correct for sample in self.store.of(task) if sample.verdict.scored]
            if right:
                self._accuracies[task.id] = avg_at_n(len(right), sum(right))

    def _report(self) -> None:
        if self.on_progress is None:
            return
        accuracies = self._accuracies.values()
        self.on_progress(
            Progress(
                tasks=len(self.tasks),
                tasks_done=self.done,
                tasks_resumed=self.resumed,
                completion_tokens=self.tokens,
                pass_at_1=math.fsum(accuracies) / len(accuracies) if accuracies else None,
            )
        )

    def _refuse_too_many_unscored(self) -> None:
        planned = len(self.tasks) * self.store.n
        if len(self.unscored) <= self.max_unscored_share * planned:
            return
        kept = f"; the samples are kept in {self.store.path}" if self.store.path else ""
        raise TooManyUnscored(
            f"{len(self.unscored)} of {planned} samples could not be judged, more than the "
            f"{self.max_unscored_share:.0%} that are allowed. The commonest cause: "
            f"{commonest_fault(self.unscored)}{kept}; once it is mended, the same command goes on"
        )


class _Metered:
    """A generator that reports what it sampled, prompt by prompt."""

    def __init__(self, inner: Generator, on_completions: Callable[[Sequence[Completion]], None]) -> None:
        self.inner, self.on_completions = inner, on_completions

    def generate(
        self, prompts: Sequence[Prompt], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample, and report each prompt's completions."""
        for index, completions in self.inner.generate(prompts, n, sampling):
            self.on_completions(completions)
            yield index, completions

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The inner generator's."""
        return self.inner.encode_reply(completion, messages)


def _validated(n: int, k: int | Sequence[int], share: float, in_flight: int) -> tuple[int, ...]:
    ks = (k,) if isinstance(k, int) else tuple(sorted(set(k)))
    if n < 1 or in_flight < 1:
        raise ConfigError(f"n and samples_in_flight must be at least 1, not {n} and {in_flight}")
    if not ks or min(ks) < 1 or max(ks) > n:
        raise ConfigError(
            f"pass@k needs every k between 1 and the {n} samples per task, not {', '.join(map(str, ks))}"
        )
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"max_unscored_share must lie between 0 and 1, not {share}")
    return ks


def _take(env: Environment, limit: int | None) -> list[Task]:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit must be at least 1, not {limit}")
    if limit is None and env.tasks.size is None:
        raise ConfigError(f"'{env.tasks.name}' has no end of tasks: set a limit, 200 for instance")
    return env.tasks.take(limit)


def _conditions(env: Environment, model: ModelName, sampling: SamplingParams, seed: int) -> Conditions:
    return Conditions(
        environment=env.spec.id if env.spec else f"{type(env).__name__} of '{env.tasks.name}'",
        options=dict(env.spec.kwargs) if env.spec else {},
        fingerprint=env.tasks.fingerprint,
        model=model.name,
        weights=model.weights,
        sampling=sampling,
        seed=seed,
    )


def _write_config(folder: Path, conditions: Conditions, **asked: Any) -> None:
    import yaml  # here, because it is a good part of what `import rlvr_gym` would cost

    versions = {"python": platform.python_version()}
    for package in ("rlvr-gym", "numpy", "math-verify", "sympy", "torch", "transformers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    asked["k"] = list(asked["k"])
    settings = {**conditions.model_dump(mode="json"), **asked, "versions": versions}
    write_atomically(folder / CONFIG, yaml.safe_dump(settings, sort_keys=False))


def _batches(tasks: Sequence[Task], size: int) -> Iterator[Sequence[Task]]:
    for start in range(0, len(tasks), size):
        yield tasks[start : start + size]
