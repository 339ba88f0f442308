"""`rlvr eval`: sample from a model, judge, and report pass@k with intervals."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from rlvr_gym import registry
from rlvr_gym.cli.settings import EnvName, ModelSettings, eval_settings
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation import Estimate, EvaluationResult, ModelName, Progress, evaluate
from rlvr_gym.verdicts import Outcome

if TYPE_CHECKING:
    from rlvr_gym.generation.transformers import TransformersGenerator


def evaluate_model(
    env: EnvName,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY.SUB=VALUE",
            help="model.path (required), model.dtype, sampling.temperature, sampling.top_p, sampling.top_k, "
            "sampling.max_tokens, and the environment's own options as env.NAME. Sampling defaults to what the "
            "environment's card recommends, env.split to test.",
        ),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="Samples per task; defaults to what the card recommends.")
    ] = None,
    k: Annotated[
        str | None, typer.Option("--k", help="Every k to report, such as 1,4,16; defaults to powers of 4.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="How many tasks; defaults to all.")] = None,
    seed: Annotated[int, typer.Option(help="Names the random streams of the samples.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; defaults to runs/eval-ENV-MODEL.", show_default=False)
    ] = None,
    in_flight: Annotated[
        int, typer.Option(help="Samples drawn together; a run that is killed loses these at most.")
    ] = 64,
    max_unscored: Annotated[
        float, typer.Option(help="The share of samples that may stay without a verdict.")
    ] = 0.1,
) -> None:
    """Sample from a model, judge, and report pass@k; the same command resumes."""
    asked = eval_settings(env, settings or [])
    environment = asked.env.make()
    card = environment.card
    if n is None:
        n = card.samples_per_task if card else 1
    ks = _parse_ks(k, n)
    folder = out or _default_folder(env, asked.model.path)
    generator, model = _load(asked.model)
    with _Display() as display:
        result = evaluate(
            environment,
            generator,
            n=n,
            k=ks,
            sampling=asked.sampling,
            limit=limit,
            seed=seed,
            model=model,
            run_dir=folder,
            max_unscored_share=max_unscored,
            samples_in_flight=in_flight,
            on_progress=display.show,
        )
    report(result, folder)


def report(result: EvaluationResult, folder: Path) -> None:
    """Print the table of an evaluation's numbers."""
    console = Console()
    console.print(_title(result), highlight=False, markup=False)
    console.print(_table(result))
    for line in _facts(result):
        console.print(line, highlight=False)
    console.print(f"kept in {folder}", highlight=False, soft_wrap=True, markup=False)


def _parse_ks(text: str | None, n: int) -> tuple[int, ...]:
    if text is None:
        return tuple(4**power for power in range(16) if 4**power <= n) or (1,)
    if not re.fullmatch(r"\d+(,\d+)*", text, re.ASCII):
        raise ConfigError(f"--k takes whole numbers with commas between them, such as 1,4,16, not '{text}'")
    return tuple(int(part) for part in text.split(","))


def _default_folder(env: str, model_path: str) -> Path:
    model = re.sub(r"[^\w.-]+", "-", Path(model_path).name)
    return Path("runs") / f"eval-{registry.short_name(registry.find(env))}-{model}"


def _load(settings: ModelSettings) -> tuple[TransformersGenerator, ModelName]:
    # Threads of torch that spin while they wait slow everything else down on a machine that is shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from transformers.utils import logging

    from rlvr_gym.generation.loading import load_model, weights_hash
    from rlvr_gym.generation.transformers import TransformersGenerator

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    model, tokenizer = load_model(settings.path, settings.dtype)
    name = ModelName(name=settings.path, weights=weights_hash(model))
    if torch.cuda.is_available():
        model.to("cuda")  # pyright: ignore[reportArgumentType] - the stub knows modules only
    return TransformersGenerator(model, tokenizer), name


class _Display:
    """A live line on stderr: tasks done, running pass@1, tokens per second, time left."""

    def __init__(self) -> None:
        self._bar = Bar(
            TextColumn("evaluating"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._line = self._bar.add_task("", total=None, facts="")
        self._began = time.monotonic()

    def __enter__(self) -> _Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Bring the line up to date."""
        seconds = time.monotonic() - self._began
        facts = [] if progress.pass_at_1 is None else [f"pass@1 {progress.pass_at_1:.3f}"]
        if progress.completion_tokens:
            facts.append(f"{progress.completion_tokens / seconds:,.0f} tokens/s")
        if played := progress.tasks_done - progress.tasks_resumed:
            left = seconds / played * (progress.tasks - progress.tasks_done)
            facts.append(f"{_duration(left)} left")
        self._bar.update(
            self._line, total=progress.tasks, completed=progress.tasks_done, facts="  ".join(facts)
        )


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
    average = f"avg@{result.n}"
    rows = {f"pass@{k}": estimate for k, estimate in result.pass_at_k.items() if k > 1}
    first = f"pass@1 = {average}" if 1 in result.pass_at_k else average
    for name, estimate in {first: result.avg_at_n, **rows}.items():
        cells = [f"{estimate.value:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}"]
        table.add_row(name, *cells, *(_bounds(estimate) if result.unscored else ()))
    return table


def _bounds(estimate: Estimate) -> tuple[str, str, str]:
    return f"{estimate.at_least:.4f}", f"{estimate.at_most:.4f}", str(estimate.problems)


def _facts(result: EvaluationResult) -> list[str]:
    total = len(result.samples)
    counts = [f"{result.outcomes[outcome]} {outcome}" for outcome in Outcome if result.outcomes[outcome]]
    lines = [
        f"truncated {result.truncation_rate:.1%} of {total} samples, "
        f"{result.mean_completion_tokens:.1f} tokens on average",
        f"outcomes  {', '.join(counts)}",
        f"unscored  {result.unscored}" + (f": {result.fault}" if result.fault else ""),
    ]
    if result.noise.within_set is not None and result.noise.between_set is not None:
        lines.append(
            f"noise     of avg@{result.n}, as standard errors: {result.noise.within_set:.4f} from sampling "
            f"(more samples lower it), {result.noise.between_set:.4f} from the choice of tasks (they do not)"
        )
    speed = result.completion_tokens / max(result.seconds, 1e-9)
    return [*lines, f"speed     {speed:,.0f} tokens per second, {_duration(result.seconds)} in all"]


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
