"""`rlvr rescore`: judge an evaluation's completions again, with today's verifier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rlvr_gym.cli.completion import complete_run
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.options import AsJson
from rlvr_gym.cli.settings import environment_of
from rlvr_gym.evaluation import read_run
from rlvr_gym.evaluation.rescore import Rejudged, Rescoring, keep, rescore
from rlvr_gym.files import JsonObject
from rlvr_gym.verdicts import Outcome, Verdict

MANUAL = Manual(
    examples=(
        ("rlvr rescore runs/eval-gsm8k-model --dry-run", "What today's verifier would say otherwise"),
        ("rlvr rescore runs/eval-gsm8k-model env.data=test.jsonl", "Judge again where the data has moved"),
    ),
    page="evaluation",
    topics=("files",),
)


@documented(MANUAL)
def rescore_run(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of an evaluation.", autocompletion=complete_run)
    ],
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="env.KEY=VALUE", help="Where the run's data is now: env.data=test.jsonl."),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="How many samples to show of every kind of flip.")] = 2,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would flip and change nothing.")
    ] = False,
    as_json: AsJson = False,
    max_unscored: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="The share of samples that may fail to be judged now, and were judged then.",
        ),
    ] = 0.1,
) -> None:
    """Judge the completions of an evaluation again and show what flips; the old verdicts stay in its file."""
    stored = read_run(run)
    env = environment_of(stored, options)
    majority = bool(stored.config.get("majority"))
    rescoring = rescore(stored, env, k=stored.ks or [1], majority=majority, max_unscored_share=max_unscored)
    if not dry_run:
        keep(run, rescoring)
    if as_json:
        typer.echo(json.dumps(_as_json(rescoring, run, kept=not dry_run), indent=1))
        return
    _print(rescoring, examples)
    Console(highlight=False).print(_kept(rescoring, run, dry_run), markup=False, soft_wrap=True)


def _as_json(rescoring: Rescoring, folder: Path, *, kept: bool) -> JsonObject:
    flips = [
        {"then": then, "now": now, "samples": count}
        for (then, now), count in sorted(rescoring.matrix.items())
    ]
    return {
        "folder": str(folder),
        "written": kept,
        "samples": len(rescoring.rejudged),
        "changed": len(rescoring.changed),
        "outcomes": flips,
        "before": rescoring.before.to_json(),
        "after": rescoring.after.to_json(),
    }


def _print(rescoring: Rescoring, examples: int) -> None:
    console = Console(highlight=False)
    console.print(_matrix(rescoring))
    for flip in sorted(rescoring.matrix):
        if flip[0] is not flip[1]:
            for one in rescoring.examples(flip, examples):
                console.print(_example(one))
    for k, before in rescoring.before.pass_at_k.items():
        after = rescoring.after.pass_at_k[k]
        console.print(
            f"pass@{k} {before.value:.4f} then, {after.value:.4f} now ({after.low:.4f} to {after.high:.4f})"
        )
    console.print(
        f"truncated {rescoring.after.truncation_rate:.1%} of {len(rescoring.after.samples)} samples"
    )


def _matrix(rescoring: Rescoring) -> Table:
    """Rows are the outcomes then, columns those now."""
    counts = rescoring.matrix
    found = [outcome for outcome in Outcome if any(outcome in flip for flip in counts)]
    table = Table()
    table.add_column("then \\ now")
    for outcome in found:
        table.add_column(str(outcome), justify="right")
    for then in found:
        cells = []
        for now in found:
            count = counts.get((then, now), 0)
            flipped = count and then is not now
            cells.append(Text(str(count or "."), style="bold red" if flipped else ""))
        table.add_row(str(then), *cells)
    return table


def _example(one: Rejudged) -> Text:
    stored = one.stored
    text = Text(f"{one.flip[0]} -> {one.flip[1]}", style="bold")
    text.append(f"  task {stored.task}, sample {stored.sample}\n", style="default not bold")
    text.append(f"  said  {_ending(stored.completion)}\n", style="not bold")
    text.append(f"  then  {_said(stored.verdict)}\n", style="not bold")
    text.append(f"  now   {_said(one.today.verdict)}", style="not bold")
    return text


def _ending(completion: str, length: int = 200) -> str:
    """The end of a completion, where its answer stands, on one line."""
    line = " ".join(completion.split())
    return line if len(line) <= length else f"... {line[-length:]}"


def _said(verdict: Verdict) -> str:
    answer = "no answer" if verdict.answer is None else f"answer {verdict.answer}"
    return f"{answer}; {verdict.detail}" if verdict.detail else answer


def _kept(rescoring: Rescoring, folder: Path, dry_run: bool) -> str:
    changed, total = len(rescoring.changed), len(rescoring.rejudged)
    lost = sum(one.stored.verdict.scored and not one.today.verdict.scored for one in rescoring.rejudged)
    if not changed and not lost:
        return f"none of {total} verdicts is another one now" + (
            "; nothing was written (--dry-run)" if dry_run else ""
        )
    said = f"{changed} of {total} verdicts are others now"
    if lost:
        said += f", and {lost} that could not be judged now keep theirs"
    if dry_run:
        return f"{said}; nothing was written (--dry-run)"
    return f"{said}; kept in {folder}, the old ones stay in the history of samples.jsonl"
