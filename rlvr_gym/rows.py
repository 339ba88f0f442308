"""Where stored tasks come from: rows of JSONL and Parquet files and of hub datasets, each with where it stands.

What cannot be read is a DataError that names the file, and the line or row where there is one.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlvr_gym.errors import ConfigError, DataError

Row = dict[str, Any]

DATA_SUFFIXES = {".jsonl", ".json", ".parquet", ".csv", ".arrow"}
"""How the files of a folder in the hub's format end; more suffixes, such as .gz, may follow."""


def jsonl_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The objects of a `.jsonl` or `.jsonl.gz` file, one a line; blank lines are passed over."""
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    place = f"{path}, line {number}"
                    yield place, _json_object(place, line)
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} breaks off after line {number}: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read tasks from {path}: {error.strerror or error}") from error


def _json_object(place: str, line: bytes) -> Row:
    try:
        row = json.loads(line.decode("utf-8-sig"))
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        state = "is broken" if line.endswith(b"\n") else "is incomplete"
        raise DataError(f"{place} {state}: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: expected a JSON object, found {type(row).__name__}")
    return row


def parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a `.parquet` file."""
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise ConfigError("reading .parquet needs pyarrow: pip install 'rlvr-gym[hub]'") from error
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read tasks from {path}: {error}") from error
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"{path}, row {number}", row


def hub_rows(repo: str, config: str | None, split: str) -> Iterator[tuple[str, Row]]:
    """The rows of a split of a Hugging Face hub dataset, or of a local folder in the hub's format."""
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"reading '{repo}' from the hub needs datasets: pip install 'rlvr-gym[hub]'; "
            "or give a local file with data=PATH"
        ) from error
    _refuse_folder_without_data(repo)
    if config and Path(repo).is_dir() and not (Path(repo) / config).is_dir():
        config = None  # the configurations of a hub dataset are folders; plain files have none
    try:
        rows = datasets.load_dataset(repo, config, split=split)
    except (OSError, ValueError, DatasetsError) as error:
        if Path(repo).is_dir():
            why = str(error).partition("\n")[0]
            raise DataError(
                f"cannot load the folder '{repo}' (split '{split}'): {why}; name a file in it"
            ) from error
        raise DataError(
            f"cannot load '{repo}' (split '{split}') from the hub: {error}; a local file works with data=PATH"
        ) from error
    for number, row in enumerate(rows, start=1):
        yield f"{repo} ({split}), row {number}", dict(row)


def _refuse_folder_without_data(repo: str) -> None:
    folder = Path(repo)
    if not folder.is_dir():
        return
    for path in folder.rglob("*"):
        if DATA_SUFFIXES.intersection(path.suffixes):
            return
    raise DataError(
        f"the folder '{repo}' holds no data: no file in it ends with {', '.join(sorted(DATA_SUFFIXES))}; "
        "give a file with data=PATH"
    )
