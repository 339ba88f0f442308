"""`rlvr eval --curriculum`: a forecast of the training signal, and the prompts sorted by pass rate."""

from __future__ import annotations

import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rlvr_gym.evaluation import EvaluationResult
from rlvr_gym.evaluation.curriculum import (
    PASS_RATES,
    Budget,
    Forecast,
    GroupForecast,
    forecast,
    write_curriculum,
)


def report_curriculum(result: EvaluationResult, folder: Path) -> None:
    """Print the forecast from an evaluation's samples, and write it and the pass rates into its folder."""
    found = write_forecast(result, folder)
    console = Console(highlight=False)
    console.print(_table(found))
    for line in _facts(found):
        console.print(line, markup=False)
    path = folder / PASS_RATES
    line = f"prompts by pass rate: env.pass_rates={path} env.pass_rate=[0.1,0.9] trains on those between two rates"
    console.print(line, markup=False, soft_wrap=True)


def write_forecast(result: EvaluationResult, folder: Path) -> Forecast:
    """Write the forecast from an evaluation's samples, and the pass rates, into its folder."""
    found = forecast(result.samples, seed=result.conditions.seed)
    write_curriculum(folder, result.samples, found)
    return found


def _table(found: Forecast) -> Table:
    table = Table(title="training on these prompts")
    for heading in ("group size", "degenerate groups", "95 % interval", "drawn for each kept"):
        table.add_column(heading, justify="right")
    for group in found.groups:
        table.add_row(*_cells(group))
    for size in found.missing:
        table.add_row(str(size), f"needs --n {size}")
    return table


def _cells(group: GroupForecast) -> tuple[str, ...]:
    drawn = "none is kept" if math.isinf(group.resampling) else f"{group.resampling:.2f}"
    return str(group.group_size), f"{group.degenerate:.1%}", f"{group.low:.1%} to {group.high:.1%}", drawn


def _facts(found: Forecast) -> list[str]:
    size = "none: every group would be degenerate" if found.group_size is None else f"{found.group_size}"
    median, slow = found.judging_seconds
    return [
        f"prompts   {found.prompts}, of which {found.never_right} were never right and {found.always_right} always",
        f"suggested batch.group_size: {size}",
        f"suggested sampling.max_tokens: {_budget(found.budget)}",
        f"judging   at most {_duration(median)} for half of the samples, {_duration(slow)} for 95 % of them",
    ]


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.2g} ms"


def _budget(budget: Budget) -> str:
    truncated = f"{budget.truncated:.1%} were truncated at {budget.max_tokens}"
    if budget.suggested is None or budget.right_p99 is None:
        return f"not known, as no sample was right or tokens were not counted ({truncated})"
    said = f"{budget.suggested} (99 % of right completions took {budget.right_p99:.0f} tokens or fewer; {truncated}"
    return f"{said}: measure again with more, this one may be too small)" if budget.censored else f"{said})"
