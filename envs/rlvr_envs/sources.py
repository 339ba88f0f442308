"""Sources of the tasks of stored datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import rlvr_gym as rg
from rlvr_gym.environments.sifting import is_file, rows_of, sifted
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
    """The tasks in `data`: a file of rows, such as `.jsonl` or `.parquet`, else a hub id or a folder in hub format.

    A file is read whole, whatever `split` says, but for rows of which `to_task` makes None. A row whose gold
    answer `verifier` cannot use, or does not find right, is a DataError naming the row and the task, when the
    tasks are loaded.
    """
    if is_file(data):
        return rg.TaskSet.from_path(data, to_task, name=name, split=split, verifier=verifier)
    return rg.TaskSet.from_hub(data, to_task, name=name, split=split, config=config, verifier=verifier)


def sifted_tasks(
    data: str,
    to_task: Callable[[Row], rg.Task | None],
    verifier: rg.Verifier,
    *,
    name: str,
    split: str,
    configs: Sequence[str | None] = (None,),
) -> rg.TaskSet:
    """The tasks in `data` that can be judged, each question once, of all the `configs` of a hub id or folder.

    Rows that cannot be used are left out and named in a warning, as `rlvr_gym.environments.sifting.sifted` says.
    """
    rows = rows_of(data, split, configs)
    return sifted(rows, to_task, verifier, name=name, split=split, has_splits=not is_file(data))
