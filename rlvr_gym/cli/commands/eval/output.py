"""The output of `rlvr eval`: a live line while it samples, and tables at the end."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rlvr_gym.cli.display.live import Screen, bar, duration, time_left
from rlvr_gym.evaluation import Estimate, EvaluationResult, Progress
from rlvr_gym.evaluation.rounds import widest_half_width
from rlvr_gym.generation.base import CountsTokens, Generator
from rlvr_gym.verdicts import Outcome


class Display:
    """Live lines on stderr: samples done, running pass@1 with its interval, tokens per second, time gone and left.

    Where stderr is no terminal, but a log, there is a line every half minute.
    """

    def __init__(
        self, name: str, console: Console | None = None, *, generator: Generator | None = None
    ) -> None:
        self._name = name
        self._counter = generator if isinstance(generator, CountsTokens) else None
        self._counted_before = self._counter.tokens_sampled if self._counter else 0
        self._progress: Progress | None = None
        self._screen = Screen(console or Console(stderr=True), self._lines, self._line)
        self._began = time.monotonic()

    def __enter__(self) -> Display:
        self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.stop()

    def show(self, progress: Progress) -> None:
        """Bring the lines up to date."""
        self._progress = progress

    @property
    def kept(self) -> str:
        """Say how many samples there are, of how many."""
        done, total = (self._progress.samples_done, self._progress.samples) if self._progress else (0, 0)
        return f"{done:,} of {total:,} samples"

    def _lines(self) -> list[Text]:
        gone = duration(time.monotonic() - self._began)
        if self._progress is None:
            return [Text(f"{self._name}  {gone}")]
        done, total = self._progress.samples_done, self._progress.samples
        after = f"{done:,} of {total:,} samples  {gone}"
        drawn = bar(done, total, self._screen.console.width - len(self._name) - len(after) - 5)
        said = "  ".join(facts(self._progress, time.monotonic() - self._began, self._tokens()))
        return [
            Text.assemble((self._name, "bold"), "  ", (drawn, "green"), "  " if drawn else "", after),
            Text(f"  {said}"),
        ]

    def _line(self) -> str:
        seconds = time.monotonic() - self._began
        said = facts(self._progress, seconds, self._tokens()) if self._progress else ["sampling"]
        return "  ".join([self._name, *said, f"{duration(seconds)} gone"])

    def _tokens(self) -> int:
        """Tokens sampled so far, in unfinished samples too where the generator counts them."""
        if self._counter is not None:
            return self._counter.tokens_sampled - self._counted_before
        return self._progress.completion_tokens if self._progress else 0


def facts(progress: Progress, seconds: float, tokens: int) -> list[str]:
    """Describe the progress of an evaluation after `seconds`. The time left assumes that it goes on at this pace."""
    said = [f"{progress.tasks_done:,} of {progress.tasks:,} tasks"]
    if progress.pass_at_1 is not None and progress.interval is not None:
        low, high = progress.interval.low, progress.interval.high
        said.append(f"pass@1 {progress.pass_at_1:.3f} ({low:.3f} to {high:.3f})")
    if tokens:
        said.append(f"{tokens / seconds:,.0f} tokens/s")
    resumed = progress.samples_resumed
    left = time_left(seconds, progress.samples_done - resumed, progress.samples - resumed)
    return [*said, left] if left else said


@dataclass(frozen=True, kw_only=True, slots=True)
class Intended:
    """The plan of an evaluation."""

    environment: str
    options: Mapping[str, object]
    model: str
    sampling: Mapping[str, object]
    tasks: int
    n: int
    k: list[int]
    samples_to_draw: int
    samples_there: int
    folder: str


def show_plan(plans: Sequence[Intended], *, as_json: bool) -> None:
    """Print what would be done."""
    if as_json:
        told = [asdict(plan) for plan in plans]
        print(json.dumps(told if len(told) > 1 else told[0], indent=1))
        return
    console = Console()
    for plan in plans:
        options = " ".join(f"env.{name}={value}" for name, value in plan.options.items())
        sampling = " ".join(f"sampling.{name}={value}" for name, value in plan.sampling.items())
        resumed = f", {plan.samples_there:,} are there already" if plan.samples_there else ""
        for name, said in {
            "environment": f"{plan.environment}  {options}",
            "model": plan.model,
            "sampling": sampling,
            "samples": f"{plan.tasks:,} tasks x {plan.n}: {plan.samples_to_draw:,} to draw{resumed}",
            "reported": ", ".join(f"pass@{k}" for k in plan.k),
            "folder": plan.folder,
        }.items():
            console.print(f"{name:12} {said}", highlight=False, markup=False, soft_wrap=True)
    console.print("nothing was sampled or written (--dry-run)", highlight=False)


def say(text: str) -> None:
    """Tell the user of something that went wrong with one of several evaluations."""
    Console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)


def report(
    result: EvaluationResult, folder: Path, *, planned: int | None = None, until: float | None = None
) -> None:
    """Print an evaluation's numbers. `until` is the half-width asked for, `planned` how many tasks there are."""
    console = Console()
    console.print(_title(result), highlight=False, markup=False)
    console.print(_table(result))
    for line in _facts(result):
        console.print(line, highlight=False, markup=False)
    if until is not None and planned is not None:
        console.print(_stopped(result, planned, until), highlight=False)
    for line in advice(result):
        console.print(line, style="yellow", highlight=False, soft_wrap=True, markup=False)
    console.print(f"kept in {folder}", highlight=False, soft_wrap=True, markup=False)


