"""Plan the evaluations that a command line asks for; whatever cannot work is said before anything is loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr_gym import hub, registry
from rlvr_gym.cli.commands.eval.output import Intended
from rlvr_gym.cli.loudness import note
from rlvr_gym.cli.settings import EvalSettings
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.settings import trained_model
from rlvr_gym.errors import ConfigError, DataError, HubUnreached
from rlvr_gym.evaluation import ModelName, Plan, plan_for
from rlvr_gym.evaluation.ranking import ranker_in
from rlvr_gym.evaluation.run import SAMPLES, conditions_of, refuse_impossible
from rlvr_gym.evaluation.samples import SampleStore
from rlvr_gym.evaluation.stored import Held, held_by, refuse_foreign
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.process_reward import Aggregate

OPTIONS = {
    "n": "--n", "limit": "--limit", "max_unscored_share": "--max-unscored",
    "samples_in_flight": "--in-flight", "until_half_width": "--until-half-width",
}  # fmt: skip
"""The command-line options for arguments of `evaluate`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The options that hold for every environment of the call; None leaves the choice to it."""

    n: int | None
    ks: tuple[int, ...] | None
    limit: int | None
    seed: int
    out: Path | None
    until_half_width: float | None
    majority: bool
    rank_by: Path | None
    aggregate: Aggregate | None
    in_flight: int
    max_unscored: float

    @property
    def ranker(self) -> Verifier | None:
        """The model that ranks samples, if one is to. Raises ConfigError where its folder holds none."""
        return None if self.rank_by is None else ranker_in(self.rank_by, self.aggregate)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One environment's part of the call."""

    name: str
    env: Environment
    plan: Plan
    limit: int | None
    folder: Path


def environments_and_model(names: list[str], model: str | None) -> tuple[list[str], str | None]:
    """The environments, and the model: a trained model's folder among `names` stands for it, and for its own."""
    folders = [name for name in names if _holds_trained_model(name)]
    names = [name for name in names if name not in folders]
    if len(folders) + (model is not None) > 1:
        raise ConfigError(f"one model at a time: {', '.join([*folders, *([model] if model else [])])}")
    if models := [one for one in names if Path(one).is_dir() and _is_unknown(one)]:
        held = held_by(Path(models[0]))
        said = f"{models[0]} holds {held}" if held is not Held.NOTHING else f"{models[0]} is an empty folder"
        inside = Path(models[0], "model")  # of a training run that names no environment
        folder = models[0] if held is Held.MODEL else str(inside) if inside.is_dir() else None
        model_of = f": rlvr eval ENV model.path={folder}" if folder else ""
        finished = "names none" if inside.is_dir() else "is no finished training run"
        raise ConfigError(f"{said}, which is no environment and {finished}{model_of}")
    if folders:
        _, trained = trained_model(folders[0])
        names, model = names or ([trained.env.id] if trained else []), folders[0]
    if not names:
        raise ConfigError("which environment? `rlvr envs` lists them: rlvr eval ENV model.path=MODEL")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"'{repeated[0]}' is named twice")
    return names, model


def _holds_trained_model(name: str) -> bool:
    return _is_unknown(name) and trained_model(name)[1] is not None


def _is_unknown(name: str) -> bool:
    """Return whether no environment has that name, so that it may be a folder."""
    known = registry.list_environments()
    return name.lower() not in {*map(registry.short_name, known), *map(str.lower, known)}


def impossible(asked: Asked) -> list[str]:
    """Say which of the options cannot work, whatever the environment."""
    problems: list[str] = []
    try:
        refuse_impossible(asked.max_unscored, asked.in_flight, asked.until_half_width)
    except ConfigError as error:
        problems.append(_on_the_command_line(error))
    if asked.aggregate is not None and asked.rank_by is None:
        problems.append("--aggregate is for the steps that --rank-by FOLDER scores: give both, or neither")
    try:
        _ = asked.ranker
    except ConfigError as error:
        problems.append(f"--rank-by: {error}")
    return problems


def _on_the_command_line(error: ConfigError) -> str:
    """An error of `evaluate`, its arguments called as the options are."""
    text = str(error)
    for argument, option in OPTIONS.items():
        text = re.sub(rf"^{argument}\b", option, text)
    return text.replace("set a limit, 200 for instance", "set a limit, such as --limit 200")


