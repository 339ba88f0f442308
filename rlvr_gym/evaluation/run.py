"""Sample, judge, keep, report: an evaluation from beginning to end, and from wherever an earlier one stopped."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.answers import wrong_answers
from rlvr_gym.evaluation.drawing import Drawing
from rlvr_gym.evaluation.progress import OnProgress
from rlvr_gym.evaluation.ranking import ranks_of
from rlvr_gym.evaluation.samples import Conditions, SampleStore
from rlvr_gym.evaluation.statistics.summary import EvaluationResult, summarize
from rlvr_gym.evaluation.stored import Held, refuse_foreign
from rlvr_gym.files import write_atomically
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.tasks import Task
from rlvr_gym.verifiers.base import Verifier

SAMPLES, CONFIG, SUMMARY = "samples.jsonl", "config.yaml", "summary.json"
LOCK = ".lock"
MOST_TASKS = 1_000_000
"""Largest number of tasks generated for one evaluation: they are held in memory."""
MOST_SAMPLES = 1_000_000
"""Largest number of samples of a task: they are held in memory, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelName:
    """The evaluated model: its path or id, the hash of its weights if they are within reach, and its server."""

    name: str = "unnamed"
    weights: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The work of an evaluation: its tasks, `n` samples of each, and every k to report."""

    tasks: tuple[Task, ...]
    n: int
    ks: tuple[int, ...]
    sampling: SamplingParams


def plan_for(
    env: Environment,
    *,
    n: int | None = None,
    k: int | Sequence[int] | None = None,
    sampling: SamplingParams | None = None,
    limit: int | None = None,
) -> Plan:
    """Plan what `evaluate` would do with these arguments: read the tasks, sample nothing.

    Where `n` or `sampling` is None, the environment's card decides; `k` None means the powers of 4 up to n.
    Raises ConfigError for what cannot work.
    """
    card = env.card
    if n is None:
        n = card.samples_per_task if card else 1
    if n < 1:
        raise ConfigError(f"n must be at least 1, not {n}")
    if n > MOST_SAMPLES:
        raise ConfigError(f"n must be at most {MOST_SAMPLES:,}, not {n:,}")
    if k is None:
        k = tuple(4**power for power in range(16) if 4**power <= n)
    ks = (k,) if isinstance(k, int) else tuple(sorted(set(k)))
    if not ks or min(ks) < 1 or max(ks) > n:
        raise ConfigError(
            f"pass@k needs every k between 1 and the {n} samples per task, not {', '.join(map(str, ks))}"
        )
    sampling = sampling or (card.sampling if card else SamplingParams())
    return Plan(tasks=tuple(_take(env, limit)), n=n, ks=ks, sampling=sampling)


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
    until_half_width: float | None = None,
    majority: bool = False,
    ranker: Verifier | None = None,
    max_unscored_share: float = 0.1,
    samples_in_flight: int = 256,
    on_progress: OnProgress | None = None,
) -> EvaluationResult:
    """Draw `n` samples of every task, judge them, and report unbiased pass@k with its intervals.

    With `run_dir`, every sample is appended to `samples.jsonl` there as soon as it is judged, and the same call
    goes on where an earlier one ended: samples that are missing are drawn, and those without a verdict are drawn
    and judged again. A larger `n` or `limit` extends what is there. Without it, everything stays in memory. No
    global random state is read or changed.

    Args:
        env: its task set is evaluated.
        generator: samples from the model.
        n: samples per task; None means what the environment's card recommends.
        k: every k to report pass@k for, none above `n`.
        sampling: None means what the environment's card recommends.
        limit: how many tasks; None means all. Endless task sets need one.
        seed: names the random streams of samples and bootstrap; a task's samples depend on it and on the
            task's id, not on `limit` or the order of things.
        model: which model this is, for the record.
        run_dir: the folder to keep samples, configuration and summary in.
        until_half_width: stop once the interval of pass@k is this tight for every `k`. Tasks then come in
            rounds, in an order drawn by `seed`; all samples of a round are there before it is looked at.
        majority: report maj@k too, for which the verifier is asked which wrong answers are the same.
        ranker: report bon@k too, for which its scores rank a task's samples: a reward model, say. It sees no reference.
        max_unscored_share: the share of all samples that may stay without a verdict; with `until_half_width`, of
            those at which sampling would stop.
        samples_in_flight: how many episodes of several turns are played side by side
            where the generator draws many samples together; a kill loses these. All other samples are kept one
            by one, and how many are under way is the generator's own limit.
        on_progress: called with the state of things, at the start and whenever it changes.

    Raises ConfigError when the arguments cannot work, or when `run_dir` holds another evaluation's samples;
    TooManyUnscored as soon as more than `max_unscored_share` of all samples could not be judged, or when the
    generator fails sample after sample.
    """
    refuse_impossible(max_unscored_share, samples_in_flight, until_half_width)
    plan = plan_for(env, n=n, k=k, sampling=sampling, limit=limit)
    conditions = conditions_of(env, model, plan.sampling, seed)
    with _folder(run_dir) as folder:
        store = SampleStore(folder / SAMPLES if folder else None, conditions, plan.tasks, plan.n)
        if folder:
            asked = {"limit": limit, "until_half_width": until_half_width, "majority": majority}
            entry_point = str(env.spec.entry_point) if env.spec else None
            _write_config(
                folder, conditions, model, entry_point=entry_point, n=plan.n, k=list(plan.ks), **asked
            )
        Drawing(
            env,
            generator,
            store,
            plan.tasks,
            max_unscored_share=max_unscored_share,
            samples_in_flight=samples_in_flight,
            on_progress=on_progress,
        ).draw(until_half_width, plan.ks)
        answers = None
        if majority:
            answers = wrong_answers(env.verifier, {task.id: task for task in plan.tasks}, store.samples)
        ranks = None if ranker is None else ranks_of(ranker, store.samples)
        result = summarize(store.samples, k=plan.ks, seed=seed, wrong_answers=answers, ranks=ranks)
        if folder:
            write_atomically(folder / SUMMARY, json.dumps(result.to_json(), indent=2) + "\n")
    return result


@contextmanager
def _folder(run_dir: str | Path | None) -> Iterator[Path | None]:
    """The run's folder, ours alone; taken away again where nothing was written to it."""
    if run_dir is None:
        yield None
        return
    folder = Path(run_dir)
    refuse_foreign(folder, Held.EVALUATION, remedy="name another folder")
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with held(folder):
            yield folder
    except BaseException:
        if new and set(folder.iterdir()) <= {folder / LOCK}:
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # another process may have put something there
                for path in new:
                    path.rmdir()
        raise


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run's folder against a second process that would write its samples. Raises ConfigError where one does."""
    with (folder / LOCK).open("w") as lock:
        if not _locked(lock):
            raise ConfigError(
                f"another process is evaluating into {folder}: wait for it, or name another folder"
            )
        yield