def advice(result: EvaluationResult) -> list[str]:
    """Suggest what to do when samples failed for a reason of their own, so that scores say little about the model."""
    said, limit = [], result.conditions.sampling.max_tokens
    malformed, cut_off = result.outcomes[Outcome.MALFORMED], result.truncation_rate
    if result.samples and cut_off == 1.0:
        said.append(f"every completion was cut off at {limit} tokens: raise sampling.max_tokens")
    elif cut_off >= 0.5 and malformed:
        said.append(
            f"{cut_off:.1%} of the completions were cut off at {limit} tokens, and one that is cut off before its "
            "answer has none: raise sampling.max_tokens"
        )
    if result.samples and malformed == len(result.samples):
        said.append(
            "no answer could be read in any completion: read some with `rlvr report`, and see that the prompt says "
            "where the answer must stand"
        )
    return said


def report_together(results: Mapping[str, EvaluationResult], names: Sequence[str]) -> None:
    """Print one table of several environments, those without a result included."""
    ks = sorted({k for result in results.values() for k in result.pass_at_k})
    unscored = any(result.unscored for result in results.values())
    table = Table(title="all environments, with 95 % intervals")
    table.add_column("environment", no_wrap=True)
    for heading in ("tasks", *(f"pass@{k}" for k in ks), "truncated", *(["unscored"] if unscored else [])):
        table.add_column(heading, justify="right", no_wrap=heading.startswith("pass@"))
    for name in names:
        result = results.get(name)
        if result is None:
            table.add_row(name, "too many unscored")
            continue
        cells = [_cell(result.pass_at_k[k]) if k in result.pass_at_k else "" for k in ks]
        ends = [f"{result.truncation_rate:.1%}", *([str(result.unscored)] if unscored else [])]
        table.add_row(name, f"{result.problems} x {result.n}", *cells, *ends)
    Console().print(table)


def _cell(estimate: Estimate) -> str:
    return f"{estimate.value:.4f}\n{estimate.low:.4f} to {estimate.high:.4f}"


def _title(result: EvaluationResult) -> str:
    said = result.conditions
    sampling = ", ".join(f"{name} {value:g}" for name, value in said.sampling)
    return f"{said.environment}, {said.model}: {result.problems} tasks x {result.n} samples, {sampling}"


def _table(result: EvaluationResult) -> Table:
    table = Table()
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    if result.unscored:
        table.add_column("unscored all wrong", justify="right")
        table.add_column("all right", justify="right")
        table.add_column("tasks", justify="right")
    for name, estimate in _rows(result).items():
        cells = [f"{estimate.value:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}"]
        table.add_row(name, *cells, *(_bounds(estimate) if result.unscored else ()))
    return table


def _rows(result: EvaluationResult) -> dict[str, Estimate]:
    """The lines of the table. best@k stands there where scores say more than right and wrong."""
    average = f"avg@{result.n}"
    first = f"pass@1 = {average}" if 1 in result.pass_at_k else average
    rows = {first: result.avg_at_n}
    rows |= {f"pass@{k}": estimate for k, estimate in result.pass_at_k.items() if k > 1}
    if any(sample.verdict.score not in (0.0, 1.0, None) for sample in result.samples):
        rows |= {f"best@{k}, by score": estimate for k, estimate in result.best_at_k.items()}
    rows |= {f"maj@{k}": estimate for k, estimate in result.maj_at_k.items() if k > 1}
    return rows | {f"bon@{k}, as ranked": estimate for k, estimate in result.bon_at_k.items() if k > 1}


def _bounds(estimate: Estimate) -> tuple[str, str, str]:
    return f"{estimate.at_least:.4f}", f"{estimate.at_most:.4f}", str(estimate.problems)


def _facts(result: EvaluationResult) -> list[str]:
    total = len(result.samples)
    counts = [f"{result.outcomes[outcome]} {outcome}" for outcome in Outcome if result.outcomes[outcome]]
    length = result.mean_completion_tokens
    tokens = "tokens not counted" if length is None else f"{length:.1f} tokens on average"
    lines = [
        f"truncated {result.truncation_rate:.1%} of {total} samples, {tokens}",
        f"outcomes  {', '.join(counts)}",
        f"unscored  {result.unscored}" + (f": {result.fault}" if result.fault else ""),
    ]
    if result.noise.within_set is not None and result.noise.between_set is not None:
        lines.append(
            f"noise     of avg@{result.n}, as standard errors: {result.noise.within_set:.4f} from sampling "
            f"(more samples lower it), {result.noise.between_set:.4f} from the choice of tasks (they do not)"
        )
    if (tools := result.tools) is not None:
        lines.append(
            f"tools     {tools.calls:.2f} calls an episode ({tools.calling:.1%} of them call), of these "
            f"{tools.malformed:.1%} malformed, {tools.failed:.1%} failed, {tools.refused:.1%} refused; "
            f"{tools.seconds:.2f} s an episode"
        )
    speed = result.completion_tokens / max(result.seconds, 1e-9)
    return [*lines, f"speed     {speed:,.0f} tokens per second, {duration(result.seconds)} in all"]


def _stopped(result: EvaluationResult, planned: int, until: float) -> str:
    widest = widest_half_width(result.pass_at_k.values())
    if result.problems < planned:
        return f"stopped  at {result.problems} of {planned} tasks: no half-width is above {widest:.4f}"
    if widest <= until:
        return f"stopped  when all {planned} tasks were done, with no half-width above {widest:.4f}"
    if math.isinf(widest):
        return f"stopped  with all {planned} tasks done: for some k, no task has so many scored samples"
    return (
        f"stopped  with all {planned} tasks done and a half-width of {widest:.4f}: {until:g} takes more tasks"
    )
