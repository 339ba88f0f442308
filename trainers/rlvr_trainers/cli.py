"""The commands that this package brings to `rlvr`."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from rlvr_gym import registry
from rlvr_gym.cli.completion import Completions
from rlvr_gym.cli.display.settings_table import Section, option_rows, sections, table
from rlvr_gym.cli.display.tables import listing
from rlvr_gym.cli.exits import Exit
from rlvr_gym.cli.loudness import Loudness, loudness
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.config import Settings, merge, parse_overrides
from rlvr_gym.environments.settings import trained_model
from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.process_reward import STEP_HEAD
from rlvr_gym.verifiers.reward_model import HEAD
from rlvr_trainers.algorithms.distillation.settings import Distill
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner_settings import MeshConfig
from rlvr_trainers.recipe import load_recipe, recipe_names, recipe_settings, recipe_summary
from rlvr_trainers.run.processes import OURS, TORCHRUN, run_processes

if TYPE_CHECKING:
    from rlvr_trainers.trainer import Trainer, TrainResult


def _recipes() -> RenderableType:
    rows = [(name, recipe_summary(name)) for name in recipe_names()]
    return Group(
        Text("rlvr train RECIPE model.path=MODEL env.id=ENV [KEY.SUB=VALUE...]\n"),
        listing(rows, ("recipe", "what it is")),
        Text(
            "\nOr a YAML file of your own, which may begin with `extends: NAME`.\n"
            "Settings of one: rlvr train RECIPE --help. Options: rlvr train --help. Tasks: rlvr envs."
        ),
    )


def _list_recipes(wanted: bool) -> None:
    if wanted:
        Console().print(_recipes())
        raise typer.Exit


def _of_recipe(words: Sequence[str]) -> RenderableType | None:
    """The settings of the recipe that is named beside --help, with those on the command line laid over it."""
    recipe, *given = words
    if "=" in recipe:
        return None
    values = merge(recipe_settings(recipe), parse_overrides([word for word in given if "=" in word]))
    head = (
        f"{recipe}: {recipe_summary(recipe)}\n\nSettings, given as KEY=VALUE; bold where not the default.\n"
    )
    return Group(Text(head), table([_with_options(one, values) for one in sections(TrainConfig, values)]))


def _with_options(section: Section, values: Settings) -> Section:
    """The section of the environment with that environment's own options, where it is known."""
    given = values.get("env", {})
    name = given.get("id") if isinstance(given, dict) else None
    if section.name != "env" or not isinstance(name, str):
        return section
    try:
        rows = option_rows(registry.options(name), registry.about(name), given)
    except ConfigError:
        return section
    own = {row.key for row in rows}
    kept = tuple(row for row in section.rows if row.key not in own)
    return dataclasses.replace(section, rows=(*kept, *rows))


def complete_recipe(incomplete: str) -> Completions:
    """Recipes whose name begins so, each with what it is."""
    return [(name, recipe_summary(name)) for name in recipe_names() if name.startswith(incomplete)]


def complete_setting(incomplete: str) -> Completions:
    """Settings whose key begins so; after `env.id=` environments."""
    if incomplete.startswith("env.id="):
        names = [registry.short_name(id) for id in registry.list_environments()]
        return [f"env.id={name}" for name in names if f"env.id={name}".startswith(incomplete)]
    rows = [row for one in sections(TrainConfig, _all_groups()) for row in one.rows]
    return [(f"{row.key}=", row.meaning) for row in rows if row.key.startswith(incomplete)]


def _all_groups() -> Settings:
    """Settings in which every group that may be off is on."""
    return {name: {} for name in TrainConfig.model_fields}


MANUAL = Manual(
    examples=(
        ("rlvr train quickstart", "Learn to reverse digits from a verifier: a minute or two on a CPU"),
        (
            "rlvr train dapo env.id=gsm8k env.data=train.jsonl eval=null --model FOLDER",
            "A model and tasks of your own",
        ),
        ("rlvr train sft data.path=chat.jsonl --model FOLDER", "Imitate conversations"),
        ("rlvr train grpo env.id=countdown --model FOLDER --dry-run", "What it would do"),
        ("rlvr train dapo --help", "Every setting of a recipe: value, type, meaning"),
    ),
    page="training",
    topics=("recipes", "settings", "models", "files"),
    exits={
        Exit.FAILED: "the run cannot go on: a loss that is no number, no tasks left to learn from, a full disk"
    },
    about=_of_recipe,
    bare=_recipes,
)


