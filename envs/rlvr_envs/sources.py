"""Sources of the tasks of stored datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import rlvr_gym as rg
from rlvr_gym.rows import Row


def stored_tasks(
    data: str,
    to_task: Callable[[Row], rg.Task | None],
    verifier: rg.Verifier,
    *,
    name: str,
    split: str,
    config: str | None = None,
) -> rg.TaskSet:
    """The tasks in `data`: a `.jsonl`, `.jsonl.gz` or `.parquet` file, else a hub id or a folder in hub format.

    A file is read whole, whatever `split` says, but for rows of which `to_task` makes None. A row whose gold
    answer `verifier` cannot use, or does not find right, is a DataError naming the row and the task, when the
    tasks are loaded.
    """
    if data.endswith((".jsonl", ".jsonl.gz", ".parquet")) or Path(data).expanduser().is_file():
        return rg.TaskSet.from_path(data, to_task, name=name, split=split, verifier=verifier)
    return rg.TaskSet.from_hub(data, to_task, name=name, split=split, config=config, verifier=verifier)
