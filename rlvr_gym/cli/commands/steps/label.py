"""`rlvr label-steps`: sample solutions, and label their steps by how often they can be completed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rlvr_gym import registry
from rlvr_gym.cli.completion import complete_environment
from rlvr_gym.cli.display.live import waiting
from rlvr_gym.cli.engines import load_transformers
from rlvr_gym.cli.loudness import note, progress_console
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.outputs import refuse_unwritable
from rlvr_gym.cli.settings import EvalSettings, eval_settings
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.run import conditions_of
from rlvr_gym.files import JsonObject, append_lines, read_lines
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_gym.verifiers.steps import Separator

if TYPE_CHECKING:
    from rlvr_gym.play.steps import LabelledSteps

TOGETHER = 16
"""Tasks that are sampled together; a kill loses these at most."""

MANUAL = Manual(
    examples=(
        (
            "rlvr label-steps gsm8k env.data=train.jsonl --model FOLDER --limit 500 --out steps.jsonl",
            "4 solutions of each task, every step completed 8 times",
        ),
        ("rlvr train prm data.path=steps.jsonl --model FOLDER", "What it is for"),
    ),
    page="training",
    topics=("environments", "models", "settings"),
)


@documented(MANUAL)
def label_steps(
    env: Annotated[
        str,
        typer.Argument(
            metavar="ENV", help="An environment of one turn.", autocompletion=complete_environment
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY.SUB=VALUE", help="env.OPTION, model.path, model.dtype, sampling.max_tokens, ..."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The same as model.path=...", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="The file to write; one that is there is gone on with.")] = Path(
        "steps.jsonl"
    ),
    limit: Annotated[
        int | None, typer.Option(min=1, help="How many tasks.  [default: all]", show_default=False)
    ] = None,
    solutions: Annotated[int, typer.Option(min=1, help="Solutions of each task.")] = 4,
    completions: Annotated[int, typer.Option(min=1, help="Times that each step is completed.")] = 8,
    steps: Annotated[Separator, typer.Option(help="A step: line, paragraph or tag.")] = "line",
    seed: Annotated[int, typer.Option(help="Names the random streams of the samples.")] = 0,
) -> None:
    """Label the steps of sampled solutions by how often they can be completed; the same command resumes."""
    found = _settings(env, settings or (), model)
    refuse_unwritable(out, "labels cannot go to")
    from rlvr_gym.play.steps import Completing, label_steps

    how = Completing(by=steps, solutions=solutions, completions=completions)
    environment = found.env.make()
    if environment.tasks.size is None and limit is None:
        raise ConfigError(f"'{environment.tasks.name}' has no end of tasks: set a limit, such as --limit 200")
    tasks = environment.tasks.take(limit)
    with waiting(f"loading {found.model.path}", progress_console()):
        generator, name = load_transformers(found.model.path, found.model.dtype, 512, found.generator)
    said = conditions_of(environment, name, found.sampling, seed).model_dump_json()
    conditions = f"{derive_seed(said, steps, solutions, completions):016x}"
    missing = _missing(out, tasks, conditions)
    note(f"{env}: {len(missing):,} of {len(tasks):,} tasks to do, into {out}")
    for start in range(0, len(missing), TOGETHER):
        some = missing[start : start + TOGETHER]
        labelled = label_steps(
            environment, generator, some, found.sampling, how=how, seed=seed, decode=generator.text
        )
        append_lines(out, [row | {"conditions": conditions} for row in _rows(some, labelled)])
        note(f"{start + len(some):,} of {len(missing):,} tasks done")
    Console(highlight=False).print(_summary(out, tasks), markup=False, soft_wrap=True)


def _settings(env: str, given: Sequence[str], model: str | None) -> EvalSettings:
    """The settings, of which the environment's split is `train` unless they say otherwise."""
    named = any(word.startswith("env.split=") for word in given)
    split = [] if named or "split" not in registry.options(env) else ["env.split=train"]
    (found,) = eval_settings([env], [*split, *given], model)
    if found.generator.engine != "transformers":
        raise ConfigError(
            f"generator.engine={found.generator.engine}: solutions go on from ids that were sampled, which "
            "generator.engine=transformers does"
        )
    return found


def _missing(out: Path, tasks: Sequence[Task], conditions: str) -> list[Task]:
    """The tasks that a file has no line of. Raises ConfigError for a file that was made in another way."""
    done: set[str] = set()
    for row in read_lines(out) if out.exists() else ():
        if row.get("conditions") != conditions:
            raise ConfigError(
                f"{out} holds labels of other tasks, another model or other settings, which must not be mixed with "
                "these: give --out another file"
            )
        done.add(str(row.get("task")))
    return [task for task in tasks if task.id not in done]


def _rows(tasks: Sequence[Task], labelled: Sequence[LabelledSteps]) -> list[JsonObject]:
    """A row for each solution, and one without steps for a task that has none, so that it is not sampled again."""
    with_steps = {one.rollout.task.id for one in labelled}
    empty: list[JsonObject] = [
        {
            "task": task.id,
            "prompt": [message.model_dump() for message in task.prompt],
            "completions": [],
            "labels": [],
        }
        for task in tasks
        if task.id not in with_steps
    ]
    return [*(one.row for one in labelled), *empty]


def _summary(out: Path, tasks: Sequence[Task]) -> str:
    wanted = {task.id for task in tasks}
    rows = [row for row in read_lines(out) if row["task"] in wanted] if out.exists() else []
    labels = [label for row in rows for label in row["labels"] if label is not None]
    if not labels:
        return f"no step of {len(wanted):,} tasks could be labelled: read what the model says with rlvr eval"
    solutions = [row for row in rows if row["labels"]]
    right = sum(bool(row.get("correct")) for row in solutions)
    return (
        f"{len(labels):,} steps of {len(solutions):,} solutions labelled, {right / len(solutions):.1%} of which are "
        f"right; the mean label is {sum(labels) / len(labels):.3f}, and {sum(x == 0 for x in labels):,} are 0\n"
        f"kept in {out}: rlvr train prm data.path={out}"
    )
