"""`rlvr eval`: sample from a model, judge, and report pass@k with intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import typer

from rlvr_gym.cli.commands.eval.curriculum import report_curriculum, write_forecast
from rlvr_gym.cli.commands.eval.models import Requests, open_model
from rlvr_gym.cli.commands.eval.options import (
    MANUAL,
    AggregateOption,
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
    RankOption,
    SamplesOption,
    SeedOption,
    TimeoutOption,
)  # fmt: skip
from rlvr_gym.cli.commands.eval.output import Display, report, report_together, say, show_plan
from rlvr_gym.cli.commands.eval.planning import (
    Asked,
    Run,
    environments_and_model,
    impossible,
    intended,
    plan_runs,
)
from rlvr_gym.cli.display.live import waiting
from rlvr_gym.cli.engines import engine_problems
from rlvr_gym.cli.loudness import note, progress_console
from rlvr_gym.cli.manual import documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.cli.settings import eval_settings, parse_ks, refuse, with_suites
from rlvr_gym.errors import TooManyUnscored
from rlvr_gym.evaluation import EvaluationResult, ModelName, evaluate
from rlvr_gym.generation.base import CountsDrafts, DraftCounts, Generator


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
    rank_by: RankOption = None,
    aggregate: AggregateOption = None,
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
    arguments = with_suites(arguments)
    names, model = environments_and_model([argument for argument in arguments if "=" not in argument], model)
    asked = Asked(
        n=n, ks=parse_ks(k), limit=limit, seed=seed, out=out, until_half_width=until_half_width,
        majority=majority, rank_by=rank_by, aggregate=aggregate, in_flight=in_flight, max_unscored=max_unscored,
    )  # fmt: skip
    problems = impossible(asked)
    given = [argument for argument in arguments if "=" in argument]
    settings = eval_settings(names, given, model, endpoint=endpoint is not None, problems=problems)
    problems += engine_problems(settings[0].generator, endpoint, api_key_env)
    with waiting(f"reading the tasks of {', '.join(names)}", progress_console()):
        runs = plan_runs(names, settings, asked, problems)
    refuse(problems)
    requests = Requests(
        endpoint=endpoint, api_key_env=api_key_env, concurrency=in_flight, timeout_seconds=request_timeout
    )
    generator, named = open_model(settings[0], requests, runs)
    result_of = partial(_evaluated, generator=generator, model=named, asked=asked)
    if dry_run:
        show_plan([intended(run, named, seed) for run in runs], as_json=as_json)
    elif as_json:
        _evaluate_for_programs(runs, result_of, curriculum)
    else:
        _evaluate_all(runs, result_of, until_half_width, curriculum)


def _evaluated(run: Run, *, generator: Generator, model: ModelName, asked: Asked) -> EvaluationResult:
    note(
        f"{run.name}: {model.name}, {run.plan.n} samples of {len(run.plan.tasks):,} tasks, into {run.folder}"
    )
    before = _drafted(generator)
    with Display(run.name, progress_console(), generator=generator) as display:
        try:
            result = evaluate(
                run.env,
                generator,
                n=run.plan.n,
                k=run.plan.ks,
                sampling=run.plan.sampling,
                limit=run.limit,
                seed=asked.seed,
                model=model,
                run_dir=run.folder,
                until_half_width=asked.until_half_width,
                majority=asked.majority,
                ranker=asked.ranker,
                max_unscored_share=asked.max_unscored,
                samples_in_flight=asked.in_flight,
                on_progress=display.show,
            )
        except KeyboardInterrupt:
            note(
                f"{run.name}: stopped; {display.kept} are kept in {run.folder}, and the same command resumes"
            )
            raise
    drafts = _drafted(generator).since(before)
    if drafts.judged:
        note(
            f"{run.name}: {drafts.accepted / drafts.judged:.1%} of drafted tokens were accepted, "
            f"{drafts.tokens / drafts.passes:.2f} tokens a pass of the model"
        )
    return result


def _drafted(generator: Generator) -> DraftCounts:
    """The counts of tokens that were drafted so far; none without a draft."""
    found = generator.draft_counts if isinstance(generator, CountsDrafts) else None
    return found or DraftCounts()


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
