"""`rlvr eval`: sample from a model, judge, and report pass@k with intervals."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rlvr_sandbox.installing import pip_install

from rlvr_gym import registry
from rlvr_gym.cli.curriculum import report_curriculum, write_forecast
from rlvr_gym.cli.engines import connect_servers, engine_problems, load_transformers, load_vllm
from rlvr_gym.cli.eval_options import (
    MANUAL,
    Arguments,
    CurriculumOption,
    DryRunOption,
    EndpointOption,
    HalfWidthOption,
    InFlightOption,
    KeyOption,
    KsOption,
    LimitOption,
    MajorityOption,
    MaxUnscoredOption,
    ModelOption,
    OutOption,
    SamplesOption,
    SeedOption,
    TimeoutOption,
)  # fmt: skip
from rlvr_gym.cli.eval_output import Display, Intended, report, report_together, say, show_plan
from rlvr_gym.cli.live import waiting
from rlvr_gym.cli.loudness import note, progress_console
from rlvr_gym.cli.manual import documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.cli.settings import EvalSettings, ModelSettings, eval_settings, parse_ks, refuse
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.settings import trained_model
from rlvr_gym.errors import ConfigError, TooManyUnscored
from rlvr_gym.evaluation import EvaluationResult, ModelName, Plan, evaluate, plan_for
from rlvr_gym.evaluation.run import SAMPLES, conditions_of, refuse_impossible
from rlvr_gym.evaluation.samples import SampleStore
from rlvr_gym.evaluation.stored import Held, held_by, refuse_foreign
from rlvr_gym.generation.base import Generator

if TYPE_CHECKING:
    from rlvr_gym.generation.prompts import TokenGenerator

OPTIONS = {
    "n": "--n", "limit": "--limit", "max_unscored_share": "--max-unscored",
    "samples_in_flight": "--in-flight", "until_half_width": "--until-half-width",
}  # fmt: skip
"""The command-line options for arguments of `evaluate`."""

LOOKED_AT = 256
"""Number of prompts measured before any is sampled; the generator refuses a longer one when it comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One environment's part of the call."""

    name: str
    env: Environment
    plan: Plan
    limit: int | None
    folder: Path


@documented(MANUAL)
def evaluate_model(
    arguments: Arguments,
    model: ModelOption = None,
    n: SamplesOption = None,
    k: KsOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    until_half_width: HalfWidthOption = None,
    majority: MajorityOption = False,
    curriculum: CurriculumOption = False,
    in_flight: InFlightOption = 64,
    max_unscored: MaxUnscoredOption = 0.1,
    endpoint: EndpointOption = None,
    api_key_env: KeyOption = None,
    request_timeout: TimeoutOption = 600.0,
    as_json: AsJson = False,
    dry_run: DryRunOption = False,
) -> None:
    """Sample from a model, judge, and report pass@k; the same command resumes."""
    names, model = _named([argument for argument in arguments if "=" not in argument], model)
    given, ks, several = [each for each in arguments if "=" in each], parse_ks(k), len(names) > 1
    problems = _impossible(max_unscored, in_flight, until_half_width)
    settings = eval_settings(names, given, model, endpoint=endpoint is not None, problems=problems)
    problems += engine_problems(settings[0].generator, endpoint, api_key_env)
    with waiting(f"reading the tasks of {', '.join(names)}", progress_console()):
        runs = [
            _run(*pair, n, ks, limit, out, several, problems) for pair in zip(names, settings, strict=True)
        ]
    refuse(problems)
    if endpoint is None:
        with waiting(f"loading {settings[0].model.path}", progress_console()):
            generator, named = _load(settings[0], in_flight, request_timeout)
        refuse([problem for run in runs if run for problem in _without_room(run, generator)])
    else:
        generator, named = _connect(endpoint, settings[0].model, api_key_env, in_flight, request_timeout)
    planned = [run for run in runs if run]
    if dry_run:
        show_plan([_intended(run, named, seed) for run in planned], as_json=as_json)
        return

    def result_of(run: Run) -> EvaluationResult:
        note(
            f"{run.name}: {named.name}, {run.plan.n} samples of {len(run.plan.tasks):,} tasks, into {run.folder}"
        )
        with Display(run.name, progress_console(), generator=generator) as display:
            return evaluate(
                run.env,
                generator,
                n=run.plan.n,
                k=run.plan.ks,
                sampling=run.plan.sampling,
                limit=run.limit,
                seed=seed,
                model=named,
                run_dir=run.folder,
                until_half_width=until_half_width,
                majority=majority,
                max_unscored_share=max_unscored,
                samples_in_flight=in_flight,
                on_progress=display.show,
            )

    if as_json:
        _evaluate_for_programs(planned, result_of, curriculum)
    else:
        _evaluate_all(planned, result_of, until_half_width, curriculum)


def _evaluate_all(
    runs: Sequence[Run], result_of: Callable[[Run], EvaluationResult], until: float | None, curriculum: bool
) -> None:
    """Evaluate one after the other, and report. One of several that cannot be judged does not end the others."""
    results: dict[str, EvaluationResult] = {}
    for run in runs:
        try:
            results[run.name] = result_of(run)
        except TooManyUnscored as error:
            if len(runs) == 1:
                raise
            say(f"{run.name}: {error}")
            continue
        report(results[run.name], run.folder, planned=len(run.plan.tasks), until=until)
        if curriculum:
            report_curriculum(results[run.name], run.folder)
    if len(runs) > 1:
        report_together(results, [run.name for run in runs])
        raise typer.Exit(0 if len(results) == len(runs) else 1)