def _locked(lock: IO[str]) -> bool:
    """Try to lock the file until it is closed or the process ends, however that ends; True on success."""
    try:
        import fcntl
    except ModuleNotFoundError:  # no such locks on Windows
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refuse_impossible(share: float, in_flight: int, half_width: float | None) -> None:
    """Raise ConfigError for values of `evaluate` that cannot work, whatever is evaluated."""
    if in_flight < 1:
        raise ConfigError(f"samples_in_flight must be at least 1, not {in_flight}")
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"max_unscored_share must lie between 0 and 1, not {share}")
    if half_width is not None and not 0.0 < half_width < 0.5:
        raise ConfigError(f"until_half_width must lie between 0 and 0.5, such as 0.02, not {half_width}")


def _take(env: Environment, limit: int | None) -> list[Task]:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit must be at least 1, not {limit}")
    if limit is not None and env.tasks.size is None and limit > MOST_TASKS:
        raise ConfigError(f"limit must be at most {MOST_TASKS:,} where tasks are generated, not {limit:,}")
    if limit is None and env.tasks.size is None:
        raise ConfigError(f"'{env.tasks.name}' has no end of tasks: set a limit, 200 for instance")
    return env.tasks.take(limit)


def conditions_of(env: Environment, model: ModelName, sampling: SamplingParams, seed: int) -> Conditions:
    """The conditions under which every sample of an evaluation is drawn."""
    return Conditions(
        environment=env.spec.id if env.spec else f"{type(env).__name__} of '{env.tasks.name}'",
        options={**(env.spec.kwargs if env.spec else {}), **env.selection},
        fingerprint=env.tasks.fingerprint,
        model=model.name,
        weights=model.weights,
        sampling=sampling,
        seed=seed,
    )


def _write_config(folder: Path, conditions: Conditions, model: ModelName, **asked: object) -> None:
    import yaml  # here, because it is a good part of what `import rlvr_gym` would cost

    versions = {"python": platform.python_version()}
    for package in ("rlvr-gym", "numpy", "math-verify", "sympy", "torch", "transformers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    served = {"endpoint": model.endpoint} if model.endpoint else {}
    settings = {**conditions.model_dump(mode="json"), **served, **asked, "versions": versions}
    write_atomically(folder / CONFIG, yaml.safe_dump(settings, sort_keys=False))
