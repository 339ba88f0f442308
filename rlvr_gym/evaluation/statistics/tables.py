"""Estimates and samples as Arrow tables, which pandas, polars and DuckDB read as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rlvr_sandbox.installing import pip_install

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.samples import Conditions, Sample
from rlvr_gym.evaluation.statistics.tallies import Estimate
from rlvr_gym.files import JsonObject

if TYPE_CHECKING:
    import pyarrow

_NESTED = ("prompt", "conversation", "metadata")
"""Fields of a sample that differ in shape from task to task, and stand in their columns as JSON."""


def of_estimates(rows: Sequence[tuple[str, int, Estimate]]) -> pyarrow.Table:
    """Triples of (metric, k, estimate) as a table with a column for each number."""
    columns = [{"metric": metric, "k": k, **asdict(estimate)} for metric, k, estimate in rows]
    return _arrow().Table.from_pylist(columns)


def of_samples(samples: Sequence[Sample]) -> pyarrow.Table:
    """A row per sample; the verdict's fields have a column each, its parts only their scores, as JSON."""
    return _arrow().Table.from_pylist([_row(sample) for sample in samples])


def _row(sample: Sample) -> JsonObject:
    row = sample.model_dump(mode="json", exclude={*Conditions.model_fields, "verdict"})
    verdict = sample.verdict
    parts = {name: part.score for name, part in verdict.parts.items()}
    return {
        **row,
        **{name: json.dumps(row[name], ensure_ascii=False) for name in _NESTED},
        "outcome": verdict.outcome.value,
        "score": verdict.score,
        "answer": verdict.answer,
        "detail": verdict.detail,
        "parts": json.dumps(parts, ensure_ascii=False),
    }


def _arrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise ConfigError(f"tables need pyarrow: {pip_install('hub')}") from error
    return pyarrow