def _evaluate_for_programs(
    runs: Sequence[Run], result_of: Callable[[Run], EvaluationResult], curriculum: bool
) -> None:
    """Evaluate one after the other, and print what came of it as JSON: an object, of several a list."""
    told: list[dict[str, object]] = []
    for run in runs:
        try:
            result = result_of(run)
        except TooManyUnscored as error:
            if len(runs) == 1:
                raise
            told.append({"name": run.name, "error": str(error)})
            continue
        told.append({"name": run.name, "folder": str(run.folder), **result.to_json()})
        if curriculum:
            write_forecast(result, run.folder)
    typer.echo(json.dumps(told if len(runs) > 1 else told[0], indent=1))
    raise typer.Exit(1 if any("error" in one for one in told) else 0)


def _intended(run: Run, model: ModelName, seed: int) -> Intended:
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


def _named(names: list[str], model: str | None) -> tuple[list[str], str | None]:
    """The environments, and the model: a trained model's folder among `names` stands for it, and for its own."""
    folders = [name for name in names if _holds_trained_model(name)]
    names = [name for name in names if name not in folders]
    if len(folders) + (model is not None) > 1:
        raise ConfigError(f"one model at a time: {', '.join([*folders, *([model] if model else [])])}")
    if models := [one for one in names if Path(one).is_dir() and _is_unknown(one)]:
        held = held_by(Path(models[0]))
        said = f"{models[0]} holds {held}" if held is not Held.NOTHING else f"{models[0]} is an empty folder"
        model_of = f": rlvr eval ENV model.path={models[0]}" if held is Held.MODEL else ""
        raise ConfigError(f"{said}, which is no environment and no finished training run{model_of}")
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


def _impossible(max_unscored: float, in_flight: int, until_half_width: float | None) -> list[str]:
    try:
        refuse_impossible(max_unscored, in_flight, until_half_width)
    except ConfigError as error:
        return [_on_the_command_line(error)]
    return []


def _on_the_command_line(error: ConfigError) -> str:
    """An error of `evaluate`, its arguments called as the options are."""
    text = str(error)
    for argument, option in OPTIONS.items():
        text = re.sub(rf"^{argument}\b", option, text)
    return text.replace("set a limit, 200 for instance", "set a limit, such as --limit 200")


def _run(
    name: str,
    settings: EvalSettings,
    n: int | None,
    ks: tuple[int, ...] | None,
    limit: int | None,
    out: Path | None,
    several: bool,
    problems: list[str],
) -> Run | None:
    """Plan the evaluation of one environment; add reasons why it cannot work to `problems`."""
    short = registry.short_name(registry.find(name))
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
    if limit is None and env.tasks.size is None:
        _, trained = trained_model(settings.model.path)
        limit = trained.tasks if trained and registry.short_name(trained.env.id) == short else None
    try:
        plan = plan_for(env, n=n, k=ks, sampling=settings.sampling, limit=limit)
    except ConfigError as error:
        text = _on_the_command_line(error)
        problems.append(f"{name}: {text}" if several else text)
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


def _without_room(run: Run, generator: TokenGenerator) -> list[str]:
    """Say where prompts and sampling.max_tokens together exceed the model's context."""
    from rlvr_gym.generation.chat import encode_prompt

    if generator.context is None:
        return []
    prompts = (task.prompt for task in run.plan.tasks[:LOOKED_AT])
    longest = max(len(encode_prompt(generator.tokenizer, prompt)) for prompt in prompts)
    room, asked = generator.context - longest, run.plan.sampling.max_tokens
    if asked <= room:
        return []
    remedy = (
        f"give sampling.max_tokens={room} or less" if room > 0 else "take another model, or shorter prompts"
    )
    return [
        f"{run.name}: a prompt has {longest} tokens, and with sampling.max_tokens={asked} that exceeds the model's "
        f"context of {generator.context}: {remedy}"
    ]


def _refuse_foreign(folder: Path, around: Path | None) -> None:
    """Refuse a folder that is not an evaluation's own, and one `around` several evaluations that is a run's."""
    refuse_foreign(folder, Held.EVALUATION, remedy="give --out ANOTHER_FOLDER")
    if around is not None and (held := held_by(around)) not in (Held.NOTHING, Held.OTHER):
        raise ConfigError(f"{around} holds {held}, and is no place for several: give --out ANOTHER_FOLDER")


def _connect(
    url: str, settings: ModelSettings, api_key_env: str | None, concurrency: int, timeout_seconds: float
) -> tuple[Generator, ModelName]:
    try:
        from rlvr_gym.generation.endpoint import EndpointGenerator
    except ModuleNotFoundError as error:
        raise ConfigError(f"an endpoint needs httpx2: {pip_install('endpoint')}") from error
    if "dtype" in settings.model_fields_set:
        raise ConfigError("the number format is the server's affair: leave model.dtype out")
    key = None
    if api_key_env is not None:
        key = os.environ.get(api_key_env)
        if not key:
            raise ConfigError(f"--api-key-env names {api_key_env}, and there is nothing in that variable")
    generator = EndpointGenerator(
        url, settings.path, api_key=key, concurrency=concurrency, timeout_seconds=timeout_seconds
    )
    generator.check()
    return generator, ModelName(name=settings.path, endpoint=generator.url)


def _load(settings: EvalSettings, rows: int, timeout_seconds: float) -> tuple[TokenGenerator, ModelName]:
    """An engine that takes token ids, its model, and that model's name."""
    model, generator = settings.model, settings.generator
    match generator.engine:
        case "vllm":
            return load_vllm(model.path, model.dtype, generator, rows)
        case "vllm_servers":
            if "dtype" in model.model_fields_set:
                raise ConfigError("the number format is the servers' affair: leave model.dtype out")
            return connect_servers(model.path, generator.urls, rows, timeout_seconds)
        case _:
            return load_transformers(model.path, model.dtype, rows)
