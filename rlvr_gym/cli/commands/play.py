"""`rlvr play`: answer tasks oneself, and see what the verifier says."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.settings import EnvName, EnvOptions, make_environment
from rlvr_gym.environments.base import Environment
from rlvr_gym.verdicts import Outcome, Verdict

COLOURS = {Outcome.CORRECT: "green", Outcome.INCORRECT: "red", Outcome.UNSCORED: "yellow"}


MANUAL = Manual(
    examples=(
        ("rlvr play countdown", "Answer tasks yourself"),
        ("rlvr play gsm8k env.data=test.jsonl --seed 3", "Others of a file"),
    ),
    page="environments",
    topics=("environments",),
)


@documented(MANUAL)
def play(
    env: EnvName,
    options: EnvOptions = None,
    seed: Annotated[int, typer.Option(help="Decides which tasks come.")] = 0,
) -> None:
    """Answer tasks in the terminal and see the verdicts; Ctrl-D ends with the score.

    An answer is one line; a line that ends with a backslash goes on in the next.
    """
    console = Console(highlight=False)
    environment = make_environment(env, options)
    environment.tasks = (
        environment.tasks.unchecked()
    )  # whoever plays need not wait for other tasks' solutions
    if environment.card:
        console.print(Text(f"The answer: {environment.card.answer}", style="dim"))
    console.print(
        Text("One line is one answer (a \\ at its end goes on in the next); Ctrl-D ends.", style="dim")
    )
    verdicts: list[Verdict] = []
    next_seed: int | None = seed
    try:
        while True:
            observation, _ = environment.reset(seed=next_seed)
            next_seed = None
            verdicts.append(_episode(console, environment, observation))
    except EOFError:
        console.print()
    console.print(_score(verdicts))


def _episode(console: Console, env: Environment, observation: str) -> Verdict:
    """Play one task to its end. Raises EOFError at Ctrl-D."""
    task = env.task
    assert task is not None
    title = f"task {task.id}"
    while True:
        console.print(Panel(Text(observation), title=title, title_align="left"))
        observation, _, _, _, info = env.step(_answer(console))
        if verdict := info.get("verdict"):
            break
        title = f"turn {info['turn'] + 1}"
    console.print(_shown(verdict, env.expected(task)))
    return verdict


def _answer(console: Console) -> str:
    lines: list[str] = []
    while True:
        line = console.input("> " if not lines else ". ")
        goes_on = line.endswith("\\")
        lines.append(line.removesuffix("\\"))
        if not goes_on and any(part.strip() for part in lines):
            return "\n".join(lines)
        if not goes_on:
            lines.clear()


def _shown(verdict: Verdict, solution: str | None) -> Panel:
    score = "not scored" if verdict.score is None else f"score {verdict.score:g}"
    lines = [Text(f"{verdict.outcome}, {score}", style="bold")]
    if verdict.answer is not None:
        lines.append(Text(f"answer read: {verdict.answer}"))
    if verdict.detail:
        lines.append(Text(verdict.detail))
    if not verdict.correct and solution is not None:
        lines.append(Text(f"right would be: {solution}"))
    return Panel(
        Text("\n").join(lines),
        title="verdict",
        title_align="left",
        border_style=COLOURS.get(verdict.outcome, "red"),
    )


def _score(verdicts: list[Verdict]) -> str:
    scored = [verdict for verdict in verdicts if verdict.scored]
    right = sum(verdict.correct for verdict in scored)
    unscored = len(verdicts) - len(scored)
    return f"{right} of {len(scored)} right" + (f", {unscored} not scored" if unscored else "")