def plan_runs(
    names: Sequence[str], settings: Sequence[EvalSettings], asked: Asked, problems: list[str]
) -> list[Run]:
    """Plan the evaluation of each environment; add reasons why one cannot work to `problems`."""
    several = len(names) > 1
    runs: list[Run | None] = []
    unreached: list[str] = []
    for name, own in zip(names, settings, strict=True):
        try:
            runs.append(_planned(name, own, asked, several, problems))
        except HubUnreached:
            if not several:
                raise
            unreached.append(name)
    if unreached:
        problems.append(_without_hub(unreached))
    return [run for run in runs if run]


def _without_hub(names: Sequence[str]) -> str:
    """Name the environments whose tasks are on a hub that is not reached, and say how each is given its data."""
    why = hub.unreached() or "the hub gives nothing"
    given = " ".join(f"{registry.short_name(registry.find(name))}.data=PATH" for name in names)
    return (
        f"{why}, and the tasks of {', '.join(names)} are not stored here: give each a local file, or a folder in the "
        f"hub's format, as in {given}; a suite of your own can name them, suite=FILE.yaml with a line each, such as "
        f"{names[0]}: {{data: PATH}}"
    )


def _planned(
    name: str, settings: EvalSettings, asked: Asked, several: bool, problems: list[str]
) -> Run | None:
    short = registry.short_name(registry.find(name))
    out, limit = asked.out, asked.limit
    folder = (out / short if several else out) if out else _default_folder(short, settings)
    try:
        _refuse_foreign(folder, out if several else None)
    except ConfigError as error:
        problems.append(str(error))
    try:
        env = settings.env.make()
    except ConfigError as error:
        problems.append(str(error))
        return None
    try:
        if limit is None and env.tasks.size is None:
            _, trained = trained_model(settings.model.path)
            limit = trained.tasks if trained and registry.short_name(trained.env.id) == short else None
        plan = plan_for(env, n=asked.n, k=asked.ks, sampling=settings.sampling, limit=limit)
    except ConfigError as error:
        text = _on_the_command_line(error)
        problems.append(f"{name}: {text}" if several else text)
        return None
    except DataError as error:
        if not several or isinstance(error, HubUnreached):
            raise
        problems.append(f"{name}: {error}")
        return None
    if limit is not None and len(plan.tasks) < limit:
        note(f"'{name}' has {len(plan.tasks)} different tasks, fewer than the {limit} that were asked for")
    return Run(name=name, env=env, plan=plan, limit=limit, folder=folder)


def _default_folder(short: str, settings: EvalSettings) -> Path:
    """Name the default folder of an evaluation: by environment and model, a trained model by its run."""
    path, trained = trained_model(settings.model.path)
    parts = Path(path).resolve().parts if trained else (Path(path).name,)
    said = [part for part in parts[-3:] if part not in ("model", "checkpoints", "runs")]
    name = "-".join(said[-2:] if said[-1:] and said[-1].startswith("step-") else said[-1:])
    cleaned = re.sub(r"[^\w.-]+", "-", name)
    return Path("runs") / f"eval-{short}-{cleaned}"


def _refuse_foreign(folder: Path, around: Path | None) -> None:
    """Refuse a folder that is not an evaluation's own, and one `around` several evaluations that is a run's."""
    refuse_foreign(folder, Held.EVALUATION, remedy="give --out ANOTHER_FOLDER")
    if around is not None and (held := held_by(around)) not in (Held.NOTHING, Held.OTHER):
        raise ConfigError(f"{around} holds {held}, and is no place for several: give --out ANOTHER_FOLDER")


def intended(run: Run, model: ModelName, seed: int) -> Intended:
    """Describe what an evaluation would do. Raises ConfigError if its folder holds samples of another one."""
    conditions = conditions_of(run.env, model, run.plan.sampling, seed)
    store = SampleStore(run.folder / SAMPLES, conditions, run.plan.tasks, run.plan.n)
    missing = sum(len(store.missing(task)) for task in run.plan.tasks)
    return Intended(
        environment=conditions.environment,
        options=conditions.options,
        model=model.name,
        sampling=run.plan.sampling.model_dump(),
        tasks=len(run.plan.tasks),
        n=run.plan.n,
        k=list(run.plan.ks),
        samples_to_draw=missing,
        samples_there=len(run.plan.tasks) * run.plan.n - missing,
        folder=str(run.folder),
    )