@documented(MANUAL)
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A bundled recipe (grpo, dapo, ...) or a YAML file; `rlvr train` alone lists them.",
            autocompletion=complete_recipe,
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY.SUB=VALUE",
            help="Settings laid over the recipe; `rlvr train RECIPE --help` lists them.",
            autocompletion=complete_setting,
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The same as model.path=...", show_default=False)] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes of this machine that share each step.")
    ] = 1,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check everything and load the model; print the plan, train and write nothing.",
            show_default=False,
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what came of the run as JSON.", show_default=False)
    ] = False,
    list_recipes: Annotated[
        bool,
        typer.Option("--list", help="List the recipes.", is_eager=True, callback=_list_recipes),
    ] = False,
) -> None:
    """Train a model on an environment; the same command resumes."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    config = load_recipe(recipe, _given(settings or [], model))
    if config.mesh.shard > 1:
        _refuse_uneven_shards(config, processes)
    if processes > 1 and not dry_run:
        named = [] if model is None else ["--model", model]
        raise typer.Exit(_run_shared(processes, [recipe, *(settings or []), *named], as_json=as_json))
    _train_here(recipe, config, dry_run=dry_run, as_json=as_json)


def _run_shared(processes: int, words: list[str], *, as_json: bool) -> int:
    """Run the same command in so many processes; the exit status."""
    flags = [flag for flag, on in (("--json", as_json), *_loudness_flags()) if on]
    return run_processes(processes, ["train", *words, *flags])


def _train_here(recipe: str, config: TrainConfig, *, dry_run: bool, as_json: bool) -> None:
    """Train in this process, or say what that would be."""
    from rlvr_trainers.run.display import Display
    from rlvr_trainers.trainer import Trainer

    if dry_run:
        config = config.model_copy(update={"mesh": MeshConfig()})  # this process looks at the whole model
    console = Console(stderr=as_json, quiet=loudness() is Loudness.QUIET)
    display = Display(console, each_step=loudness() is Loudness.VERBOSE)
    first = int(os.environ.get("RANK", "0")) == 0
    with (display if first else Display()).busy(f"loading {config.model.path} and {config.trains_on}"):
        trainer = Trainer(config, name=Path(recipe).stem, display=display)
    if dry_run:
        _show_plan(recipe, trainer, as_json=as_json)
        return
    if trainer.mesh.first:
        header = f"{recipe}: {config.model.path} on {config.trains_on}, into {trainer.records.folder}"
        console.print(header, highlight=False, markup=False, soft_wrap=True)
        if "TORCHELASTIC_RUN_ID" in os.environ and OURS not in os.environ:
            console.print(TORCHRUN, highlight=False, markup=False, soft_wrap=True)
    result = trainer.run()
    if trainer.mesh.first:
        said = json.dumps(_as_json(result), indent=1) if as_json else _summary(result)
        Console().print(said, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(Exit.DONE if result.finished else Exit.INTERRUPTED)


def _refuse_uneven_shards(config: TrainConfig, processes: int) -> None:
    """Raise ConfigError, before any process is started, where the model cannot be shared by so many."""
    from rlvr_trainers.mesh import refuse_uneven_shards

    refuse_uneven_shards(config.mesh.shard, max(processes, int(os.environ.get("WORLD_SIZE", "1"))))


def _given(settings: Sequence[str], model: str | None) -> Settings:
    """The settings of the command line; `model` is the same as model.path."""
    given = parse_overrides(settings)
    if model is None:
        return given
    if isinstance(given.get("model"), dict) and "path" in given["model"]:
        raise ConfigError("the model is named twice: leave --model or model.path out")
    return merge(given, {"model": {"path": model}})


def _loudness_flags() -> list[tuple[str, bool]]:
    return [("--quiet", loudness() is Loudness.QUIET), ("--verbose", loudness() is Loudness.VERBOSE)]


def _show_plan(recipe: str, trainer: Trainer, *, as_json: bool) -> None:
    """Print what a run would do."""
    config, batch = trainer.config, trainer.config.batch
    held_out = config.held_out
    plan: dict[str, Any] = {
        "recipe": recipe,
        "model": config.model.path,
        "env": config.env.model_dump(mode="json", exclude_none=True),
        "data": config.data.model_dump(mode="json", exclude_none=True) if config.data else None,
        "held_out": held_out.model_dump(mode="json", exclude_none=True) if held_out else None,
        "steps": config.run.steps,
        "resumes_after": trainer.resumed_from,
        "samples_per_step": batch.prompts * batch.group_size,
        "updates_per_step": batch.updates,
        "max_tokens": config.sampling.max_tokens,
        "folder": str(trainer.records.folder),
    }
    trainer.mesh.leave()
    if as_json:
        print(json.dumps(plan, indent=1))
        return
    samples = f"{batch.prompts} prompts x {batch.group_size} samples of at most {plan['max_tokens']} tokens"
    if not config.samples:
        samples = f"{batch.prompts} rows"
    after = "" if trainer.resumed_from is None else f", of which {trainer.resumed_from} are done"
    told = {
        "recipe": recipe,
        "model": config.model.path,
        **({"teacher": config.algorithm.teacher} if isinstance(config.algorithm, Distill) else {}),
        "task": config.trains_on if config.data and config.data.named else _told(plan["env"]),
        "held out": f"{_told(plan['held_out'])}, every {config.eval.every} steps"
        if config.eval
        else "nothing",
        "steps": f"{config.run.steps}{after}: {samples}, {batch.updates} updates",
        "folder": plan["folder"],
    }
    for name, said in told.items():
        Console().print(f"{name:9} {said}", highlight=False, markup=False, soft_wrap=True)
    Console().print("nothing was trained or written (--dry-run)", highlight=False)


def _told(env: dict[str, Any]) -> str:
    options = " ".join(f"env.{name}={value}" for name, value in env.items() if name != "id")
    return f"{env['id']} {options}".rstrip()


def _as_json(result: TrainResult) -> dict[str, Any]:
    scores = {"before": result.before, "after": result.after, "best": result.best}
    return {
        "run_dir": str(result.run_dir),
        "model": str(result.run_dir / "model") if result.finished else None,
        "step": result.step,
        "finished": result.finished,
        "solved": result.solved,
        **{name: dataclasses.asdict(score) if score else None for name, score in scores.items()},
    }


def _summary(result: TrainResult) -> str:
    """Summarise a run: its result, where it is, and what to do next."""
    run = result.run_dir
    if not result.finished:
        return f"stopped after step {result.step}; the same command resumes {run}"
    scores = {"before": result.before, "after": result.after, "best": result.best}
    evaluated = run if trained_model(str(run))[1] else f"ENV model.path={run / 'model'}"
    next_step = f"evaluate    {typed('rlvr')} eval {evaluated}"
    for head, option in ((HEAD, "reward_model"), (STEP_HEAD, "process_reward_model")):
        if (run / "model" / head).exists():  # it says nothing that could be evaluated
            next_step = f"judge       {typed('rlvr')} train RECIPE env.id=jsonl env.{option}={run / 'model'}"
    lines = [
        f"held-out pass@1 {name:6}  {score}  (step {score.step})" for name, score in scores.items() if score
    ]
    return "\n".join(
        [
            *lines,
            f"run folder  {run}",
            f"model       {run / 'model'}",
            f"report      {typed('rlvr')} report {run}",
            next_step,
            f"curves      {typed('rlvr')} plot {run}",
            f"       or   {typed('tensorboard')} --logdir {run / 'tensorboard'}",
        ]
    )


def typed(command: str) -> str:
    """Spell `command` of this installation as to be typed: its name if the shell finds it, else its path."""
    ours = Path(sys.executable).with_name(command)
    found = shutil.which(command)
    if not ours.exists():
        return command if found else f"{sys.executable} -m {command}.main"
    if found is not None and Path(found).resolve() == ours.resolve():
        return command
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)
